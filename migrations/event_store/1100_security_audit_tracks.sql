-- Entries of the security audit log are found by user, address and session. Of these, thousands of entries
-- have the same: a login from an address. So what is indexed for each entry is which combination it has, its
-- track, and each combination is written down once a leaf. That is one index for each entry instead of three,
-- which were more than half of what an entry cost.
CREATE FUNCTION log.security_audit_track(p_user_key bigint, p_ip_key bigint, p_session_key bigint)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- Of hashes, so it is one. Who searches compares the keys, too: two combinations may have one track.
RETURN coalesce(p_user_key, 0) # coalesce(p_ip_key, 0) # coalesce(p_session_key, 0);

CREATE TABLE log.security_audit_tracks (
    day                date                   NOT NULL,
    retention_category log.retention_category NOT NULL,
    user_key           bigint,
    ip_key             bigint,
    session_key        bigint,
    CONSTRAINT security_audit_tracks_key
        UNIQUE NULLS NOT DISTINCT (day, retention_category, user_key, ip_key, session_key),
    CHECK (num_nonnulls(user_key, ip_key, session_key) > 0)
);
CREATE INDEX security_audit_tracks_by_user ON log.security_audit_tracks (user_key)
    WHERE user_key IS NOT NULL;
CREATE INDEX security_audit_tracks_by_address ON log.security_audit_tracks (ip_key)
    WHERE ip_key IS NOT NULL;
CREATE INDEX security_audit_tracks_by_session ON log.security_audit_tracks (session_key)
    WHERE session_key IS NOT NULL;

CREATE FUNCTION log.refuse_track_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- With its leaf a track goes, too.
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM log.security_audit_leaves l
        WHERE l.day = OLD.day AND l.retention_category = OLD.retention_category
          AND l.dropped_at IS NOT NULL)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a track of the security audit log is immutable'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER security_audit_tracks_immutable BEFORE UPDATE OR DELETE ON log.security_audit_tracks
    FOR EACH ROW EXECUTE FUNCTION log.refuse_track_change();
ALTER TABLE log.security_audit_tracks ENABLE ALWAYS TRIGGER security_audit_tracks_immutable;
CREATE TRIGGER security_audit_tracks_stay BEFORE TRUNCATE ON log.security_audit_tracks
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.security_audit_tracks ENABLE ALWAYS TRIGGER security_audit_tracks_stay;

-- Writes down what tracks the entries of a leaf have, where whoever wrote them has not; says how many.
CREATE FUNCTION log.track_security_audit(p_day date, p_category log.retention_category) RETURNS bigint
LANGUAGE sql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
AS $$
    WITH added AS (
        INSERT INTO security_audit_tracks (day, retention_category, user_key, ip_key, session_key)
        SELECT DISTINCT p_day, p_category, e.user_key, e.ip_key, e.session_key
        FROM security_audit e
        WHERE e.retention_category = p_category
          AND e.recorded_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND e.recorded_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
          AND num_nonnulls(e.user_key, e.ip_key, e.session_key) > 0
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM added
$$;
SELECT log.track_security_audit(l.day, l.retention_category)
FROM log.security_audit_leaves l WHERE l.dropped_at IS NULL;

CREATE INDEX security_audit_by_track ON log.security_audit
    (log.security_audit_track(user_key, ip_key, session_key), recorded_at, log_id);
DROP INDEX log.security_audit_by_user, log.security_audit_by_address, log.security_audit_by_session;

-- As before, but that the tracks of a leaf go with it.
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
        dropped_day := v_leaf.day;
        dropped_category := v_leaf.retention_category::text;
        RETURN NEXT;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION log.security_audit_track, log.track_security_audit, log.refuse_track_change
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.security_audit_track TO agora_writer, agora_reader, agora_auditor;
GRANT EXECUTE ON FUNCTION log.track_security_audit TO agora_writer;
GRANT INSERT, SELECT ON log.security_audit_tracks TO agora_writer, agora_reader;
GRANT SELECT ON log.security_audit_tracks TO agora_auditor;
