-- E27: one entry for each login, logout, API access, data export, consent change, incident and admin
-- action. Nothing of it is an event of the domain: what comes from events is copied here, so that a day can
-- be dropped as a whole when its retention is over, and no row ever alone (SAL-09).
--
-- The partitions are by retention category, then by day: a partition of both is a leaf, with a key of its
-- own in the vault that dies with it.
CREATE TYPE log.security_event_type AS ENUM ('LOGIN', 'LOGOUT', 'API_ACCESS', 'DATA_EXPORT',
    'CONSENT_CHANGE', 'SECURITY_INCIDENT', 'ADMIN_ACTION');
CREATE TYPE log.security_event_result AS ENUM ('SUCCESS', 'FAILURE', 'BLOCKED', 'SUSPICIOUS');
CREATE TYPE log.retention_category AS ENUM ('OPERATIONAL', 'SECURITY', 'COMPLIANCE', 'FORENSIC');

CREATE TABLE log.security_audit (
    recorded_at        timestamptz               NOT NULL,
    log_id             uuid                      NOT NULL,
    retention_category log.retention_category    NOT NULL,
    event_type         log.security_event_type   NOT NULL,
    event_result       log.security_event_result NOT NULL,
    -- Of the leaf's chain, in which the entry was written.
    segment            integer                   NOT NULL,
    -- Blind indexes: keyed hashes of user, address and session. The user's is under a key of the user's
    -- own, the others are under the leaf's: without it nobody can tell what they are of.
    user_key           bigint,
    ip_key             bigint,
    session_key        bigint,
    endpoint           text,
    http_method        text,
    response_code      smallint CHECK (response_code BETWEEN 100 AND 599),
    request_size_bytes bigint   CHECK (request_size_bytes >= 0),
    response_size_bytes bigint  CHECK (response_size_bytes >= 0),
    processing_time_ms integer  CHECK (processing_time_ms >= 0),
    -- 100 is the riskiest: the other way round than a reputation score.
    risk_score         smallint CHECK (risk_score BETWEEN 0 AND 100),
    -- JSON texts.
    threat_indicators  text,
    metadata           text,
    payload_hash       bytea    CHECK (octet_length(payload_hash) = 32),
    -- The incident, for as long as which the entry is kept.
    case_id            uuid,
    -- User, session, address, user agent, referrer, headers (docs/security-audit.md). NULL where they were
    -- erased before they were written.
    sealed             bytea,
    CONSTRAINT security_audit_pkey PRIMARY KEY (recorded_at, log_id, retention_category)
) PARTITION BY LIST (retention_category);

-- What most entries are not: an ordinary access that succeeded costs no entry in these.
CREATE INDEX security_audit_by_type ON log.security_audit (event_type, recorded_at, log_id)
    WHERE event_type <> 'API_ACCESS';
CREATE INDEX security_audit_by_result ON log.security_audit (event_result, recorded_at, log_id)
    WHERE event_result <> 'SUCCESS';
CREATE INDEX security_audit_risky ON log.security_audit (recorded_at, log_id, risk_score)
    WHERE risk_score >= 1;
CREATE INDEX security_audit_riskiest ON log.security_audit (recorded_at, log_id, risk_score)
    WHERE risk_score >= 50;
CREATE INDEX security_audit_by_user ON log.security_audit (user_key, recorded_at, log_id)
    WHERE user_key IS NOT NULL;
CREATE INDEX security_audit_by_address ON log.security_audit (ip_key, recorded_at, log_id)
    WHERE ip_key IS NOT NULL;
CREATE INDEX security_audit_by_session ON log.security_audit (session_key, recorded_at, log_id)
    WHERE session_key IS NOT NULL;
-- For going through a leaf's chain. Entries are written in its order, so ranges of pages are enough.
CREATE INDEX security_audit_by_segment ON log.security_audit USING brin (segment)
    WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE log.security_audit_operational PARTITION OF log.security_audit
    FOR VALUES IN ('OPERATIONAL') PARTITION BY RANGE (recorded_at);
CREATE TABLE log.security_audit_security PARTITION OF log.security_audit
    FOR VALUES IN ('SECURITY') PARTITION BY RANGE (recorded_at);
CREATE TABLE log.security_audit_compliance PARTITION OF log.security_audit
    FOR VALUES IN ('COMPLIANCE') PARTITION BY RANGE (recorded_at);
CREATE TABLE log.security_audit_forensic PARTITION OF log.security_audit
    FOR VALUES IN ('FORENSIC') PARTITION BY RANGE (recorded_at);

SELECT log.make_immutable(table_name::regclass)
FROM unnest(ARRAY['log.security_audit', 'log.security_audit_operational', 'log.security_audit_security',
                  'log.security_audit_compliance', 'log.security_audit_forensic']) AS t (table_name);

