-- Notices of content that is illegal or breaks the terms (LAW-10). Sealed: explanation and
-- decision_reason (content_notice, `explanation` and `reason`).
CREATE TABLE read.content_notices (
    notice_id       uuid        NOT NULL,
    content_kind    text        NOT NULL CHECK (content_kind IN ('post', 'comment')),
    content_id      uuid        NOT NULL,
    community_id    uuid        NOT NULL,
    notifier_kind   text        NOT NULL,
    notifier_id     uuid        NOT NULL,
    ground          text        NOT NULL CHECK (ground IN ('ILLEGAL_CONTENT', 'BREAKS_TERMS')),
    explanation     text        NOT NULL,
    created_at      timestamptz NOT NULL,
    outcome         text        CHECK (outcome IN ('ACTION_TAKEN', 'NO_ACTION')),
    decided_by      uuid,
    decision_reason text,
    decided_at      timestamptz,
    position        bigint      NOT NULL,
    sequence        bigint      NOT NULL,
    CONSTRAINT content_notices_pkey PRIMARY KEY (notice_id),
    CONSTRAINT content_notices_decided
        CHECK (num_nonnulls(outcome, decided_by, decision_reason, decided_at) IN (0, 4))
);
CREATE INDEX content_notices_by_age ON read.content_notices (position DESC);
CREATE INDEX content_notices_open ON read.content_notices (position DESC) WHERE outcome IS NULL;
CREATE INDEX content_notices_of_notifier ON read.content_notices (notifier_id, position DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('content_notices', 'content_notices');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.content_notices TO agora_projector;
GRANT SELECT ON read.content_notices TO agora_reader, agora_auditor;
