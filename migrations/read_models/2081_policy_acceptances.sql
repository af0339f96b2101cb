-- Who accepted which version of the privacy policy, and when (PPV-13).
CREATE TABLE read.policy_acceptances (
    version_id     uuid        NOT NULL,
    user_id        uuid        NOT NULL,
    user_kind      text        NOT NULL CHECK (user_kind IN ('member', 'admin')),
    version_number text        NOT NULL,
    content_hash   text        NOT NULL,
    accepted_at    timestamptz NOT NULL,
    position       bigint      NOT NULL,
    sequence       bigint      NOT NULL,
    CONSTRAINT policy_acceptances_pkey PRIMARY KEY (version_id, user_id, user_kind)
);
CREATE INDEX policy_acceptances_by_version
    ON read.policy_acceptances (version_number, position DESC);
CREATE INDEX policy_acceptances_of_user ON read.policy_acceptances (user_id, position DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('policy_acceptances', 'policy_acceptances');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.policy_acceptances TO agora_projector;
GRANT SELECT ON read.policy_acceptances TO agora_reader, agora_auditor;
