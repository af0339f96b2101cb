-- Tables in the making need no WAL: a crash of Postgres ends the rebuild anyway, and a rerun begins
-- from nothing. Making them logged before the swap writes them anew, once and compact, however often
-- the filling updated a row.
CREATE OR REPLACE FUNCTION read.begin_rebuild(p_projection text) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
    v_table   text;
    v_options text;
    v_index   record;
    v_any     boolean := false;
BEGIN
    FOR v_table IN
        SELECT t.table_name FROM read.projection_tables t
        WHERE t.projection = p_projection ORDER BY t.table_name
    LOOP
        v_any := true;
        EXECUTE format('DROP TABLE IF EXISTS read_build.%I', v_table);
        SELECT ' WITH (' || array_to_string(c.reloptions, ', ') || ')' INTO v_options
        FROM pg_class c WHERE c.oid = format('read.%I', v_table)::regclass;
        EXECUTE format('CREATE UNLOGGED TABLE read_build.%I '
                       || '(LIKE read.%I INCLUDING ALL EXCLUDING INDEXES)%s',
                       v_table, v_table, coalesce(v_options, ''));
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
    v_table text;
    v_index record;
BEGIN
    FOR v_table IN
        SELECT t.table_name FROM read.projection_tables t
        WHERE t.projection = p_projection ORDER BY t.table_name
    LOOP
        EXECUTE format('ALTER TABLE read_build.%I SET LOGGED', v_table);
        FOR v_index IN
            SELECT c.relname, pg_get_indexdef(i.indexrelid) AS definition
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = format('read.%I', v_table)::regclass
              AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
              AND to_regclass(format('read_build.%I', c.relname)) IS NULL
            ORDER BY c.relname
        LOOP
            EXECUTE replace(v_index.definition,
                            format(' ON read.%I USING ', v_table),
                            format(' ON read_build.%I USING ', v_table));
        END LOOP;
        EXECUTE format('ANALYZE read_build.%I', v_table);
    END LOOP;
END
$$;

-- A table that a crash of Postgres would empty must never go live.
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
    v_progress bigint;
    v_table    text;
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
        IF (SELECT c.relpersistence FROM pg_class c
            WHERE c.oid = format('read_build.%I', v_table)::regclass) <> 'p' THEN
            RAISE EXCEPTION 'read_build.% is not logged yet', v_table
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = 'Call read.index_rebuild first.';
        END IF;
        EXECUTE format('DROP TABLE read.%I', v_table);
        EXECUTE format('ALTER TABLE read_build.%I SET SCHEMA read', v_table);
        EXECUTE format('GRANT SELECT ON read.%I TO agora_reader, agora_auditor', v_table);
    END LOOP;
    RETURN p_expected_generation + 1;
END
$$;
