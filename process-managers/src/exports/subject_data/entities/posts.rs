//! Posts, with every text that they had.

use agora_domain::exports::export_values::DataCategory::Posts;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, sealed, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "posts",
        title: "Posts",
        category: Posts,
        columns: &[
            id("id", "Id"),
            id("community_id", "Community"),
            text("title", "Title", 4),
            text("body", "Text", 8),
            text("author_display_name", "Name shown", 2),
            time("created_at", "Written"),
            time("updated_at", "Changed"),
            time("deleted_at", "Deleted"),
        ],
        statement: "SELECT id, community_platform_community_id AS community_id, title, body,
                           author_display_name, created_at, updated_at, deleted_at,
                           id::text AS stream
                    FROM read.posts
                    WHERE $1 = 'member' AND author_memberuser_id = $2
                       OR $1 = 'admin' AND author_adminuser_id = $2
                    ORDER BY created_at DESC, id DESC",
        rows: Rows::Records(&[
            sealed("title", "post", "stream", "title"),
            sealed("body", "post", "stream", "body"),
            sealed("author_display_name", "post", "stream", "author_display_name"),
        ]),
    },
    Entity {
        name: "post_events",
        title: "What happened to your posts, with all former texts",
        category: Posts,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM read.posts p
             CROSS JOIN LATERAL (
                 SELECT * FROM log.stream('post', p.id::text) ORDER BY sequence) e
             WHERE ($1 = 'member' AND p.author_memberuser_id = $2
                    OR $1 = 'admin' AND p.author_adminuser_id = $2)
               AND e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
