-- Accesses are nearly all of the security audit log. Those that are kept for operations stand in packs: what was
-- written together is one row, its entries an array, instead of a row and two or three entries of indexes for
-- each. Written so, an entry costs Postgres half as much and takes a third of the room.
--
-- What such a writer of before writes meanwhile, and what was written before, stays where it is: the entries of
-- a leaf are those of its table and those of its packs (log.security_audit_entries).
CREATE TYPE log.security_audit_entry AS (
    recorded_at           timestamptz,
    log_id                uuid,
    -- Of log.security_event_type and log.security_event_result; as texts they are read in half the time.
    event_type            text,
    event_result          text,
    user_key              bigint,
    ip_key                bigint,
    session_key           bigint,
    endpoint              text,
    http_method           text,
    response_code         smallint,
    request_size_bytes    bigint,
    response_size_bytes   bigint,
    processing_time_ms    integer,
    risk_score            smallint,
    threat_indicators     text,
    metadata              text,
    payload_hash          bytea,
    case_id               uuid,
    sealed                bytea,
    sealed_in_recorded_at timestamptz,
    sealed_in_log_id      uuid
);

-- Of the OPERATIONAL category alone.
CREATE TABLE log.security_audit_packs (
    day          date        NOT NULL,
    -- Of the leaf's chain; what was written together may be several packs.
    segment      integer     NOT NULL,
    part         smallint    NOT NULL,
    -- Of the first entry, and the time of the last one. A pack is short, so that who looks for a moment or goes
    -- back from one knows which packs may hold something of it.
    first_at     timestamptz NOT NULL,
    first_log_id uuid        NOT NULL,
    last_at      timestamptz NOT NULL,
    -- The tracks and kinds of its entries, as numbers (docs/adr/0024). Only finds: who searches looks at the
    -- entries.
    found_by     bigint[]    NOT NULL,
    -- In the order of their times and ids.
    entries      log.security_audit_entry[] NOT NULL,
    CONSTRAINT security_audit_packs_pkey PRIMARY KEY (day, segment, part),
    -- What is written twice has the same first entry.
    CONSTRAINT security_audit_packs_first_key UNIQUE (first_at, first_log_id, day),
    CHECK (segment > 0 AND part >= 0),
    CONSTRAINT security_audit_packs_span CHECK (last_at BETWEEN first_at AND first_at + interval '250 milliseconds'),
    CHECK (day = (first_at AT TIME ZONE 'UTC')::date AND day = (last_at AT TIME ZONE 'UTC')::date),
    CHECK (cardinality(entries) BETWEEN 1 AND 500)
) PARTITION BY RANGE (day);
CREATE INDEX security_audit_packs_found_by ON log.security_audit_packs USING gin (found_by)
    WITH (fastupdate = on, gin_pending_list_limit = 1024);
DO $$
BEGIN
    ALTER TABLE log.security_audit_packs ALTER entries SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    -- Of a Postgres that was built without it: packs take longer to write.
    NULL;
END
$$;
-- No plan depends on what is in them, and statistics of them would be copies of entries.
ALTER TABLE log.security_audit_packs ALTER found_by SET STATISTICS 0, ALTER entries SET STATISTICS 0;
SELECT log.make_immutable('log.security_audit_packs');

-- Makes the place of a day's packs, where it is not there.
CREATE FUNCTION log.prepare_security_audit_packs(p_day date) RETURNS void
LANGUAGE plpgsql
SET search_path = log, pg_catalog, pg_temp
AS $$
DECLARE
    v_packs text := 'security_audit_packs_' || to_char(p_day, 'YYYYMMDD');
BEGIN
    IF to_regclass(format('log.%I', v_packs)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(418347184743);
    -- Somebody else may have made it meanwhile.
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS log.%I PARTITION OF log.security_audit_packs FOR VALUES FROM (%L) TO (%L)
             WITH (autovacuum_analyze_scale_factor = 1)', v_packs, p_day, p_day + 1);
    EXECUTE format('ALTER TABLE log.%I ALTER found_by SET STATISTICS 0, ALTER entries SET STATISTICS 0',
        v_packs);
    PERFORM make_immutable(format('log.%I', v_packs)::regclass);
    EXECUTE format('GRANT SELECT ON log.%I TO agora_writer, agora_reader, agora_auditor', v_packs);
END
$$;
REVOKE EXECUTE ON FUNCTION log.prepare_security_audit_packs FROM PUBLIC;
-- What is being made by an older function meanwhile gets its packs with the next look (below).
SELECT pg_advisory_xact_lock(418347184743);
SELECT log.prepare_security_audit_packs(l.day) FROM log.security_audit_leaves l
WHERE l.retention_category = 'OPERATIONAL' AND l.dropped_at IS NULL;

-- As before, and the accesses of a day have a place for their packs.
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
    -- First, as all who use both take a day's packs before its other table. Also where that is there: an older
    -- service may have made it.
    PERFORM prepare_security_audit_packs(p_day);
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

-- As before, but that the packs of a leaf go with it.
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
        IF v_leaf.retention_category = 'OPERATIONAL' THEN
            EXECUTE format('DROP TABLE IF EXISTS log.%I',
                'security_audit_packs_' || to_char(v_leaf.day, 'YYYYMMDD'));
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

-- All entries, wherever they stand. Goes through all packs: no condition on an entry says which may be left out.
CREATE VIEW log.security_audit_entries AS
SELECT recorded_at, log_id, retention_category, event_type::text AS event_type,
       event_result::text AS event_result, segment, user_key, ip_key, session_key, endpoint, http_method,
       response_code, request_size_bytes, response_size_bytes, processing_time_ms, risk_score,
       threat_indicators, metadata, payload_hash, case_id, sealed, sealed_in_recorded_at, sealed_in_log_id
FROM log.security_audit
UNION ALL
SELECT e.recorded_at, e.log_id, 'OPERATIONAL'::log.retention_category, e.event_type, e.event_result,
       p.segment, e.user_key, e.ip_key, e.session_key, e.endpoint, e.http_method, e.response_code,
       e.request_size_bytes, e.response_size_bytes, e.processing_time_ms, e.risk_score,
       e.threat_indicators, e.metadata, e.payload_hash, e.case_id, e.sealed, e.sealed_in_recorded_at,
       e.sealed_in_log_id
FROM log.security_audit_packs p CROSS JOIN LATERAL unnest(p.entries) e;

GRANT INSERT, SELECT ON log.security_audit_packs TO agora_writer, agora_reader;
GRANT SELECT ON log.security_audit_packs TO agora_auditor;
GRANT SELECT ON log.security_audit_entries TO agora_writer, agora_reader, agora_auditor;
