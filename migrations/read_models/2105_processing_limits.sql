-- Objections to a purpose (LAW-06) and restrictions of the processing (LAW-05): a row for each. Sealed:
-- reason (processing_limit, `limit.reason`, of the stream in stream_id), and lifting_reason, by which an
-- admin lifted a restriction (`lifting_reason`).
CREATE TABLE read.processing_limits (
    limit_id       uuid        NOT NULL,
    stream_id      text        NOT NULL,
    limit_kind     text        NOT NULL CHECK (limit_kind IN ('OBJECTION', 'RESTRICTION')),
    user_id        uuid        NOT NULL,
    user_kind      text        NOT NULL CHECK (user_kind IN ('member', 'admin')),
    -- Of an objection: what it is to.
    consent_type   text,
    purpose        text,
    -- Of a restriction: why, of Art. 18(1).
    ground         text,
    reason         text,
    since          timestamptz NOT NULL,
    ended_at       timestamptz CHECK (ended_at >= since),
    lifted_by      uuid,
    lifting_reason text,
    updated_at     timestamptz NOT NULL,
    -- Of its first event.
    position       bigint      NOT NULL,
    -- Of its last event in its stream.
    sequence       bigint      NOT NULL,
    CONSTRAINT processing_limits_pkey PRIMARY KEY (limit_id),
    CONSTRAINT processing_limits_of_a_purpose
        CHECK ((limit_kind = 'OBJECTION') = (consent_type IS NOT NULL AND purpose IS NOT NULL)),
    CONSTRAINT processing_limits_with_a_ground
        CHECK ((limit_kind = 'RESTRICTION') = (ground IS NOT NULL))
);
CREATE INDEX processing_limits_by_age ON read.processing_limits (limit_kind, position DESC);
CREATE INDEX processing_limits_of_user
    ON read.processing_limits (user_id, limit_kind, position DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('processing_limits', 'processing_limits');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.processing_limits TO agora_projector;
GRANT SELECT ON read.processing_limits TO agora_reader, agora_auditor;
