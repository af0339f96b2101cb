-- E19: who searched for what, when and from where. No events of the domain: kept by the day, so that
-- retention drops whole partitions. Sealed (search_record, names as here): search_query, ip_address,
-- user_agent; under the person where one is named, else under the day. Where nobody has consented,
-- nobody is named and the address is that of its network.
CREATE TABLE log.search_records (
    id             uuid        NOT NULL,
    created_at     timestamptz NOT NULL,
    member_user_id uuid,
    admin_user_id  uuid,
    target_scope   text        NOT NULL,
    -- NULL, as the two after it, where the vault was away.
    search_query   text,
    ip_address     text,
    user_agent     text,
    -- HMACs of the query in its normal form, and of the person or the network.
    query_key      bytea       NOT NULL,
    searcher_key   bytea       NOT NULL,
    -- Set once by the retention; what is deleted stands in no list (SRL-04).
    deleted_at     timestamptz,
    CONSTRAINT search_records_pkey PRIMARY KEY (created_at, id),
    CONSTRAINT search_records_one_searcher CHECK (num_nonnulls(member_user_id, admin_user_id) <= 1)
) PARTITION BY RANGE (created_at);
CREATE INDEX search_records_by_member ON log.search_records (member_user_id, created_at DESC, id DESC)
    WHERE member_user_id IS NOT NULL;
CREATE INDEX search_records_by_admin ON log.search_records (admin_user_id, created_at DESC, id DESC)
    WHERE admin_user_id IS NOT NULL;
-- A record is never refused for want of its day's partition.
CREATE TABLE log.search_records_default PARTITION OF log.search_records DEFAULT;

CREATE FUNCTION log.refuse_search_record_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN
        OLD.deleted_at := NEW.deleted_at;
    END IF;
    IF NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'of a search record only deleted_at is written, and once'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER search_records_immutable BEFORE UPDATE ON log.search_records
    FOR EACH ROW EXECUTE FUNCTION log.refuse_search_record_change();

-- How many different searchers a query must have before anybody is shown that it was searched for.
CREATE FUNCTION log.search_trend_searchers() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 5;

-- How often a query was searched for on a day.
CREATE TABLE log.search_trends (
    day          date    NOT NULL,
    target_scope text    NOT NULL,
    query_key    bytea   NOT NULL,
    searches     bigint  NOT NULL,
    -- Different searchers, no more of them than must be known.
    searchers    bytea[] NOT NULL,
    -- The newest record of the query, and its sealed text.
    sample_id    uuid    NOT NULL,
    sample       text,
    CONSTRAINT search_trends_pkey PRIMARY KEY (day, target_scope, query_key)
) WITH (fillfactor = 80);

-- Makes the coming days' partitions; hides what is older than the retention, and drops the days that
-- are wholly so.
CREATE FUNCTION log.keep_search_records(p_days integer, p_ahead integer DEFAULT 3) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
-- A partition that somebody reads is dropped another hour.
SET lock_timeout = '2s'
AS $$
DECLARE
    v_day     date;
    v_table   text;
    v_today   date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    v_days    integer := greatest(p_days, 1);
    v_expired timestamptz := clock_timestamp() - make_interval(days => v_days);
BEGIN
    PERFORM pg_advisory_xact_lock(418347184742);
    FOR v_day IN SELECT v_today + n FROM generate_series(0, least(p_ahead, 31)) AS n
    LOOP
        v_table := format('log.search_records_%s', to_char(v_day, 'YYYYMMDD'));
        IF to_regclass(v_table) IS NULL
           AND NOT EXISTS (
               SELECT FROM search_records_default
               WHERE created_at >= v_day::timestamp AT TIME ZONE 'UTC'
                 AND created_at < (v_day + 1)::timestamp AT TIME ZONE 'UTC')
        THEN
            EXECUTE format('CREATE TABLE %s PARTITION OF log.search_records FOR VALUES FROM (%L) TO (%L)',
                v_table, v_day::timestamp AT TIME ZONE 'UTC',
                (v_day + 1)::timestamp AT TIME ZONE 'UTC');
        END IF;
    END LOOP;
    FOR v_table IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'log.search_records'::regclass
          AND c.relname ~ '^search_records_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < v_today - v_days
    LOOP
        EXECUTE format('DROP TABLE log.%I', v_table);
    END LOOP;
    DELETE FROM search_records_default
    WHERE created_at < (v_today - v_days)::timestamp AT TIME ZONE 'UTC';
    UPDATE search_records SET deleted_at = clock_timestamp()
    WHERE created_at < v_expired AND deleted_at IS NULL;
    DELETE FROM search_trends WHERE day < v_today - v_days;
END
$$;
SELECT log.keep_search_records(90);

-- For an erasure: the rows in which a person is named go (SRL-06). Returns how many.
CREATE FUNCTION log.forget_searches(p_user uuid) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
AS $$
DECLARE
    v_ids uuid[];
BEGIN
    WITH gone AS (
        DELETE FROM search_records WHERE member_user_id = p_user OR admin_user_id = p_user
        RETURNING id
    )
    SELECT coalesce(array_agg(id), '{}') INTO v_ids FROM gone;
    UPDATE search_trends SET sample = NULL WHERE sample_id = ANY (v_ids);
    RETURN cardinality(v_ids);
END
$$;

REVOKE EXECUTE ON FUNCTION log.keep_search_records, log.forget_searches,
    log.refuse_search_record_change FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.keep_search_records TO agora_reader;
GRANT EXECUTE ON FUNCTION log.forget_searches TO agora_writer;
GRANT INSERT, SELECT ON log.search_records TO agora_reader;
GRANT INSERT, SELECT, UPDATE ON log.search_trends TO agora_reader;
GRANT SELECT ON log.search_records, log.search_trends TO agora_auditor, agora_writer;
