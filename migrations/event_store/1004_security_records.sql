-- Refusals, logins, reads of the audit log: not events of the domain, but append-only and kept by
-- the day, so that retention drops whole partitions. Addresses are sealed under the actor or, where
-- nobody is known, under the day.
CREATE TABLE log.security_records (
    id          uuid        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- 'refusal', 'login', 'login_failed', 'audit_read' …
    kind        text        NOT NULL,
    result      text        NOT NULL CHECK (result IN ('SUCCESS', 'FAILURE', 'BLOCKED')),
    actor_kind  text,
    actor_id    uuid,
    -- The command or the route's template.
    action      text        NOT NULL,
    rule        text,
    status      integer     NOT NULL,
    ip_address  text,
    -- How many equal records of one window this one stands for.
    occurrences bigint      NOT NULL DEFAULT 1 CHECK (occurrences > 0),
    CONSTRAINT security_records_pkey PRIMARY KEY (recorded_at, id),
    CONSTRAINT security_records_actor CHECK ((actor_kind IS NULL) = (actor_id IS NULL))
) PARTITION BY RANGE (recorded_at);

-- A record is never refused for want of its day's partition.
CREATE TABLE log.security_records_default PARTITION OF log.security_records DEFAULT;

CREATE TRIGGER security_records_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON log.security_records
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- Makes the partitions of today and the next days.
CREATE FUNCTION log.prepare_security_records(p_days integer DEFAULT 3) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
AS $$
DECLARE
    v_day date;
BEGIN
    PERFORM pg_advisory_xact_lock(418347184738);
    FOR v_day IN SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date + n
                 FROM generate_series(0, least(p_days, 31)) AS n
    LOOP
        IF to_regclass(format('log.security_records_%s', to_char(v_day, 'YYYYMMDD'))) IS NULL
           AND NOT EXISTS (
               SELECT FROM security_records_default
               WHERE recorded_at >= v_day::timestamp AT TIME ZONE 'UTC'
                 AND recorded_at < (v_day + 1)::timestamp AT TIME ZONE 'UTC')
        THEN
            EXECUTE format(
                'CREATE TABLE log.security_records_%s PARTITION OF log.security_records
                 FOR VALUES FROM (%L) TO (%L)',
                to_char(v_day, 'YYYYMMDD'),
                v_day::timestamp AT TIME ZONE 'UTC', (v_day + 1)::timestamp AT TIME ZONE 'UTC');
        END IF;
    END LOOP;
END
$$;
SELECT log.prepare_security_records();

REVOKE EXECUTE ON FUNCTION log.prepare_security_records FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.prepare_security_records TO agora_writer, agora_reader;
GRANT INSERT, SELECT ON log.security_records TO agora_writer, agora_reader;
GRANT SELECT ON log.security_records TO agora_auditor;