-- The leaves that there are or were.
CREATE TABLE log.security_audit_leaves (
    day                date                   NOT NULL,
    retention_category log.retention_category NOT NULL,
    dropped_at         timestamptz,
    CONSTRAINT security_audit_leaves_pkey PRIMARY KEY (day, retention_category)
);

-- The chain of a leaf: each group of entries that was written together, with a MAC over it and over the one
-- before, under a key that is in no database (SAL-11).
CREATE TABLE log.security_audit_segments (
    day                date                   NOT NULL,
    retention_category log.retention_category NOT NULL,
    number             integer                NOT NULL CHECK (number > 0),
    entries            integer                NOT NULL CHECK (entries > 0),
    -- Up to here, this segment included.
    total              bigint                 NOT NULL,
    mac                bytea                  NOT NULL CHECK (octet_length(mac) = 32),
    CONSTRAINT security_audit_segments_pkey PRIMARY KEY (day, retention_category, number)
);
CREATE FUNCTION log.refuse_segment_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- With its leaf a chain goes, too.
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM log.security_audit_leaves l
        WHERE l.day = OLD.day AND l.retention_category = OLD.retention_category
          AND l.dropped_at IS NOT NULL)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a segment of the security audit log is immutable'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER security_audit_segments_immutable BEFORE UPDATE OR DELETE ON log.security_audit_segments
    FOR EACH ROW EXECUTE FUNCTION log.refuse_segment_change();
ALTER TABLE log.security_audit_segments ENABLE ALWAYS TRIGGER security_audit_segments_immutable;
CREATE TRIGGER security_audit_segments_stay BEFORE TRUNCATE ON log.security_audit_segments
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.security_audit_segments ENABLE ALWAYS TRIGGER security_audit_segments_stay;

CREATE FUNCTION log.security_audit_leaf(p_category log.retention_category, p_day date) RETURNS text
LANGUAGE sql STABLE
RETURN format('security_audit_%s_%s', lower(p_category::text), to_char(p_day, 'YYYYMMDD'));

-- Makes a day's leaves. Whoever writes calls it, so that no entry is refused for want of one.
CREATE FUNCTION log.prepare_security_audit(p_day date) RETURNS void
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
            'CREATE TABLE log.%I PARTITION OF log.%I FOR VALUES FROM (%L) TO (%L)',
            v_leaf, 'security_audit_' || lower(v_category::text),
            p_day::timestamp AT TIME ZONE 'UTC', (p_day + 1)::timestamp AT TIME ZONE 'UTC');
        PERFORM make_immutable(format('log.%I', v_leaf)::regclass);
        -- Searches name the leaves: to plan for all that there are would take longer than to look.
        EXECUTE format('GRANT SELECT ON log.%I TO agora_writer, agora_reader, agora_auditor', v_leaf);
        INSERT INTO security_audit_leaves (day, retention_category) VALUES (p_day, v_category)
        ON CONFLICT (day, retention_category) DO UPDATE SET dropped_at = NULL;
    END LOOP;
END
$$;

-- The end of a leaf's chain, which is the caller's until its transaction ends.
CREATE FUNCTION log.security_audit_end(p_category log.retention_category, p_day date,
    OUT number integer, OUT total bigint, OUT mac bytea)
LANGUAGE plpgsql
SET search_path = log, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(security_audit_leaf(p_category, p_day), 0));
    -- A statement of its own: its snapshot is taken once the lock is held.
    SELECT s.number, s.total, s.mac INTO number, total, mac
    FROM security_audit_segments s
    WHERE s.day = p_day AND s.retention_category = p_category
    ORDER BY s.number DESC LIMIT 1;
    number := coalesce(number, 0);
    total := coalesce(total, 0);
    mac := coalesce(mac, '');
END
$$;

-- Drops the leaves whose retention is over, each as a whole; returns which. What belongs to a case in
-- p_held stays for as long as it is held.
CREATE FUNCTION log.drop_security_audit(p_operational date, p_security date, p_compliance date,
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
        dropped_day := v_leaf.day;
        dropped_category := v_leaf.retention_category::text;
        RETURN NEXT;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION log.prepare_security_audit, log.security_audit_end, log.drop_security_audit,
    log.refuse_segment_change FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.prepare_security_audit, log.security_audit_end
    TO agora_writer, agora_reader;
GRANT EXECUTE ON FUNCTION log.drop_security_audit TO agora_writer;
GRANT INSERT, SELECT ON log.security_audit, log.security_audit_segments TO agora_writer, agora_reader;
GRANT SELECT ON log.security_audit_leaves TO agora_writer, agora_reader;
GRANT SELECT ON log.security_audit, log.security_audit_segments, log.security_audit_leaves
    TO agora_auditor;
