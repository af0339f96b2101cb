-- Which keys were destroyed, and when: processes let go of what they hold by it, and it proves later what
-- an erasure destroyed. A key's id is a hash of it, which tells nothing of it.
CREATE TABLE vault.destroyed_keys (
    number       bigint      GENERATED ALWAYS AS IDENTITY,
    subject      text        NOT NULL,
    category     text        NOT NULL,
    -- NULL where there was no key: a tombstone was made so that there will be none.
    key_id       text,
    destroyed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT destroyed_keys_pkey PRIMARY KEY (number)
);
CREATE INDEX destroyed_keys_by_time ON vault.destroyed_keys (destroyed_at);
CREATE INDEX destroyed_keys_by_subject ON vault.destroyed_keys (subject, category);
GRANT SELECT, INSERT ON vault.destroyed_keys TO agora_vault;

-- Writes the table of keys anew: a destroyed key stays in dead rows, and in what a vacuum leaves of a
-- page, until then. Whoever asks for a key waits meanwhile, so it gives up where it cannot begin soon.
CREATE FUNCTION vault.rewrite() RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = vault, pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
BEGIN
    CLUSTER vault.subject_keys USING subject_keys_pkey;
END
$$;

-- Begins a new segment of the write-ahead log and a checkpoint: what is before it is not needed after a
-- crash, and is removed or written over. False where the owner of this function may not.
CREATE FUNCTION vault.flush_wal() RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_switch_wal();
    CHECKPOINT;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END
$$;

REVOKE EXECUTE ON FUNCTION vault.rewrite, vault.flush_wal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.rewrite, vault.flush_wal TO agora_vault;
