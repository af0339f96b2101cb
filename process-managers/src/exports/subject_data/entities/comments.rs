//! Comments, with every text that they had.

use agora_domain::exports::export_values::DataCategory::Comments;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, number, sealed, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "comments",
        title: "Comments",
        category: Comments,
        columns: &[
            id("id", "Id"),
            id("post_id", "Post"),
            id("parent_comment_id", "Answers"),
            number("depth", "Depth"),
            text("body", "Text", 8),
            text("display_name", "Name shown", 2),
            time("created_at", "Written"),
            time("updated_at", "Changed"),
            time("deleted_at", "Deleted"),
        ],
        statement: "SELECT id, post_id, parent_comment_id, depth, body, display_name, created_at,
                           updated_at, deleted_at, id::text AS stream
                    FROM read.comments
                    WHERE $1 = 'member' AND author_memberuser_id = $2
                       OR $1 = 'admin' AND author_adminuser_id = $2
                    ORDER BY created_at DESC, id DESC",
        rows: Rows::Records(&[
            sealed("body", "comment", "stream", "body"),
            sealed("display_name", "comment", "stream", "display_name"),
        ]),
    },
    Entity {
        name: "comment_events",
        title: "What happened to your comments, with all former texts",
        category: Comments,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM read.comments c
             CROSS JOIN LATERAL (
                 SELECT * FROM log.stream('comment', c.id::text) ORDER BY sequence) e
             WHERE ($1 = 'member' AND c.author_memberuser_id = $2
                    OR $1 = 'admin' AND c.author_adminuser_id = $2)
               AND e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
