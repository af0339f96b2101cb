-- A rebuilt table is read by whoever read the one before it. So far that was always the read API and the
-- auditors; ip_reputation is read by the command API too, which would refuse nobody any more.
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
    v_readers   text;
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
        SELECT string_agg(DISTINCT format('%I', r.rolname), ', ') INTO v_readers
        FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = format('read.%I', v_table)::regclass
          AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner;
        EXECUTE format('DROP TABLE read.%I', v_table);
        FOR v_partition IN
            SELECT * FROM read.partitions_of(format('read_build.%I', v_table)::regclass)
        LOOP
            EXECUTE format('ALTER TABLE read_build.%I SET SCHEMA read', v_partition.table_name);
        END LOOP;
        EXECUTE format('ALTER TABLE read_build.%I SET SCHEMA read', v_table);
        EXECUTE format('GRANT SELECT ON read.%I TO %s', v_table, v_readers);
    END LOOP;
    RETURN p_expected_generation + 1;
END
$$;
