-- Why: the planner's statistics of search tables hold the commonest words in the clear, those of tables that
-- are gone as dead rows.
--
-- They cannot be done without: whether words are looked for in the index or from the newest text on is decided
-- by them (docs/adr/0012-search-tables.md). So they are written anew after the tables were, once the last
-- transaction has ended that may see the old ones: p_gone is one that began when they were gone already.
-- False where the owner of this function may not. Whoever plans a statement waits meanwhile, so it gives up
-- where it cannot begin soon.
CREATE FUNCTION search.rewrite_statistics(p_gone xid8) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
BEGIN
    -- Among them is the caller's own, which a transaction of another database holds back, too.
    IF EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL
          AND age(a.backend_xmin) >= age(p_gone::xid))
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
REVOKE EXECUTE ON FUNCTION search.rewrite_statistics FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search.rewrite_statistics TO agora_projector;

-- What the database did not let be done: an operator sees to it.
ALTER TABLE search.rewrites ADD COLUMN left_undone text;
GRANT UPDATE (left_undone) ON search.rewrites TO agora_projector;
