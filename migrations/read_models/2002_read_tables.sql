-- What the read API serves; the columns have the names of requirements.md. Every row can be made
-- again from the log, so nothing here is the truth, and a rebuild may replace any table.
--
-- Personal fields hold the sealed text of the event. To open one: its category, subject and sequence
-- stand in it, the field's name and the aggregate type are said below, the aggregate id is the row's
-- id (audit_log: its own columns). Times are the event's recorded_at. sequence is the last of the
-- thing's own stream, for ETag and If-Match. No foreign keys: the log has checked them, and
-- projections are rebuilt apart from each other.

-- E01. Ordered by display_order; a retired category keeps the last it had, and is not in the order.
CREATE TABLE read.categories (
    id            uuid        NOT NULL,
    name          text        NOT NULL,
    display_order integer     NOT NULL CHECK (display_order >= 1),
    description   text,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    retired_at    timestamptz,
    sequence      bigint      NOT NULL,
    CONSTRAINT categories_pkey PRIMARY KEY (id)
);
CREATE INDEX categories_by_order ON read.categories (display_order, id) WHERE retired_at IS NULL;

-- E07. Sealed: display_name (member, `display_name`).
CREATE TABLE read.members (
    id                 uuid        NOT NULL,
    user_credential_id uuid        NOT NULL,
    display_name       text,
    status             text        NOT NULL
        CHECK (status IN ('active', 'suspended', 'pending_deletion', 'deleted')),
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    deleted_at         timestamptz,
    sequence           bigint      NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (id)
);
CREATE INDEX members_by_status ON read.members (status, created_at, id);
CREATE INDEX members_by_credential ON read.members (user_credential_id);

-- E08. Sealed: display_name (admin, `display_name`).
CREATE TABLE read.admins (
    id                 uuid        NOT NULL,
    user_credential_id uuid        NOT NULL,
    display_name       text,
    status             text        NOT NULL CHECK (status IN ('active', 'suspended', 'retired')),
    scopes             text[]      NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    deleted_at         timestamptz,
    sequence           bigint      NOT NULL,
    CONSTRAINT admins_pkey PRIMARY KEY (id)
);
CREATE INDEX admins_by_credential ON read.admins (user_credential_id);

-- E04. Sealed: device_info, ip_address (session, names as here). The token is nowhere (SES-01).
CREATE TABLE read.sessions (
    id           uuid        NOT NULL,
    user_kind    text        NOT NULL,
    user_id      uuid        NOT NULL,
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    device_info  text,
    ip_address   text,
    revoked_at   timestamptz,
    -- `member:<uuid>`, as in metadata, and why.
    revoked_by   text,
    revoke_cause text,
    created_at   timestamptz NOT NULL,
    sequence     bigint      NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (id)
) WITH (fillfactor = 80);
CREATE INDEX sessions_by_user ON read.sessions (user_id, created_at DESC, id DESC);

