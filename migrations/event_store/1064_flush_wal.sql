-- Begins a new segment of the write-ahead log and a checkpoint, after words of an erased person were
-- taken out of the search tables: what is before it is not needed after a crash, and is removed or
-- written over. False where the owner of this function may not.
CREATE FUNCTION log.flush_wal() RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_switch_wal();
    CHECKPOINT;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END
$$;
REVOKE EXECUTE ON FUNCTION log.flush_wal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.flush_wal TO agora_writer;
