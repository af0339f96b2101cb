//! Organizations that the person is or was in, and what they wrote in reports. The figures of a report
//! are the organization's: only notes in the person's own words are in the bundle.

use agora_domain::exports::export_values::DataCategory::Organizations;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "organization_memberships",
        title: "Organizations that you are in",
        category: Organizations,
        columns: &[
            id("organization_id", "Organization"),
            text("organization_name", "Name", 4),
            text("role", "Role", 2),
            time("added_at", "Since"),
            time("updated_at", "Role since"),
        ],
        statement: "SELECT m.organization_id, o.name AS organization_name, m.role, m.added_at,
                           m.updated_at
                    FROM read.organization_memberships m
                    LEFT JOIN read.organizations o ON o.id = m.organization_id
                    WHERE m.principal_id = $2 AND m.principal_kind = $1
                    ORDER BY m.added_at, m.organization_id",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "bufdir_reports",
        title: "Reports that you began or submitted",
        category: Organizations,
        columns: &[
            id("id", "Id"),
            id("organization_id", "Organization"),
            text("period_label", "Period", 2),
            text("status", "State", 2),
            text("your_part", "Your part", 2),
            time("created_at", "Begun"),
            time("submitted_at", "Submitted"),
        ],
        statement: "SELECT id, organization_id, period_label, status,
                           concat_ws(' ', CASE WHEN created_by_user_id = $2 THEN 'begun' END,
                                     CASE WHEN submitted_by_user_id = $2 THEN 'submitted' END)
                               AS your_part,
                           created_at, submitted_at
                    FROM read.bufdir_reports
                    WHERE created_by_user_id = $2 OR submitted_by_user_id = $2
                    ORDER BY position",
        rows: Rows::Records(&[]),
    },
    // Who was removed from an organization has a stream there still: each is asked.
    Entity {
        name: "organization_events",
        title: "What happened in your organizations, and your notes in their reports",
        category: Organizations,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT 'organization_membership' AS type,
                        o.id::text || '-' || $1 || '-' || $2::text AS id
                 FROM read.organizations o
                 UNION ALL SELECT 'bufdir_report', r.id::text FROM read.bufdir_reports r
             ) s
             CROSS JOIN LATERAL (SELECT * FROM log.stream(s.type, s.id) ORDER BY sequence) e
             WHERE e.position <= $3
               AND (s.type = 'organization_membership'
                    OR e.metadata ->> 'actor' = $1 || ':' || $2::text)"
        ),
        rows: Rows::Events,
    },
];
