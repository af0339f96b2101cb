-- As before (2054), with plans that a session keeps: what is written in SQL is planned with each call.
CREATE OR REPLACE FUNCTION search.query(p_whole text, p_before text, p_last text) RETURNS tsquery
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    v_language regconfig := search.language();
    v_whole    tsquery := websearch_to_tsquery(v_language, p_whole);
    v_before   tsquery;
    v_begun    tsquery;
BEGIN
    IF p_last IS NULL THEN
        RETURN v_whole;
    END IF;
    v_before := CASE WHEN trim(p_before) = '' THEN ''::tsquery
                     ELSE websearch_to_tsquery(v_language, p_before) END;
    v_begun := v_before && to_tsquery('simple'::regconfig, p_last || ':*');
    IF v_whole = (v_before && to_tsquery('simple'::regconfig, p_last)) THEN
        RETURN v_begun;
    END IF;
    RETURN v_whole || v_begun;
END
$$;
