-- The keys of personal data, each wrapped by a master key that is in no database. This database has
-- backups of its own, kept for seven days at most: an erasure is complete when the last is gone.
DO $$
BEGIN
    CREATE ROLE agora_vault NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

CREATE SCHEMA vault;
GRANT USAGE ON SCHEMA vault TO agora_vault;

CREATE TABLE vault.subject_keys (
    subject       text        NOT NULL,
    category      text        NOT NULL,
    -- XChaCha20-Poly1305: nonce (24 bytes) and sealed key (48 bytes); NULL once destroyed.
    wrapped_key   bytea,
    master_key_id text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at  timestamptz,
    CONSTRAINT subject_keys_pkey PRIMARY KEY (subject, category),
    -- The tombstone: a destroyed key is never made again.
    CONSTRAINT subject_keys_destroyed CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL))
);

GRANT SELECT, INSERT ON vault.subject_keys TO agora_vault;
GRANT UPDATE (wrapped_key, master_key_id, destroyed_at) ON vault.subject_keys TO agora_vault;
