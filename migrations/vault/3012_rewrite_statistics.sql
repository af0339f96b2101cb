-- Why: what was removed from the planner's statistics (3011) stands there in dead rows until they are written
-- anew. Where the owner may not, a VACUUM FULL pg_statistic by whoever may does it.
DO $$
BEGIN
    CLUSTER pg_catalog.pg_statistic USING pg_statistic_relid_att_inh_index;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END
$$;
