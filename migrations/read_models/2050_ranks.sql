-- Scores without an index that holds them, so that a vote is a heap-only update, and ranks apart from
-- them (PST-14, CMT-11; docs/ranking.md). A row stands on a level, which few votes change. Old rows
-- have no ranks: the new code waits for `projectors rebuild post_scores` and `comment_scores`.
ALTER TABLE read.post_scores ADD COLUMN created_at timestamptz;
COMMENT ON COLUMN read.post_scores.created_at IS 'The post''s. NULL only for a post that the log does not hold.';
ALTER TABLE read.post_scores SET (fillfactor = 70);
DROP INDEX read.post_scores_by_rank;

ALTER TABLE read.comment_scores ADD COLUMN created_at timestamptz;
COMMENT ON COLUMN read.comment_scores.created_at IS 'The comment''s. NULL only for a comment that the log does not hold.';
ALTER TABLE read.comment_scores SET (fillfactor = 70);
DROP INDEX read.comment_scores_by_rank;

-- A post that is not deleted has one row a ranking (1 top, 2 hot, 3 controversial). The key is the
-- order of the list: within a level the newest first.
CREATE TABLE read.post_ranks (
    community_id uuid        NOT NULL,
    ranking      smallint    NOT NULL CHECK (ranking BETWEEN 1 AND 3),
    level        integer     NOT NULL,
    created_at   timestamptz NOT NULL,
    post_id      uuid        NOT NULL,
    CONSTRAINT post_ranks_pkey PRIMARY KEY (community_id, ranking, level, created_at, post_id)
) WITH (fillfactor = 80);

-- Rankings 1 and 2, among what answers the same. Deleted comments too: they keep their place.
CREATE TABLE read.comment_ranks (
    answers    uuid        NOT NULL,
    ranking    smallint    NOT NULL CHECK (ranking BETWEEN 1 AND 2),
    level      integer     NOT NULL,
    created_at timestamptz NOT NULL,
    comment_id uuid        NOT NULL,
    CONSTRAINT comment_ranks_pkey PRIMARY KEY (answers, ranking, level, created_at, comment_id)
) WITH (fillfactor = 80);

INSERT INTO read.projection_tables (projection, table_name) VALUES
    ('comment_scores', 'comment_ranks'),
    ('post_scores', 'post_ranks');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.post_ranks, read.comment_ranks TO agora_projector;
GRANT SELECT ON read.post_ranks, read.comment_ranks TO agora_reader, agora_auditor;
