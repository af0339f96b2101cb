-- Appeals (MOD-08); the id is that of the act in read.moderation_log. Sealed: appeal_text and
-- decision_reason (moderation_appeal, `text` and `reason`).
CREATE TABLE read.moderation_appeals (
    id                         uuid        NOT NULL,
    community_platform_post_id uuid,
    comment_id                 uuid,
    -- Of the post or the comment, or what was moderated itself.
    community_id               uuid,
    action_type                text        NOT NULL,
    performed_adminuser_id     uuid        NOT NULL,
    appellant_memberuser_id    uuid,
    appellant_adminuser_id     uuid,
    appeal_text                text        NOT NULL,
    created_at                 timestamptz NOT NULL,
    position                   bigint      NOT NULL,
    outcome                    text        CHECK (outcome IN ('upheld', 'overturned')),
    decided_adminuser_id       uuid,
    decision_reason            text,
    decided_at                 timestamptz,
    sequence                   bigint      NOT NULL,
    CONSTRAINT moderation_appeals_pkey PRIMARY KEY (id),
    CONSTRAINT moderation_appeals_one_appellant
        CHECK (num_nonnulls(appellant_memberuser_id, appellant_adminuser_id) = 1),
    CONSTRAINT moderation_appeals_decided
        CHECK (num_nonnulls(outcome, decided_adminuser_id, decision_reason, decided_at) IN (0, 4))
);
CREATE INDEX moderation_appeals_by_position ON read.moderation_appeals (position DESC);
CREATE INDEX moderation_appeals_open ON read.moderation_appeals (position DESC)
    WHERE outcome IS NULL;

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('moderation_appeals', 'moderation_appeals');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.moderation_appeals TO agora_projector;
GRANT SELECT ON read.moderation_appeals TO agora_reader, agora_auditor;
