-- A row that somebody may still see is copied along when a table is written anew, and with it a key that
-- was destroyed: the table must be written after the last transaction has ended that began before. One
-- of another database counts too, for it holds the snapshots of this one back.
ALTER TABLE vault.destroyed_keys ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
GRANT INSERT (subject, category, key_id) ON vault.destroyed_keys TO agora_vault;

CREATE OR REPLACE FUNCTION vault.rewrite() RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = vault, pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
BEGIN
    -- Among them is the caller's own.
    IF EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL
          AND age(a.backend_xmin) >= (
              SELECT age(k.xid::xid) FROM destroyed_keys k ORDER BY k.number DESC LIMIT 1))
    THEN
        RAISE EXCEPTION 'a transaction may still see keys that were destroyed'
            USING ERRCODE = 'object_in_use';
    END IF;
    CLUSTER vault.subject_keys USING subject_keys_pkey;
END
$$;
