-- E17. Sealed: body, display_name (comment, names as here). updated_at: the last event of the comment.
-- A deleted comment keeps its row: readers show a placeholder in its place (CMT-07). Whether the post
-- and its community are there stands in read.posts and read.communities: join them.
CREATE TABLE read.comments (
    id                   uuid        NOT NULL,
    post_id              uuid        NOT NULL,
    parent_comment_id    uuid,
    -- The parent, or the post where there is none.
    answers              uuid        NOT NULL,
    depth                bigint      NOT NULL CHECK (depth >= 0),
    author_memberuser_id uuid,
    author_guestuser_id  uuid,
    author_adminuser_id  uuid,
    body                 text        NOT NULL,
    display_name         text,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    deleted_at           timestamptz,
    -- Direct replies, deleted ones too.
    reply_count          bigint      NOT NULL,
    sequence             bigint      NOT NULL,
    CONSTRAINT comments_pkey PRIMARY KEY (id),
    CONSTRAINT comments_one_author CHECK (
        num_nonnulls(author_memberuser_id, author_guestuser_id, author_adminuser_id) = 1)
) WITH (fillfactor = 80);
-- Noise does not compress.
ALTER TABLE read.comments ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX comments_of_post ON read.comments (post_id, created_at, id);
CREATE INDEX comments_by_age ON read.comments (answers, created_at, id);

-- How many comments of a post are not deleted.
CREATE TABLE read.post_comment_counts (
    post_id  uuid   NOT NULL,
    comments bigint NOT NULL,
    CONSTRAINT post_comment_counts_pkey PRIMARY KEY (post_id)
) WITH (fillfactor = 50);

-- A comment's score = upvotes − downvotes (CVT-04). The rank among what answers the same is this
-- table's index.
CREATE TABLE read.comment_scores (
    comment_id uuid        NOT NULL,
    -- NULL only for a comment that the log does not hold.
    answers    uuid,
    score      bigint      NOT NULL,
    upvotes    bigint      NOT NULL,
    downvotes  bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT comment_scores_pkey PRIMARY KEY (comment_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX comment_scores_by_rank ON read.comment_scores (answers, score DESC, comment_id DESC);

-- E18. One row a voter and comment, for ever: `none` is a state (CVT-01, CVT-02).
CREATE TABLE read.comment_votes (
    id                  uuid        NOT NULL,
    comment_id          uuid        NOT NULL,
    voter_memberuser_id uuid,
    voter_guestuser_id  uuid,
    voter_adminuser_id  uuid,
    vote_type           text        NOT NULL
        CHECK (vote_type IN ('upvote', 'downvote', 'none')),
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CONSTRAINT comment_votes_pkey PRIMARY KEY (id),
    CONSTRAINT comment_votes_one_voter CHECK (
        num_nonnulls(voter_memberuser_id, voter_guestuser_id, voter_adminuser_id) = 1)
) WITH (fillfactor = 80);
-- A voter's votes, newest first: a vote's id is a UUIDv7, so it sorts by the first vote's time.
CREATE INDEX comment_votes_by_member ON read.comment_votes (voter_memberuser_id, id DESC)
    WHERE voter_memberuser_id IS NOT NULL;
CREATE INDEX comment_votes_by_admin ON read.comment_votes (voter_adminuser_id, id DESC)
    WHERE voter_adminuser_id IS NOT NULL;

INSERT INTO read.projection_tables (projection, table_name) VALUES
    ('comment_scores', 'comment_scores'),
    ('comment_votes', 'comment_votes'),
    ('comments', 'comments'),
    ('comments', 'post_comment_counts');

GRANT SELECT, INSERT, UPDATE, DELETE
    ON read.comments, read.post_comment_counts, read.comment_scores, read.comment_votes
    TO agora_projector;
GRANT SELECT
    ON read.comments, read.post_comment_counts, read.comment_scores, read.comment_votes
    TO agora_reader, agora_auditor;
