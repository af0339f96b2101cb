-- Versions of the privacy policy (E28), as they stand. Which is current, and until when one held, follows
-- from effective_date and the time of the question: no column says it, so no job has to change one.
CREATE TABLE read.policy_versions (
    version_id          uuid        NOT NULL,
    version_number      text        NOT NULL,
    effective_date      timestamptz NOT NULL,
    policy_content      text        NOT NULL,
    content_hash        text        NOT NULL CHECK (content_hash ~ '^[0-9a-f]{64}$'),
    major_changes       jsonb,
    acceptance_required boolean     NOT NULL,
    legal_review_status text        NOT NULL
        CHECK (legal_review_status IN ('DRAFT', 'UNDER_REVIEW', 'APPROVED', 'PUBLISHED')),
    -- Who wrote in it: actors as `{kind, id}`.
    authors             jsonb       NOT NULL,
    reviewed_by         uuid,
    reviewed_at         timestamptz,
    published_at        timestamptz,
    notification_sent   boolean     NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    -- Of its first event.
    position            bigint      NOT NULL,
    sequence            bigint      NOT NULL,
    CONSTRAINT policy_versions_pkey PRIMARY KEY (version_id),
    CONSTRAINT policy_versions_number UNIQUE (version_number),
    CONSTRAINT policy_versions_reviewed
        CHECK (num_nonnulls(reviewed_by, reviewed_at)
               = CASE WHEN legal_review_status IN ('APPROVED', 'PUBLISHED') THEN 2 ELSE 0 END),
    CONSTRAINT policy_versions_published
        CHECK ((published_at IS NOT NULL) = (legal_review_status = 'PUBLISHED')),
    CONSTRAINT policy_versions_holds_after_publication CHECK (published_at <= effective_date)
);
CREATE INDEX policy_versions_by_effect
    ON read.policy_versions (effective_date DESC) WHERE legal_review_status = 'PUBLISHED';
CREATE INDEX policy_versions_by_age ON read.policy_versions (position DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('policy_versions', 'policy_versions');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.policy_versions TO agora_projector;
GRANT SELECT ON read.policy_versions TO agora_reader, agora_auditor;
