-- E16, and the same for comments (MOD-07). Sealed: action_reason (post or comment, `reason`; it is
-- about the author). community_id and the author are NULL for acts recorded before PostModerated said
-- them: those stand in no community's own log.
CREATE TABLE read.moderation_log (
    id                         uuid        NOT NULL,
    community_platform_post_id uuid,
    comment_id                 uuid,
    community_id               uuid,
    author_memberuser_id       uuid,
    author_adminuser_id        uuid,
    performed_adminuser_id     uuid        NOT NULL,
    action_type                text        NOT NULL,
    action_reason              text,
    created_at                 timestamptz NOT NULL,
    position                   bigint      NOT NULL,
    CONSTRAINT moderation_log_pkey PRIMARY KEY (position),
    CONSTRAINT moderation_log_one_thing
        CHECK (num_nonnulls(community_platform_post_id, comment_id) = 1)
);
CREATE INDEX moderation_log_by_community ON read.moderation_log (community_id, position DESC)
    WHERE community_id IS NOT NULL;
CREATE INDEX moderation_log_by_member ON read.moderation_log (author_memberuser_id, position DESC)
    WHERE author_memberuser_id IS NOT NULL;
CREATE INDEX moderation_log_by_admin ON read.moderation_log (author_adminuser_id, position DESC)
    WHERE author_adminuser_id IS NOT NULL;

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('moderation_log', 'moderation_log');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.moderation_log TO agora_projector;
GRANT SELECT ON read.moderation_log TO agora_reader, agora_auditor;
