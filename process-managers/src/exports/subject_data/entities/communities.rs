//! Communities founded, joined, left and visited. A community's name is public.

use agora_domain::exports::export_values::DataCategory::Communities;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, number, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "communities",
        title: "Communities that you founded",
        category: Communities,
        columns: &[
            id("id", "Id"),
            text("name", "Name", 3),
            text("description", "About", 5),
            id("category_id", "Category"),
            text("logo_uri", "Logo", 3),
            text("banner_uri", "Banner", 3),
            time("created_at", "Founded"),
            time("updated_at", "Changed"),
            time("deleted_at", "Deleted"),
        ],
        statement: "SELECT id, name, description, category_id, logo_uri, banner_uri, created_at,
                           updated_at, deleted_at
                    FROM read.communities WHERE $1 = 'member' AND owner_id = $2
                    ORDER BY created_at, id",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "memberships",
        title: "Communities that you are a member of",
        category: Communities,
        columns: &[
            id("id", "Id"),
            id("community_id", "Community"),
            text("community_name", "Name", 3),
            time("joined_at", "Joined"),
        ],
        statement: "SELECT m.id, m.community_id, c.name AS community_name, m.joined_at
                    FROM read.memberships m LEFT JOIN read.communities c ON c.id = m.community_id
                    WHERE $1 = 'member' AND m.memberuser_id = $2
                    ORDER BY m.joined_at DESC, m.id DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "recent_communities",
        title: "Communities that you were in last",
        category: Communities,
        columns: &[
            id("id", "Id"),
            id("community_id", "Community"),
            text("community_name", "Name", 3),
            number("recent_rank", "Rank"),
            time("last_activity_at", "Last there"),
        ],
        statement: "SELECT r.id, r.community_id, c.name AS community_name, r.recent_rank,
                           r.last_activity_at
                    FROM read.recent_communities r
                    LEFT JOIN read.communities c ON c.id = r.community_id
                    WHERE $1 = 'member' AND r.memberuser_id = $2 ORDER BY r.list_index",
        rows: Rows::Records(&[]),
    },
    // Who has left a community has a stream there still: each community is asked.
    Entity {
        name: "community_events",
        title: "What happened in and to your communities",
        category: Communities,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT t.type, c.id::text AS id FROM read.communities c
                 CROSS JOIN (VALUES ('community'), ('community_rules')) AS t(type)
                 WHERE $1 = 'member' AND c.owner_id = $2
                 UNION ALL SELECT 'membership', c.id::text || ':' || $2::text
                           FROM read.communities c WHERE $1 = 'member'
                 UNION ALL SELECT 'recent_communities', $2::text WHERE $1 = 'member'
             ) s
             CROSS JOIN LATERAL (SELECT * FROM log.stream(s.type, s.id) ORDER BY sequence) e
             WHERE e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
