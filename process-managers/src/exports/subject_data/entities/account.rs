//! The account: who it is, its address, what happened to it, what was written about it by mail.

use agora_domain::exports::export_values::DataCategory::Account;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, sealed, text, time},
    events::{self, event_columns},
    mails,
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "members",
        title: "Member account",
        category: Account,
        columns: &[
            id("id", "Id"),
            id("user_credential_id", "Credential"),
            text("display_name", "Name", 3),
            text("status", "State", 2),
            time("created_at", "Registered"),
            time("updated_at", "Changed"),
            time("deleted_at", "Deleted"),
        ],
        statement: "SELECT id, user_credential_id, display_name, status, created_at, updated_at,
                           deleted_at, id::text AS stream
                    FROM read.members WHERE $1 = 'member' AND id = $2",
        rows: Rows::Records(&[sealed("display_name", "member", "stream", "display_name")]),
    },
    Entity {
        name: "admins",
        title: "Admin account",
        category: Account,
        columns: &[
            id("id", "Id"),
            id("user_credential_id", "Credential"),
            text("display_name", "Name", 3),
            text("status", "State", 2),
            text("scopes", "Scopes", 2),
            time("created_at", "Made"),
            time("updated_at", "Changed"),
            time("deleted_at", "Deleted"),
        ],
        statement: "SELECT id, user_credential_id, display_name, status, scopes, created_at,
                           updated_at, deleted_at, id::text AS stream
                    FROM read.admins WHERE $1 = 'admin' AND id = $2",
        rows: Rows::Records(&[sealed("display_name", "admin", "stream", "display_name")]),
    },
    Entity {
        name: "service_accounts",
        title: "Service account",
        category: Account,
        columns: &[
            id("id", "Id"),
            id("user_credential_id", "Credential"),
            id("key_id", "Key"),
            time("key_issued_at", "Key since"),
            time("created_at", "Made"),
            time("updated_at", "Changed"),
        ],
        statement: "SELECT id, user_credential_id, key_id, key_issued_at, created_at, updated_at
                    FROM read.service_accounts WHERE $1 = 'admin' AND id = $2",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "credentials",
        title: "E-mail address",
        category: Account,
        columns: &[
            id("id", "Id"),
            text("email", "Address", 4),
            text("pending_email", "Asked for", 4),
            text("status", "State", 2),
            time("created_at", "Since"),
            time("updated_at", "Changed"),
            time("deleted_at", "Ended"),
        ],
        statement: "SELECT id, email, pending_email, status, created_at, updated_at, deleted_at,
                           id::text AS stream
                    FROM read.credentials WHERE holder_id = $2 AND holder_kind = $1
                    ORDER BY created_at, id",
        rows: Rows::Records(&[
            sealed("email", "credential", "stream", "email"),
            sealed("pending_email", "credential", "stream", "email"),
        ]),
    },
    Entity {
        name: "account_events",
        title: "What happened to the account",
        category: Account,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT $1 AS type, $2::text AS id
                 UNION ALL SELECT 'service_account', $2::text WHERE $1 = 'admin'
                 UNION ALL SELECT 'credential', c.id::text FROM read.credentials c
                           WHERE c.holder_id = $2 AND c.holder_kind = $1
                 UNION ALL SELECT 'password_reset', r.payload -> 'PasswordReset' ->> 'reset_id'
                           FROM read.credentials c
                           CROSS JOIN LATERAL log.stream('credential', c.id::text) r
                           WHERE c.holder_id = $2 AND c.holder_kind = $1
                             AND r.event_type = 'PasswordReset'
             ) s
             CROSS JOIN LATERAL (SELECT * FROM log.stream(s.type, s.id) ORDER BY sequence) e
             WHERE e.position <= $3"
        ),
        rows: Rows::Events,
    },
    Entity {
        name: "mails",
        title: "Mails that were sent about it",
        category: Account,
        columns: mails::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT $1 AS type, $2::text AS id
                 UNION ALL SELECT 'credential', c.id::text FROM read.credentials c
                           WHERE c.holder_id = $2 AND c.holder_kind = $1
                 UNION ALL SELECT 'export_job', x.request_id::text FROM read.data_export_requests x
                           WHERE x.user_id = $2 AND x.user_kind = $1
             ) s
             CROSS JOIN LATERAL (SELECT * FROM log.stream(s.type, s.id) ORDER BY sequence) e
             WHERE e.position <= $3"
        ),
        rows: Rows::Mails,
    },
];
