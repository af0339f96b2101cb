-- The keys of admins that are programs (ADM-07); name, scopes and status stand in read.admins under the
-- same id. A key itself is nowhere. key_id and key_issued_at are NULL where no key lets it in.
CREATE TABLE read.service_accounts (
    id                 uuid        NOT NULL,
    user_credential_id uuid        NOT NULL,
    key_id             uuid,
    key_issued_at      timestamptz,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    -- Of the account's own stream, not of the admin's.
    sequence           bigint      NOT NULL,
    CONSTRAINT service_accounts_pkey PRIMARY KEY (id),
    CONSTRAINT service_accounts_key CHECK (num_nonnulls(key_id, key_issued_at) <> 1)
);
CREATE INDEX service_accounts_by_age ON read.service_accounts (created_at DESC, id DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('service_accounts', 'service_accounts');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.service_accounts TO agora_projector;
GRANT SELECT ON read.service_accounts TO agora_reader, agora_auditor;
