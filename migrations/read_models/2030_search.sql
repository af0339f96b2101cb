-- Full-text search. These are the only read tables that hold words of personal texts in the clear;
-- the texts themselves stay sealed in read.posts and read.comments (docs/adr/0012-search-tables.md).
CREATE SCHEMA search;
GRANT USAGE ON SCHEMA search TO agora_projector, agora_reader, agora_auditor;

-- One row: the text search configuration (pg_ts_config) by which words are indexed and looked for.
-- To change it, as the owner: UPDATE search.settings SET language = 'norwegian', then
-- `projectors rebuild community_search post_search comment_search`. Until that is done, what was
-- written before is found by the words of the old language only.
CREATE TABLE search.settings (
    only_row boolean NOT NULL DEFAULT true CHECK (only_row),
    -- As text, because pg_upgrade refuses columns of the type regconfig.
    language text    NOT NULL CHECK (language::regconfig IS NOT NULL),
    CONSTRAINT settings_pkey PRIMARY KEY (only_row)
);
-- No stemming and no stop words: right for every language, and for several at once.
INSERT INTO search.settings (language) VALUES ('simple');
GRANT SELECT ON search.settings TO agora_projector, agora_reader, agora_auditor;

CREATE FUNCTION search.language() RETURNS regconfig
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT s.language::regconfig FROM search.settings s;
END;

-- What somebody typed as a query: the syntax of websearch_to_tsquery, where the last word also
-- matches words that begin so. p_before is what stands before that word; p_last is NULL where the
-- last word is not one that is still being typed (quoted, excluded, or very short).
CREATE FUNCTION search.query(p_whole text, p_before text, p_last text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_last IS NULL THEN websearch_to_tsquery(search.language(), p_whole)
        ELSE websearch_to_tsquery(search.language(), p_whole)
             || (websearch_to_tsquery(search.language(), p_before)
                 && to_tsquery('simple'::regconfig, p_last || ':*'))
    END;
END;

-- Is part of the name or the description of a community. Both are public.
CREATE TABLE read.community_search (
    id         uuid     NOT NULL,
    -- A: name, B: description.
    words      tsvector NOT NULL,
    is_deleted boolean  NOT NULL,
    CONSTRAINT community_search_pkey PRIMARY KEY (id)
) WITH (fillfactor = 80);
CREATE INDEX community_search_by_words ON read.community_search USING gin (words)
    WHERE NOT is_deleted;

-- A row a post, deleted ones too: they come back with their restoration. Whether the community is
-- deleted stands in read.communities: join it.
CREATE TABLE read.post_search (
    id           uuid     NOT NULL,
    community_id uuid     NOT NULL,
    -- Whose key seals the text.
    subject      text     NOT NULL,
    -- A: title, B: body. Empty once the key is destroyed.
    words        tsvector NOT NULL,
    is_deleted   boolean  NOT NULL,
    CONSTRAINT post_search_pkey PRIMARY KEY (id)
) WITH (fillfactor = 90);
CREATE INDEX post_search_by_words ON read.post_search USING gin (words) WHERE NOT is_deleted;
CREATE INDEX post_search_by_community ON read.post_search (community_id, id) WHERE NOT is_deleted;
CREATE INDEX post_search_by_subject ON read.post_search (subject);

-- As read.post_search. Whether post and community are deleted stands in read.posts and
-- read.communities: join them.
CREATE TABLE read.comment_search (
    id           uuid     NOT NULL,
    community_id uuid,
    subject      text     NOT NULL,
    words        tsvector NOT NULL,
    is_deleted   boolean  NOT NULL,
    CONSTRAINT comment_search_pkey PRIMARY KEY (id)
) WITH (fillfactor = 90);
CREATE INDEX comment_search_by_words ON read.comment_search USING gin (words) WHERE NOT is_deleted;
CREATE INDEX comment_search_by_community ON read.comment_search (community_id, id)
    WHERE NOT is_deleted;
CREATE INDEX comment_search_by_subject ON read.comment_search (subject);

-- Takes a subject's words out of search, after the subject's keys were destroyed. It waits for
-- projectors and rebuilds that may have opened the subject's texts before that: they hold the
-- tables in ROW EXCLUSIVE mode from before they ask the vault. Whoever asks later gets nothing.
-- What is left in dead rows goes with the next rebuild, which writes the tables anew:
-- `projectors forget SUBJECT` does both. Returns the number of rows that held words.
CREATE FUNCTION search.forget_subject(p_subject text) RETURNS bigint
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
        CONTINUE WHEN to_regclass(v_table) IS NULL;
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', v_table);
        EXECUTE format('UPDATE %s SET words = '''' WHERE subject = $1 AND words <> ''''', v_table)
            USING p_subject;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_all := v_all + v_rows;
    END LOOP;
    RETURN v_all;
END
$$;

REVOKE EXECUTE ON FUNCTION search.language, search.query, search.forget_subject FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search.language, search.query
    TO agora_projector, agora_reader, agora_auditor;
GRANT EXECUTE ON FUNCTION search.forget_subject TO agora_projector;

INSERT INTO read.projection_tables (projection, table_name) VALUES
    ('comment_search', 'comment_search'),
    ('community_search', 'community_search'),
    ('post_search', 'post_search');

GRANT SELECT, INSERT, UPDATE, DELETE
    ON read.community_search, read.post_search, read.comment_search TO agora_projector;
GRANT SELECT ON read.community_search, read.post_search, read.comment_search
    TO agora_reader, agora_auditor;
