-- Read tables that are partitioned by month. A rebuild makes them as they are: the parent, its partitions
-- by their names and bounds, the keys and indexes on the parent, which hands them on.

-- The partitions of a table, by name.
CREATE FUNCTION read.partitions_of(p_table regclass) RETURNS TABLE (schema_name name, table_name name, bound text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.nspname, c.relname, pg_get_expr(c.relpartbound, c.oid)
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.inhparent = p_table AND c.relispartition
    ORDER BY c.relname
$$;

CREATE OR REPLACE FUNCTION read.begin_rebuild(p_projection text) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
    v_table     text;
    v_options   text;
    v_partition record;
    v_index     record;
    v_key       text;
    v_any       boolean := false;
BEGIN
    FOR v_table IN
        SELECT t.table_name FROM read.projection_tables t
        WHERE t.projection = p_projection ORDER BY t.table_name
    LOOP
        v_any := true;
        EXECUTE format('DROP TABLE IF EXISTS read_build.%I', v_table);
        SELECT ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_partkeydef(c.oid)
        INTO v_options, v_key
        FROM pg_class c WHERE c.oid = format('read.%I', v_table)::regclass;
        IF v_key IS NULL THEN
            EXECUTE format('CREATE UNLOGGED TABLE read_build.%I '
                           || '(LIKE read.%I INCLUDING ALL EXCLUDING INDEXES)%s',
                           v_table, v_table, coalesce(v_options, ''));
        ELSE
            EXECUTE format('CREATE TABLE read_build.%I '
                           || '(LIKE read.%I INCLUDING ALL EXCLUDING INDEXES) PARTITION BY %s',
                           v_table, v_table, v_key);
            FOR v_partition IN
                SELECT * FROM read.partitions_of(format('read.%I', v_table)::regclass)
            LOOP
                EXECUTE format('CREATE UNLOGGED TABLE read_build.%I PARTITION OF read_build.%I %s',
                               v_partition.table_name, v_table, v_partition.bound);
            END LOOP;
        END IF;
        -- Keys by their names: a later migration must find them whether or not a rebuild came between.
        FOR v_index IN
            SELECT k.conname, pg_get_constraintdef(k.oid) AS definition FROM pg_constraint k
            WHERE k.conrelid = format('read.%I', v_table)::regclass AND k.contype IN ('p', 'u')
            ORDER BY k.conname
        LOOP
            EXECUTE format('ALTER TABLE read_build.%I ADD CONSTRAINT %I %s',
                           v_table, v_index.conname, v_index.definition);
        END LOOP;
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON read_build.%I TO agora_projector', v_table);
    END LOOP;
    IF NOT v_any THEN
        RAISE EXCEPTION 'no table belongs to the projection %', p_projection
            USING ERRCODE = 'undefined_object', HINT = 'Add it to read.projection_tables.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION read.index_rebuild(p_projection text) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET maintenance_work_mem = '256MB'
AS $$
DECLARE
    v_table     text;
    v_partition record;
    v_index     record;
BEGIN
    FOR v_table IN
        SELECT t.table_name FROM read.projection_tables t
        WHERE t.projection = p_projection ORDER BY t.table_name
    LOOP
        IF (SELECT c.relkind FROM pg_class c
            WHERE c.oid = format('read_build.%I', v_table)::regclass) = 'p' THEN
            FOR v_partition IN
                SELECT * FROM read.partitions_of(format('read_build.%I', v_table)::regclass)
            LOOP
                EXECUTE format('ALTER TABLE read_build.%I SET LOGGED', v_partition.table_name);
            END LOOP;
        ELSE
            EXECUTE format('ALTER TABLE read_build.%I SET LOGGED', v_table);
        END IF;
        FOR v_index IN
            SELECT c.relname, pg_get_indexdef(i.indexrelid) AS definition
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = format('read.%I', v_table)::regclass
              AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
              AND to_regclass(format('read_build.%I', c.relname)) IS NULL
            ORDER BY c.relname
        LOOP
            -- That of a partitioned table is written with ONLY; without it, its partitions have it too.
            EXECUTE replace(replace(v_index.definition,
                            format(' ON ONLY read.%I USING ', v_table),
                            format(' ON read.%I USING ', v_table)),
                            format(' ON read.%I USING ', v_table),
                            format(' ON read_build.%I USING ', v_table));
        END LOOP;
        EXECUTE format('ANALYZE read_build.%I', v_table);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION read.swap_rebuild(
    p_projection          text,
    p_expected_generation bigint,
    p_version             integer,
    p_position            bigint
) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_progress  bigint;
    v_table     text;
    v_partition record;
BEGIN
    -- In the order in which projectors take them.
    SELECT p.position INTO v_progress FROM read.progress p FOR UPDATE;
    IF p_position < v_progress THEN
        RAISE EXCEPTION 'the rebuild of % ends at %, before the others at %',
            p_projection, p_position, v_progress USING ERRCODE = 'serialization_failure';
    END IF;
    UPDATE read.checkpoints c
    SET generation = c.generation + 1, version = p_version, position = p_position, state = 'running',
        error = NULL, poison_position = NULL, updated_at = clock_timestamp()
    WHERE c.projection = p_projection AND c.generation = p_expected_generation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'somebody else has swapped % meanwhile', p_projection
            USING ERRCODE = 'serialization_failure';
    END IF;
    UPDATE read.progress SET edition = edition + 1;
    FOR v_table IN
        SELECT t.table_name FROM read.projection_tables t
        WHERE t.projection = p_projection ORDER BY t.table_name
    LOOP
        -- A table that a crash of Postgres would empty must never go live, nor a part of one.
        IF EXISTS (
            SELECT FROM pg_class c
            LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
            WHERE format('read_build.%I', v_table)::regclass IN (c.oid, i.inhparent)
              AND c.relpersistence <> 'p'
        ) THEN
            RAISE EXCEPTION 'read_build.% is not logged yet', v_table
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = 'Call read.index_rebuild first.';
        END IF;
        EXECUTE format('DROP TABLE read.%I', v_table);
        FOR v_partition IN
            SELECT * FROM read.partitions_of(format('read_build.%I', v_table)::regclass)
        LOOP
            EXECUTE format('ALTER TABLE read_build.%I SET SCHEMA read', v_partition.table_name);
        END LOOP;
        EXECUTE format('ALTER TABLE read_build.%I SET SCHEMA read', v_table);
        EXECUTE format('GRANT SELECT ON read.%I TO agora_reader, agora_auditor', v_table);
    END LOOP;
    RETURN p_expected_generation + 1;
END
$$;

-- Makes a partitioned table's partition for a month, where it has none: called by the projection for
-- the months of the rows that it is about to write. In the schema in which the caller writes, live or
-- rebuilt.
--
-- Its rows' time is `triggered_at`. A partition in the making waits for everybody who reads the table, and they for it. So it gives up
-- soon: rows without a partition of their own stand in the default one, where they are as easily found.
CREATE FUNCTION read.make_month_partition(p_schema name, p_table name, p_month date) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
SET client_min_messages = warning
AS $$
DECLARE
    v_from date := date_trunc('month', p_month::timestamp)::date;
    v_to   date := (v_from + interval '1 month')::date;
    v_name text := format('%s_%s', p_table, to_char(v_from, 'YYYY_MM'));
    v_late boolean;
BEGIN
    IF p_schema NOT IN ('read', 'read_build') OR NOT EXISTS (
        SELECT FROM read.projection_tables t
        JOIN pg_class c ON c.oid = to_regclass(format('%I.%I', p_schema, t.table_name))
        WHERE t.table_name = p_table AND c.relkind = 'p'
    ) THEN
        RAISE EXCEPTION 'there is no partitioned table %.%', p_schema, p_table
            USING ERRCODE = 'undefined_table';
    END IF;
    IF to_regclass(format('%I.%I', p_schema, v_name)) IS NOT NULL THEN
        RETURN true;
    END IF;
    -- A month whose first rows came to stand in the default partition stays there.
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I WHERE triggered_at >= $1 AND triggered_at < $2)',
                   p_schema, p_table || '_default')
    INTO v_late USING v_from::timestamp AT TIME ZONE 'UTC', v_to::timestamp AT TIME ZONE 'UTC';
    IF v_late THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)',
                   p_schema, v_name, p_schema, p_table,
                   v_from || ' 00:00:00+00', v_to || ' 00:00:00+00');
    RETURN true;
EXCEPTION
    -- Somebody reads for long.
    WHEN lock_not_available THEN
        RETURN false;
END
$$;

REVOKE EXECUTE ON FUNCTION read.partitions_of, read.make_month_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read.make_month_partition TO agora_projector;
