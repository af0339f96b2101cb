//! Acts on what the person wrote, with the reasons that they were given; appeals; and what they did
//! themselves as an admin. A reason for somebody else is that person's: it is sealed for them.

use agora_domain::exports::export_values::DataCategory::Moderation;

use crate::exports::subject_data::{
    entity::{Entity, Rows, Sealed, Type, id, sealed, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "moderation_notices",
        title: "What admins changed of what is yours",
        category: Moderation,
        columns: &[
            id("id", "Id"),
            id("post_id", "Post"),
            id("comment_id", "Comment"),
            id("community_id", "Community"),
            text("action_type", "Act", 2),
            text("action_reason", "Reason", 5),
            time("created_at", "When"),
        ],
        statement: "SELECT id, community_platform_post_id AS post_id, comment_id, community_id,
                           action_type, action_reason, created_at,
                           CASE WHEN community_platform_post_id IS NOT NULL THEN 'post'
                                WHEN comment_id IS NOT NULL THEN 'comment'
                                ELSE 'community' END AS stream_type,
                           coalesce(community_platform_post_id, comment_id, community_id)::text
                               AS stream
                    FROM read.moderation_log
                    WHERE $1 = 'member' AND author_memberuser_id = $2
                       OR $1 = 'admin' AND author_adminuser_id = $2
                    ORDER BY position DESC",
        rows: Rows::Records(&[Sealed {
            column: "action_reason",
            aggregate_type: Type::StandsIn("stream_type"),
            aggregate_id: "stream",
            field: "reason",
        }]),
    },
    Entity {
        name: "moderation_acts",
        title: "What you changed as an admin",
        category: Moderation,
        columns: &[
            id("id", "Id"),
            id("post_id", "Post"),
            id("comment_id", "Comment"),
            id("community_id", "Community"),
            text("action_type", "Act", 2),
            time("created_at", "When"),
        ],
        statement: "SELECT id, community_platform_post_id AS post_id, comment_id, community_id,
                           action_type, created_at
                    FROM read.moderation_log
                    WHERE $1 = 'admin' AND performed_adminuser_id = $2
                    ORDER BY position DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "appeals",
        title: "Appeals",
        category: Moderation,
        columns: &[
            id("id", "Id"),
            id("post_id", "Post"),
            id("comment_id", "Comment"),
            id("community_id", "Community"),
            text("action_type", "Against", 2),
            text("appeal_text", "Your words", 6),
            time("created_at", "Lodged"),
            text("outcome", "Outcome", 2),
            text("decision_reason", "Reason", 5),
            time("decided_at", "Decided"),
        ],
        statement: "SELECT id, community_platform_post_id AS post_id, comment_id, community_id,
                           action_type, appeal_text, created_at, outcome, decision_reason,
                           decided_at, id::text AS stream
                    FROM read.moderation_appeals
                    WHERE $1 = 'member' AND appellant_memberuser_id = $2
                       OR $1 = 'admin' AND appellant_adminuser_id = $2
                    ORDER BY position DESC",
        rows: Rows::Records(&[
            sealed("appeal_text", "moderation_appeal", "stream", "text"),
            sealed("decision_reason", "moderation_appeal", "stream", "reason"),
        ]),
    },
    Entity {
        name: "content_notices",
        title: "Notices that you gave of what others published",
        category: Moderation,
        columns: &[
            id("notice_id", "Id"),
            text("content_kind", "Of a", 1),
            id("content_id", "Which"),
            text("ground", "Ground", 2),
            text("explanation", "Your words", 6),
            time("created_at", "Given"),
            text("outcome", "Outcome", 2),
            text("decision_reason", "Reason", 5),
            time("decided_at", "Decided"),
        ],
        statement: "SELECT notice_id, content_kind, content_id, ground, explanation, created_at,
                           outcome, decision_reason, decided_at, notice_id::text AS stream
                    FROM read.content_notices
                    WHERE notifier_id = $2 AND notifier_kind = $1 ORDER BY position DESC",
        rows: Rows::Records(&[
            sealed("explanation", "content_notice", "stream", "explanation"),
            sealed("decision_reason", "content_notice", "stream", "reason"),
        ]),
    },
    Entity {
        name: "content_notice_events",
        title: "Notices, as they were recorded",
        category: Moderation,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM read.content_notices n
             CROSS JOIN LATERAL (
                 SELECT * FROM log.stream('content_notice', n.notice_id::text)
                 ORDER BY sequence) e
             WHERE n.notifier_id = $2 AND n.notifier_kind = $1 AND e.position <= $3"
        ),
        rows: Rows::Events,
    },
    Entity {
        name: "appeals_decided",
        title: "Appeals that you decided as an admin",
        category: Moderation,
        columns: &[id("id", "Id"), text("outcome", "Outcome", 2), time("decided_at", "Decided")],
        statement: "SELECT id, outcome, decided_at FROM read.moderation_appeals
                    WHERE $1 = 'admin' AND decided_adminuser_id = $2
                    ORDER BY position DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "appeal_events",
        title: "Appeals, as they were recorded",
        category: Moderation,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM read.moderation_appeals a
             CROSS JOIN LATERAL (
                 SELECT * FROM log.stream('moderation_appeal', a.id::text) ORDER BY sequence) e
             WHERE ($1 = 'member' AND a.appellant_memberuser_id = $2
                    OR $1 = 'admin' AND a.appellant_adminuser_id = $2)
               AND e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
