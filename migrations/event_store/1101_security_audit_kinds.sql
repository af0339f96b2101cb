-- Entries of the security audit log are found by type, result and risk, too. What is neither an ordinary
-- access nor one that succeeded is of a kind that few entries of a partition have, or none. So each kind is
-- written down once a leaf, as tracks are: a search names only the partitions that hold what it looks for,
-- and looks for each of their kinds in one index, in order.
--
-- Readers and writers of the log wait from here on, since indexes of it go. Searches hold partitions from the
-- newest on, so they are taken in that order: nobody waits for who waits for it.
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

CREATE TABLE log.security_audit_kinds (
    day                date                      NOT NULL,
    retention_category log.retention_category    NOT NULL,
    event_type         log.security_event_type   NOT NULL,
    event_result       log.security_event_result NOT NULL,
    risk_score         smallint                  NOT NULL CHECK (risk_score BETWEEN 0 AND 100),
    CONSTRAINT security_audit_kinds_pkey
        PRIMARY KEY (day, retention_category, event_type, event_result, risk_score)
);

-- For tracks and kinds.
ALTER FUNCTION log.refuse_track_change RENAME TO refuse_mark_change;
CREATE OR REPLACE FUNCTION log.refuse_mark_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- With its leaf a mark goes, too.
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM log.security_audit_leaves l
        WHERE l.day = OLD.day AND l.retention_category = OLD.retention_category
          AND l.dropped_at IS NOT NULL)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'what a search of the security audit log finds entries by is immutable: %', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER security_audit_kinds_immutable BEFORE UPDATE OR DELETE ON log.security_audit_kinds
    FOR EACH ROW EXECUTE FUNCTION log.refuse_mark_change();
ALTER TABLE log.security_audit_kinds ENABLE ALWAYS TRIGGER security_audit_kinds_immutable;
CREATE TRIGGER security_audit_kinds_stay BEFORE TRUNCATE ON log.security_audit_kinds
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.security_audit_kinds ENABLE ALWAYS TRIGGER security_audit_kinds_stay;

INSERT INTO log.security_audit_kinds (day, retention_category, event_type, event_result, risk_score)
SELECT DISTINCT (recorded_at AT TIME ZONE 'UTC')::date, retention_category, event_type, event_result,
       risk_score
-- Every writer has given a score.
FROM log.security_audit WHERE risk_score IS NOT NULL;

-- Writes down what tracks and kinds the entries of a leaf have, where whoever wrote them has not; says how
-- many. Names the leaf, since to plan for all that there are takes longer than to look into one.
CREATE FUNCTION log.mark_security_audit(p_day date, p_category log.retention_category) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
AS $$
DECLARE
    v_leaf   text := security_audit_leaf(p_category, p_day);
    v_tracks bigint;
    v_kinds  bigint;
BEGIN
    IF to_regclass(format('log.%I', v_leaf)) IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format(
        'INSERT INTO security_audit_tracks (day, retention_category, user_key, ip_key, session_key)
         SELECT DISTINCT $1, $2, user_key, ip_key, session_key FROM log.%I
         WHERE num_nonnulls(user_key, ip_key, session_key) > 0
         ON CONFLICT DO NOTHING', v_leaf) USING p_day, p_category;
    GET DIAGNOSTICS v_tracks = ROW_COUNT;
    EXECUTE format(
        'INSERT INTO security_audit_kinds (day, retention_category, event_type, event_result, risk_score)
         SELECT DISTINCT $1, $2, event_type, event_result, risk_score FROM log.%I
         WHERE risk_score IS NOT NULL
         ON CONFLICT DO NOTHING', v_leaf) USING p_day, p_category;
    GET DIAGNOSTICS v_kinds = ROW_COUNT;
    RETURN v_tracks + v_kinds;
END
$$;

-- An ordinary access that succeeded costs no entry in it: those are found by time.
CREATE INDEX security_audit_by_kind ON log.security_audit
    (event_type, event_result, risk_score, recorded_at, log_id)
    WHERE event_type <> 'API_ACCESS' OR event_result <> 'SUCCESS' OR risk_score <> 0;
DROP INDEX log.security_audit_by_type, log.security_audit_by_result, log.security_audit_risky,
    log.security_audit_riskiest;

-- As before, but that of a new leaf which grows there are no new statistics for each tenth that it has grown:
-- its searches go by indexes whatever statistics there are.
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
                 ALTER sealed SET STATISTICS 0', v_leaf);
        PERFORM make_immutable(format('log.%I', v_leaf)::regclass);
        -- Searches name the leaves: to plan for all that there are would take longer than to look.
        EXECUTE format('GRANT SELECT ON log.%I TO agora_writer, agora_reader, agora_auditor', v_leaf);
        INSERT INTO security_audit_leaves (day, retention_category) VALUES (p_day, v_category)
        ON CONFLICT (day, retention_category) DO UPDATE SET dropped_at = NULL;
    END LOOP;
END
$$;

-- As before, but that the kinds of a leaf go with it.
CREATE OR REPLACE FUNCTION log.drop_security_audit(p_operational date, p_security date, p_compliance date,
    p_forensic date, p_held uuid[])
RETURNS TABLE (dropped_day date, dropped_category text)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
-- A leaf that somebody reads is dropped another hour.
SET lock_timeout = '2s'
AS $$
DECLARE
    v_leaf record;
    v_name text;
    v_held boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(418347184743);
    FOR v_leaf IN
        SELECT l.day, l.retention_category FROM security_audit_leaves l
        WHERE l.dropped_at IS NULL AND l.day < CASE l.retention_category
            WHEN 'OPERATIONAL' THEN p_operational
            WHEN 'SECURITY' THEN p_security
            WHEN 'COMPLIANCE' THEN p_compliance
            WHEN 'FORENSIC' THEN p_forensic END
        ORDER BY l.day, l.retention_category
    LOOP
        v_name := security_audit_leaf(v_leaf.retention_category, v_leaf.day);
        IF v_leaf.retention_category = 'FORENSIC' THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM log.%I WHERE case_id = ANY ($1))', v_name)
                INTO v_held USING p_held;
            CONTINUE WHEN v_held;
        END IF;
        EXECUTE format('DROP TABLE IF EXISTS log.%I', v_name);
        UPDATE security_audit_leaves l SET dropped_at = clock_timestamp()
        WHERE l.day = v_leaf.day AND l.retention_category = v_leaf.retention_category;
        DELETE FROM security_audit_segments s
        WHERE s.day = v_leaf.day AND s.retention_category = v_leaf.retention_category;
        DELETE FROM security_audit_tracks t
        WHERE t.day = v_leaf.day AND t.retention_category = v_leaf.retention_category;
        DELETE FROM security_audit_kinds k
        WHERE k.day = v_leaf.day AND k.retention_category = v_leaf.retention_category;
        dropped_day := v_leaf.day;
        dropped_category := v_leaf.retention_category::text;
        RETURN NEXT;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION log.mark_security_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.mark_security_audit TO agora_writer;
GRANT INSERT, SELECT ON log.security_audit_kinds TO agora_writer, agora_reader;
GRANT SELECT ON log.security_audit_kinds TO agora_auditor;
