//! What the person searched for, where it was recorded under their name.

use agora_domain::exports::export_values::DataCategory::Searches;

use crate::exports::subject_data::entity::{Entity, Rows, id, sealed, text, time};

pub(super) const ENTITIES: &[Entity] = &[Entity {
    name: "searches",
    title: "Searches",
    category: Searches,
    columns: &[
        id("id", "Id"),
        time("created_at", "When"),
        text("target_scope", "In", 2),
        text("search_query", "Query", 5),
        text("ip_address", "Address", 2),
        text("user_agent", "Device", 4),
        time("deleted_at", "Forgotten"),
    ],
    statement: "SELECT id, created_at, target_scope, search_query, ip_address, user_agent,
                       deleted_at, id::text AS record
                FROM log.search_records
                WHERE $1 = 'member' AND member_user_id = $2
                   OR $1 = 'admin' AND admin_user_id = $2
                ORDER BY created_at DESC, id DESC",
    rows: Rows::Records(&[
        sealed("search_query", "search_record", "record", "search_query"),
        sealed("ip_address", "search_record", "record", "ip_address"),
        sealed("user_agent", "search_record", "record", "user_agent"),
    ]),
}];