-- E10. updated_at: the last change of metadata. A deleted community keeps its row (COM-09).
CREATE TABLE read.communities (
    id           uuid        NOT NULL,
    owner_id     uuid        NOT NULL,
    category_id  uuid        NOT NULL,
    name         text        NOT NULL,
    description  text,
    logo_uri     text,
    banner_uri   text,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    deleted_at   timestamptz,
    member_count bigint      NOT NULL,
    sequence     bigint      NOT NULL,
    CONSTRAINT communities_pkey PRIMARY KEY (id)
) WITH (fillfactor = 70);
CREATE INDEX communities_by_name ON read.communities (lower(name));
CREATE INDEX communities_by_age ON read.communities (created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX communities_by_category ON read.communities (category_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX communities_by_owner ON read.communities (owner_id);

-- E11. What is now: who left has no row; earlier periods stay in the log.
CREATE TABLE read.memberships (
    id            uuid        NOT NULL,
    community_id  uuid        NOT NULL,
    memberuser_id uuid        NOT NULL,
    joined_at     timestamptz NOT NULL,
    CONSTRAINT memberships_pkey PRIMARY KEY (id)
);
CREATE INDEX memberships_by_member ON read.memberships (memberuser_id, joined_at DESC, id DESC);
CREATE INDEX memberships_by_community ON read.memberships (community_id, joined_at DESC, id DESC);

-- E13. A row whose community is deleted has no rank and is not shown; it comes back with it.
CREATE TABLE read.recent_communities (
    id               uuid        NOT NULL,
    memberuser_id    uuid        NOT NULL,
    community_id     uuid        NOT NULL,
    recent_rank      integer     CHECK (recent_rank BETWEEN 1 AND 5),
    last_activity_at timestamptz NOT NULL,
    -- Place in the member's list, deleted communities counted.
    list_index       integer     NOT NULL,
    CONSTRAINT recent_communities_pkey PRIMARY KEY (id)
) WITH (fillfactor = 80);
CREATE INDEX recent_communities_by_member ON read.recent_communities (memberuser_id, list_index);
CREATE INDEX recent_communities_by_community ON read.recent_communities (community_id);
-- Deleted communities, for the ranks of later visits.
CREATE TABLE read.recent_communities_deleted (
    community_id uuid NOT NULL,
    CONSTRAINT recent_communities_deleted_pkey PRIMARY KEY (community_id)
);

-- E14. Sealed: title, body, author_display_name (post, names as here). updated_at: the last event of
-- the post. Whether its community is deleted stands in read.communities: join it.
CREATE TABLE read.posts (
    id                              uuid        NOT NULL,
    community_platform_community_id uuid        NOT NULL,
    author_memberuser_id            uuid,
    author_adminuser_id             uuid,
    title                           text        NOT NULL,
    body                            text        NOT NULL,
    author_display_name             text,
    created_at                      timestamptz NOT NULL,
    updated_at                      timestamptz NOT NULL,
    deleted_at                      timestamptz,
    sequence                        bigint      NOT NULL,
    CONSTRAINT posts_pkey PRIMARY KEY (id),
    CONSTRAINT posts_one_author CHECK (num_nonnulls(author_memberuser_id, author_adminuser_id) = 1)
) WITH (fillfactor = 90);
-- Noise does not compress.
ALTER TABLE read.posts ALTER COLUMN title SET STORAGE EXTERNAL;
ALTER TABLE read.posts ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX posts_by_age
    ON read.posts (community_platform_community_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX posts_by_member ON read.posts (author_memberuser_id, created_at DESC, id DESC)
    WHERE author_memberuser_id IS NOT NULL;

-- A post's score = upvotes − downvotes (PVT-04). The rank within a community is this table's index;
-- whether the post is deleted stands in read.posts: join it.
CREATE TABLE read.post_scores (
    post_id      uuid        NOT NULL,
    -- NULL only for a post that the log does not hold.
    community_id uuid,
    score        bigint      NOT NULL,
    upvotes      bigint      NOT NULL,
    downvotes    bigint      NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT post_scores_pkey PRIMARY KEY (post_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX post_scores_by_rank ON read.post_scores (community_id, score DESC, post_id DESC);

-- E15. One row a voter and post, for ever: `none` is a state (PVT-02, PVT-06).
CREATE TABLE read.post_votes (
    id                         uuid        NOT NULL,
    community_platform_post_id uuid        NOT NULL,
    voter_memberuser_id        uuid,
    voter_adminuser_id         uuid,
    vote_state                 text        NOT NULL
        CHECK (vote_state IN ('upvote', 'downvote', 'none')),
    created_at                 timestamptz NOT NULL,
    updated_at                 timestamptz NOT NULL,
    CONSTRAINT post_votes_pkey PRIMARY KEY (id),
    CONSTRAINT post_votes_one_voter CHECK (num_nonnulls(voter_memberuser_id, voter_adminuser_id) = 1)
) WITH (fillfactor = 80);
-- A voter's votes, newest first: a vote's id is a UUIDv7, so it sorts by the first vote's time.
CREATE INDEX post_votes_by_member ON read.post_votes (voter_memberuser_id, id DESC)
    WHERE voter_memberuser_id IS NOT NULL;
CREATE INDEX post_votes_by_admin ON read.post_votes (voter_adminuser_id, id DESC)
    WHERE voter_adminuser_id IS NOT NULL;

-- E03, the part that comes from the log (AUD-07). Sealed: ip_address (the row's aggregate type and
-- id, field `metadata.ip`). event_detail: JSON, or the first of it with a marker (AUD-04).
CREATE TABLE read.audit_log (
    id                  uuid        NOT NULL,
    actor_memberuser_id uuid,
    actor_adminuser_id  uuid,
    event_type          text        NOT NULL,
    event_detail        text        NOT NULL CHECK (char_length(event_detail) <= 1000),
    ip_address          text,
    created_at          timestamptz NOT NULL,
    position            bigint      NOT NULL,
    aggregate_type      text        NOT NULL,
    aggregate_id        text        NOT NULL,
    CONSTRAINT audit_log_pkey PRIMARY KEY (position),
    CONSTRAINT audit_log_one_actor CHECK (num_nonnulls(actor_memberuser_id, actor_adminuser_id) <= 1)
);
CREATE INDEX audit_log_by_id ON read.audit_log (id);
CREATE INDEX audit_log_by_time ON read.audit_log (created_at, position);
CREATE INDEX audit_log_by_type ON read.audit_log (event_type, position);
CREATE INDEX audit_log_by_member ON read.audit_log (actor_memberuser_id, position)
    WHERE actor_memberuser_id IS NOT NULL;
CREATE INDEX audit_log_by_admin ON read.audit_log (actor_adminuser_id, position)
    WHERE actor_adminuser_id IS NOT NULL;

INSERT INTO read.projection_tables (projection, table_name) VALUES
    ('admins', 'admins'),
    ('audit_log', 'audit_log'),
    ('categories', 'categories'),
    ('communities', 'communities'),
    ('members', 'members'),
    ('memberships', 'memberships'),
    ('post_scores', 'post_scores'),
    ('post_votes', 'post_votes'),
    ('posts', 'posts'),
    ('recent_communities', 'recent_communities'),
    ('recent_communities', 'recent_communities_deleted'),
    ('sessions', 'sessions');

GRANT SELECT, INSERT, UPDATE, DELETE
    ON read.categories, read.members, read.admins, read.sessions, read.communities,
       read.memberships, read.recent_communities, read.recent_communities_deleted, read.posts,
       read.post_scores, read.post_votes, read.audit_log
    TO agora_projector;
GRANT SELECT
    ON read.categories, read.members, read.admins, read.sessions, read.communities,
       read.memberships, read.recent_communities, read.recent_communities_deleted, read.posts,
       read.post_scores, read.post_votes, read.audit_log
    TO agora_reader, agora_auditor;
