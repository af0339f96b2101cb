-- Communities are moderated too (MOD-07): a row that names neither a post nor a comment is about the
-- community itself. And a removed post's or comment's last act, for its author (PST-15).
ALTER TABLE read.moderation_log DROP CONSTRAINT moderation_log_one_thing;
ALTER TABLE read.moderation_log ADD CONSTRAINT moderation_log_one_thing CHECK (
    num_nonnulls(community_platform_post_id, comment_id) = 1
    OR (num_nonnulls(community_platform_post_id, comment_id) = 0 AND community_id IS NOT NULL));
CREATE INDEX moderation_log_by_post
    ON read.moderation_log (community_platform_post_id, position DESC)
    WHERE community_platform_post_id IS NOT NULL;
CREATE INDEX moderation_log_by_comment ON read.moderation_log (comment_id, position DESC)
    WHERE comment_id IS NOT NULL;
