-- Packs by columns. An array of records costs Postgres most of what it does for a pack: 21 values of each entry are
-- read one by one, with what type each is, and made a tuple. As an array for each column they take half the time,
-- half of what is sent, and a new column needs no other type. What is the same in many entries of a pack, what
-- happened, stands in it once.
--
-- Packs that are there, and those that an older writer writes meanwhile, stay as they are: a pack has either.
-- What is being made by the older function meanwhile is there before it.
SELECT pg_advisory_xact_lock(418347184743);

CREATE TYPE log.security_audit_act AS (
    event_type        log.security_event_type,
    event_result      log.security_event_result,
    endpoint          text,
    http_method       text,
    response_code     smallint,
    risk_score        smallint,
    threat_indicators text,
    metadata          text,
    case_id           uuid
);

ALTER TABLE log.security_audit_packs
    ALTER entries DROP NOT NULL,
    -- What happened in them, each once, and which of these an entry is, from 1.
    ADD acts                   log.security_audit_act[],
    ADD act_numbers            smallint[],
    -- In the order of their times and ids; all arrays but acts are as long. Those of values that no entry has
    -- are null.
    ADD recorded_ats           timestamptz[],
    ADD log_ids                uuid[],
    ADD user_keys              bigint[],
    ADD ip_keys                bigint[],
    ADD session_keys           bigint[],
    ADD request_sizes_bytes    bigint[],
    ADD response_sizes_bytes   bigint[],
    ADD processing_times_ms    integer[],
    ADD payload_hashes         bytea[],
    ADD sealed_texts           bytea[],
    ADD sealed_in_recorded_ats timestamptz[],
    ADD sealed_in_log_ids      uuid[],
    ADD CONSTRAINT security_audit_packs_columns CHECK (
        CASE WHEN entries IS NOT NULL THEN
            num_nonnulls(acts, act_numbers, recorded_ats, log_ids, user_keys, ip_keys, session_keys,
                request_sizes_bytes, response_sizes_bytes, processing_times_ms, payload_hashes, sealed_texts,
                sealed_in_recorded_ats, sealed_in_log_ids) = 0
        ELSE
            log_ids IS NOT NULL AND cardinality(log_ids) BETWEEN 1 AND 500
            AND acts IS NOT NULL AND cardinality(acts) BETWEEN 1 AND cardinality(log_ids)
            AND act_numbers IS NOT NULL AND cardinality(act_numbers) = cardinality(log_ids)
            AND recorded_ats IS NOT NULL AND cardinality(recorded_ats) = cardinality(log_ids)
            AND coalesce(cardinality(user_keys) = cardinality(log_ids), true)
            AND coalesce(cardinality(ip_keys) = cardinality(log_ids), true)
            AND coalesce(cardinality(session_keys) = cardinality(log_ids), true)
            AND coalesce(cardinality(request_sizes_bytes) = cardinality(log_ids), true)
            AND coalesce(cardinality(response_sizes_bytes) = cardinality(log_ids), true)
            AND coalesce(cardinality(processing_times_ms) = cardinality(log_ids), true)
            AND coalesce(cardinality(payload_hashes) = cardinality(log_ids), true)
            AND coalesce(cardinality(sealed_texts) = cardinality(log_ids), true)
            AND coalesce(cardinality(sealed_in_recorded_ats) = cardinality(log_ids), true)
            AND coalesce(cardinality(sealed_in_log_ids) = cardinality(log_ids), true)
        END) NOT VALID;
-- As entries are (1103), also on days that there are: compressed by lz4, where Postgres was built with it, and
-- without statistics, which would be copies of entries.
DO $$
DECLARE
    v_packs   regclass;
    v_columns text[] := ARRAY['acts', 'act_numbers', 'recorded_ats', 'log_ids', 'user_keys', 'ip_keys',
        'session_keys', 'request_sizes_bytes', 'response_sizes_bytes', 'processing_times_ms', 'payload_hashes',
        'sealed_texts', 'sealed_in_recorded_ats', 'sealed_in_log_ids'];
BEGIN
    FOR v_packs IN SELECT relid FROM pg_partition_tree('log.security_audit_packs')
    LOOP
        EXECUTE format('ALTER TABLE %s %s', v_packs,
            (SELECT string_agg(format('ALTER %I SET STATISTICS 0', name), ', ') FROM unnest(v_columns) name));
        BEGIN
            EXECUTE format('ALTER TABLE %s %s', v_packs,
                (SELECT string_agg(format('ALTER %I SET COMPRESSION lz4', name), ', ') FROM unnest(v_columns) name));
        EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
            -- Packs take longer to write.
            NULL;
        END;
    END LOOP;
END
$$;

