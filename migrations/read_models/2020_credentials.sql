-- E09, without the hash: that leaves the log through nothing (CRD-03). Sealed: email, pending_email
-- (credential, `email`). deleted_at: when it was invalidated.
CREATE TABLE read.credentials (
    id            uuid        NOT NULL,
    holder_kind   text        NOT NULL CHECK (holder_kind IN ('member', 'admin')),
    holder_id     uuid        NOT NULL,
    email         text        NOT NULL,
    -- An address that was asked for and waits for its confirmation.
    pending_email text,
    -- unconfirmed: registered, and nobody logs in with it yet.
    status        text        NOT NULL CHECK (status IN ('unconfirmed', 'valid', 'invalidated')),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    deleted_at    timestamptz,
    sequence      bigint      NOT NULL,
    CONSTRAINT credentials_pkey PRIMARY KEY (id)
);
CREATE INDEX credentials_by_holder ON read.credentials (holder_id);

INSERT INTO read.projection_tables (projection, table_name) VALUES ('credentials', 'credentials');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.credentials TO agora_projector;
GRANT SELECT ON read.credentials TO agora_reader, agora_auditor;
