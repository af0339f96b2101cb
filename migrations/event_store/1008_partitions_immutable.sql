-- A statement's trigger fires for the table that the statement names, so each partition of the
-- security records has one of its own: those that are there, and those to come.
CREATE FUNCTION log.make_immutable(p_table regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER security_records_immutable
                    BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', p_table);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER security_records_immutable', p_table);
END
$$;
REVOKE EXECUTE ON FUNCTION log.make_immutable FROM PUBLIC;
SELECT log.make_immutable('log.security_records');
SELECT log.make_immutable(i.inhrelid::regclass) FROM pg_inherits i
WHERE i.inhparent = 'log.security_records'::regclass;

-- As before, and each new partition gets its trigger.
CREATE OR REPLACE FUNCTION log.prepare_security_records(p_days integer DEFAULT 3) RETURNS void
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
            PERFORM log.make_immutable(
                format('log.security_records_%s', to_char(v_day, 'YYYYMMDD'))::regclass);
        END IF;
    END LOOP;
END
$$;
