-- Why: a replica that says what it reads (hot_standby_feedback), and a replication slot, keep dead rows from
-- going as a transaction does: the statistics would be written anew with them, and called gone.
CREATE OR REPLACE FUNCTION search.rewrite_statistics(p_gone xid8) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
BEGIN
    -- Whoever may not see what others see cannot know that nobody sees them.
    IF NOT pg_has_role('pg_read_all_stats', 'USAGE') THEN
        RETURN false;
    END IF;
    -- Among them is the caller's own, which a transaction of another database holds back, too.
    IF EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE (a.datname = current_database() OR a.backend_type = 'walsender')
          AND a.backend_xmin IS NOT NULL AND age(a.backend_xmin) >= age(p_gone::xid))
        OR EXISTS (
        SELECT FROM pg_replication_slots s
        WHERE greatest(age(s.xmin), age(s.catalog_xmin)) >= age(p_gone::xid))
    THEN
        RAISE EXCEPTION 'a transaction may still see statistics of tables that are gone'
            USING ERRCODE = 'object_in_use';
    END IF;
    CLUSTER pg_catalog.pg_statistic USING pg_statistic_relid_att_inh_index;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END
$$;
