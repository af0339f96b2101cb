-- What a client says of itself is the same from entry to entry, and was half of what an entry of the security
-- audit log takes. So it is sealed in the first entry of a partition that has it, and others refer to that one.
--
-- Readers and writers of the log wait from here on. Searches hold partitions from the newest on, so they are
-- taken in that order: nobody waits for who waits for it.
LOCK TABLE ONLY log.security_audit, ONLY log.security_audit_operational, ONLY log.security_audit_security,
    ONLY log.security_audit_compliance, ONLY log.security_audit_forensic IN ACCESS EXCLUSIVE MODE;
DO $$
DECLARE
    v_leaf text;
BEGIN
    FOR v_leaf IN
        SELECT log.security_audit_leaf(l.retention_category, l.day) FROM log.security_audit_leaves l
        WHERE l.dropped_at IS NULL ORDER BY l.day DESC
    LOOP
        EXECUTE format('LOCK TABLE log.%I IN ACCESS EXCLUSIVE MODE', v_leaf);
    END LOOP;
END
$$;

-- The entry of the same partition in which this one's client is sealed; NULL where it is sealed here, or was
-- erased before it was written. No foreign key: the chain covers both entries, and none can be deleted.
ALTER TABLE log.security_audit
    ADD COLUMN sealed_in_recorded_at timestamptz,
    ADD COLUMN sealed_in_log_id      uuid;

-- As before, but for the new columns.
CREATE OR REPLACE FUNCTION log.prepare_security_audit(p_day date) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
    v_category retention_category;
    v_leaf     text;
BEGIN
    FOREACH v_category IN ARRAY enum_range(NULL::retention_category)
    LOOP
        v_leaf := security_audit_leaf(v_category, p_day);
        CONTINUE WHEN EXISTS (SELECT FROM security_audit_leaves l
            WHERE l.day = p_day AND l.retention_category = v_category AND l.dropped_at IS NULL);
        PERFORM pg_advisory_xact_lock(418347184743);
        -- Asked again once nobody else makes it: rows, not names, whose cache may not know of it yet.
        CONTINUE WHEN EXISTS (SELECT FROM security_audit_leaves l
            WHERE l.day = p_day AND l.retention_category = v_category AND l.dropped_at IS NULL);
        EXECUTE format(
            'CREATE TABLE log.%I PARTITION OF log.%I FOR VALUES FROM (%L) TO (%L)
                 WITH (autovacuum_analyze_scale_factor = 1)',
            v_leaf, 'security_audit_' || lower(v_category::text),
            p_day::timestamp AT TIME ZONE 'UTC', (p_day + 1)::timestamp AT TIME ZONE 'UTC');
        -- Of these no plan depends on statistics.
        EXECUTE format(
            'ALTER TABLE log.%I ALTER log_id SET STATISTICS 0, ALTER endpoint SET STATISTICS 0,
                 ALTER http_method SET STATISTICS 0, ALTER threat_indicators SET STATISTICS 0,
                 ALTER metadata SET STATISTICS 0, ALTER payload_hash SET STATISTICS 0,
                 ALTER sealed SET STATISTICS 0, ALTER sealed_in_recorded_at SET STATISTICS 0,
                 ALTER sealed_in_log_id SET STATISTICS 0', v_leaf);
        PERFORM make_immutable(format('log.%I', v_leaf)::regclass);
        -- Searches name the leaves: to plan for all that there are would take longer than to look.
        EXECUTE format('GRANT SELECT ON log.%I TO agora_writer, agora_reader, agora_auditor', v_leaf);
        INSERT INTO security_audit_leaves (day, retention_category) VALUES (p_day, v_category)
        ON CONFLICT (day, retention_category) DO UPDATE SET dropped_at = NULL;
    END LOOP;
END
$$;
