-- Why: segments that Postgres keeps to write over them later held destroyed keys until then.
--
-- As before (3002), and what is kept of the old segments, under names of coming ones, is written over now: the
-- rest of a segment that is switched away from is zeros. False also where an archive that lags, a replica's
-- slot or wal_keep_size holds on to old segments.
CREATE OR REPLACE FUNCTION vault.flush_wal() RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_name  CONSTANT text := '^[0-9A-F]{24}$';
    v_first text;
    v_last  text;
BEGIN
    PERFORM pg_switch_wal();
    -- Without a record in it the new segment does not count as begun.
    PERFORM pg_logical_emit_message(false, 'agora', '');
    v_first := pg_walfile_name(pg_current_wal_insert_lsn());
    CHECKPOINT;
    SELECT max(w.name) INTO v_last FROM pg_ls_waldir() w WHERE w.name ~ v_name;
    LOOP
        PERFORM pg_logical_emit_message(false, 'agora', '');
        EXIT WHEN pg_walfile_name(pg_current_wal_insert_lsn()) > v_last;
        PERFORM pg_switch_wal();
    END LOOP;
    -- So that what was written over is so on the disk, too.
    CHECKPOINT;
    RETURN NOT EXISTS (SELECT FROM pg_ls_waldir() w WHERE w.name ~ v_name AND w.name < v_first);
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END
$$;
