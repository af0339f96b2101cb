-- As before, but that a table which a rebuild puts into its place, or drops, while its lock is waited for is no
-- error: what was built is in `read` then, and is looked through after it.
CREATE OR REPLACE FUNCTION search.forget_subject(p_subject text) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table text;
    v_rows  bigint;
    v_all   bigint := 0;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['read_build.post_search', 'read_build.comment_search',
                                   'read.post_search', 'read.comment_search']
    LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', v_table);
        EXCEPTION WHEN undefined_table THEN
            CONTINUE;
        END;
        EXECUTE format('UPDATE %s SET words = '''' WHERE subject = $1 AND words <> ''''', v_table)
            USING p_subject;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_all := v_all + v_rows;
    END LOOP;
    RETURN v_all;
END
$$;
