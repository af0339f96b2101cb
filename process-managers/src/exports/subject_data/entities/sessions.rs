//! Logins and their ends.

use agora_domain::exports::export_values::DataCategory::Sessions;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, sealed, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "sessions",
        title: "Logins",
        category: Sessions,
        columns: &[
            id("id", "Id"),
            time("issued_at", "From"),
            time("expires_at", "Until"),
            text("device_info", "Device", 4),
            text("ip_address", "Address", 2),
            time("last_used_at", "Last used"),
            time("revoked_at", "Ended"),
            text("revoke_cause", "Why", 2),
            text("revoked_by", "By", 2),
        ],
        statement: "SELECT s.id, s.issued_at, s.expires_at, s.device_info, s.ip_address,
                           u.last_used_at, s.revoked_at, s.revoke_cause,
                           CASE WHEN s.revoked_by = $1 || ':' || $2::text THEN 'you'
                                WHEN s.revoked_by LIKE 'admin:%' THEN 'an admin'
                                WHEN s.revoked_by IS NOT NULL THEN 'the platform' END AS revoked_by,
                           s.id::text AS stream
                    FROM read.sessions s LEFT JOIN log.session_activity u ON u.session_id = s.id
                    WHERE s.user_id = $2 AND s.user_kind = $1
                    ORDER BY s.created_at DESC, s.id DESC",
        rows: Rows::Records(&[
            sealed("device_info", "session", "stream", "device_info"),
            sealed("ip_address", "session", "stream", "ip_address"),
        ]),
    },
    Entity {
        name: "session_events",
        title: "Logins, as they were recorded",
        category: Sessions,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT 'session' AS type, s.id::text AS id FROM read.sessions s
                 WHERE s.user_id = $2 AND s.user_kind = $1
                 UNION ALL SELECT 'principal_sessions', $1 || ':' || $2::text
             ) s
             CROSS JOIN LATERAL (SELECT * FROM log.stream(s.type, s.id) ORDER BY sequence) e
             WHERE e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