-- As before, but that no array of a pack has statistics, whichever there are.
CREATE OR REPLACE FUNCTION log.prepare_security_audit_packs(p_day date) RETURNS void
LANGUAGE plpgsql
SET search_path = log, pg_catalog, pg_temp
AS $$
DECLARE
    v_packs   text := 'security_audit_packs_' || to_char(p_day, 'YYYYMMDD');
    v_columns text;
BEGIN
    IF to_regclass(format('log.%I', v_packs)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(418347184743);
    -- Somebody else may have made it meanwhile.
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS log.%I PARTITION OF log.security_audit_packs FOR VALUES FROM (%L) TO (%L)
             WITH (autovacuum_analyze_scale_factor = 1)', v_packs, p_day, p_day + 1);
    SELECT string_agg(format('ALTER %I SET STATISTICS 0', a.attname), ', ') INTO v_columns
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = format('log.%I', v_packs)::regclass AND a.attnum > 0 AND NOT a.attisdropped
      AND t.typcategory = 'A';
    EXECUTE format('ALTER TABLE log.%I %s', v_packs, v_columns);
    PERFORM make_immutable(format('log.%I', v_packs)::regclass);
    EXECUTE format('GRANT SELECT ON log.%I TO agora_writer, agora_reader, agora_auditor', v_packs);
END
$$;

-- The entries of packs beside what their packs are found by. What no writer writes is left out: verification
-- misses it, and nobody else stumbles over it.
CREATE VIEW log.security_audit_packed AS
SELECT p.day, p.segment, p.part, p.first_at, p.first_log_id, p.last_at, p.found_by,
       'OPERATIONAL'::log.retention_category AS retention_category, e.*
FROM log.security_audit_packs p
CROSS JOIN LATERAL (
    SELECT e.recorded_at, e.log_id, (e.act).event_type::text AS event_type,
           (e.act).event_result::text AS event_result, e.user_key, e.ip_key, e.session_key, (e.act).endpoint,
           (e.act).http_method, (e.act).response_code, e.request_size_bytes, e.response_size_bytes,
           e.processing_time_ms, (e.act).risk_score, (e.act).threat_indicators, (e.act).metadata,
           e.payload_hash, (e.act).case_id, e.sealed, e.sealed_in_recorded_at, e.sealed_in_log_id
    FROM (
        -- Each OFFSET 0 has something done once, which would be done again wherever it is named: acts are taken
        -- from where they stand for a pack, and one of them for an entry. Joined instead, all acts would be gone
        -- through for each entry.
        SELECT o.acts[c.act_number] AS act, c.*
        FROM (SELECT p.acts || '{}'::log.security_audit_act[] AS acts OFFSET 0) o
        CROSS JOIN (
            SELECT unnest(p.act_numbers) AS act_number, unnest(p.recorded_ats) AS recorded_at,
                   unnest(p.log_ids) AS log_id, unnest(p.user_keys) AS user_key, unnest(p.ip_keys) AS ip_key,
                   unnest(p.session_keys) AS session_key, unnest(p.request_sizes_bytes) AS request_size_bytes,
                   unnest(p.response_sizes_bytes) AS response_size_bytes,
                   unnest(p.processing_times_ms) AS processing_time_ms,
                   unnest(p.payload_hashes) AS payload_hash, unnest(p.sealed_texts) AS sealed,
                   unnest(p.sealed_in_recorded_ats) AS sealed_in_recorded_at,
                   unnest(p.sealed_in_log_ids) AS sealed_in_log_id) c
        OFFSET 0) e
    WHERE (e.act).event_type IS NOT NULL AND (e.act).event_result IS NOT NULL
    UNION ALL
    SELECT * FROM unnest(p.entries) e WHERE e.event_type IS NOT NULL AND e.event_result IS NOT NULL) e
WHERE e.recorded_at BETWEEN p.first_at AND p.last_at AND e.log_id IS NOT NULL;

-- As before, of packs of either form.
CREATE OR REPLACE VIEW log.security_audit_entries AS
SELECT recorded_at, log_id, retention_category, event_type::text AS event_type,
       event_result::text AS event_result, segment, user_key, ip_key, session_key, endpoint, http_method,
       response_code, request_size_bytes, response_size_bytes, processing_time_ms, risk_score,
       threat_indicators, metadata, payload_hash, case_id, sealed, sealed_in_recorded_at, sealed_in_log_id
FROM log.security_audit
UNION ALL
SELECT recorded_at, log_id, retention_category, event_type, event_result, segment, user_key, ip_key,
       session_key, endpoint, http_method, response_code, request_size_bytes, response_size_bytes,
       processing_time_ms, risk_score, threat_indicators, metadata, payload_hash, case_id, sealed,
       sealed_in_recorded_at, sealed_in_log_id
FROM log.security_audit_packed;

GRANT SELECT ON log.security_audit_packed TO agora_writer, agora_reader, agora_auditor;
