-- Why: as a transaction does, a replica that says what it reads (hot_standby_feedback), and a replication slot,
-- keep a destroyed key's row from going: the table would be written anew with it.
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
        WHERE (a.datname = current_database() OR a.backend_type = 'walsender')
          AND a.backend_xmin IS NOT NULL AND age(a.backend_xmin) >= (
              SELECT age(k.xid::xid) FROM destroyed_keys k ORDER BY k.number DESC LIMIT 1))
        OR EXISTS (
        SELECT FROM pg_replication_slots s
        WHERE greatest(age(s.xmin), age(s.catalog_xmin)) >= (
              SELECT age(k.xid::xid) FROM destroyed_keys k ORDER BY k.number DESC LIMIT 1))
    THEN
        RAISE EXCEPTION 'a transaction may still see keys that were destroyed'
            USING ERRCODE = 'object_in_use';
    END IF;
    CLUSTER vault.subject_keys USING subject_keys_pkey;
END
$$;
