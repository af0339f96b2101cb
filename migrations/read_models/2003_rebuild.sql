-- A rebuild makes tables beside the live ones, fills them from the log and swaps. It needs DDL, which
-- projectors must not have: these functions of the owner do exactly that for the tables listed in
-- read.projection_tables, and nothing else.

-- Makes empty tables for a projection, with the live ones' columns, checks, keys and storage; the
-- other indexes come after the filling (read.index_rebuild). What a crashed rebuild left is dropped.
CREATE FUNCTION read.begin_rebuild(p_projection text) RETURNS void
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
        EXECUTE format('CREATE TABLE read_build.%I (LIKE read.%I INCLUDING ALL EXCLUDING INDEXES)%s',
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

-- Gives the filled tables the indexes of the live ones, by the same names, and statistics.
CREATE FUNCTION read.index_rebuild(p_projection text) RETURNS void
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

-- Puts the built tables in the place of the live ones and raises the generation. The caller has
-- applied everything up to p_position and holds this transaction short, with a lock_timeout.
CREATE FUNCTION read.swap_rebuild(
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
        EXECUTE format('DROP TABLE read.%I', v_table);
        EXECUTE format('ALTER TABLE read_build.%I SET SCHEMA read', v_table);
        EXECUTE format('GRANT SELECT ON read.%I TO agora_reader, agora_auditor', v_table);
    END LOOP;
    RETURN p_expected_generation + 1;
END
$$;

-- Drops what a rebuild has made, where it is not to be swapped.
CREATE FUNCTION read.drop_rebuild(p_projection text) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
    v_table text;
BEGIN
    FOR v_table IN
        SELECT t.table_name FROM read.projection_tables t
        WHERE t.projection = p_projection ORDER BY t.table_name
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS read_build.%I', v_table);
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION read.begin_rebuild, read.index_rebuild, read.swap_rebuild,
    read.drop_rebuild FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read.begin_rebuild, read.index_rebuild, read.swap_rebuild,
    read.drop_rebuild TO agora_projector;
