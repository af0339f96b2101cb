//! Votes as they stand, and each time that one was cast.

use agora_domain::exports::export_values::DataCategory::Votes;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "post_votes",
        title: "Votes on posts",
        category: Votes,
        columns: &[
            id("id", "Id"),
            id("post_id", "Post"),
            text("vote_state", "Vote", 2),
            time("created_at", "First cast"),
            time("updated_at", "Last cast"),
        ],
        statement: "SELECT id, community_platform_post_id AS post_id, vote_state, created_at,
                           updated_at
                    FROM read.post_votes
                    WHERE $1 = 'member' AND voter_memberuser_id = $2
                       OR $1 = 'admin' AND voter_adminuser_id = $2
                    ORDER BY id DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "comment_votes",
        title: "Votes on comments",
        category: Votes,
        columns: &[
            id("id", "Id"),
            id("comment_id", "Comment"),
            text("vote_type", "Vote", 2),
            time("created_at", "First cast"),
            time("updated_at", "Last cast"),
        ],
        statement: "SELECT id, comment_id, vote_type, created_at, updated_at
                    FROM read.comment_votes
                    WHERE $1 = 'member' AND voter_memberuser_id = $2
                       OR $1 = 'admin' AND voter_adminuser_id = $2
                    ORDER BY id DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "vote_events",
        title: "Votes, each time that one was cast",
        category: Votes,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT v.type, v.thing::text || ':' || $1 || ':' || $2::text AS id FROM (
                     SELECT 'post_vote' AS type, community_platform_post_id AS thing
                     FROM read.post_votes
                     WHERE $1 = 'member' AND voter_memberuser_id = $2
                        OR $1 = 'admin' AND voter_adminuser_id = $2
                     UNION ALL
                     SELECT 'comment_vote', comment_id FROM read.comment_votes
                     WHERE $1 = 'member' AND voter_memberuser_id = $2
                        OR $1 = 'admin' AND voter_adminuser_id = $2
                 ) v
                 -- Names are put together here, once for each vote.
                 OFFSET 0
             ) v
             CROSS JOIN LATERAL (SELECT * FROM log.stream(v.type, v.id) ORDER BY sequence) e
             WHERE e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
