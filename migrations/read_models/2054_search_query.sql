-- As before, but for a last word that is its own stem: all words that begin so are asked for, and not
-- the word as well, which is one of them. Asked for twice it was looked for, and ranked, twice.
CREATE OR REPLACE FUNCTION search.query(p_whole text, p_before text, p_last text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_last IS NULL THEN q.whole
        WHEN q.whole = (q.before && q.last) THEN q.before && q.begun
        ELSE q.whole || (q.before && q.begun)
    END
    FROM (SELECT websearch_to_tsquery(search.language(), p_whole) AS whole,
                 websearch_to_tsquery(search.language(), p_before) AS before,
                 to_tsquery('simple'::regconfig, p_last) AS last,
                 to_tsquery('simple'::regconfig, p_last || ':*') AS begun) q;
END;
