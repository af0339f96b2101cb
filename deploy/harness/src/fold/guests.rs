//! Those without a login: guests, how many of them became members, and the keys of service accounts.

use serde_json::{Value, json};

use super::{Event, Tables, put, row, set};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    guests(tables, event);
    conversions(tables, event);
    service_accounts(tables, event);
}

fn guests(tables: &mut Tables, event: &Event) {
    let (id, at) = (&event.aggregate_id, event.at());
    match event.event_type.as_str() {
        "GuestFirstSeen" => {
            let guest = json!({
                "id": id, "created_at": at, "updated_at": at, "deleted_at": null,
                "session_signature": event.fields.get("session_signature"),
                "sequence": event.sequence,
            });
            put(tables, "guests", id, guest);
        }
        "GuestActive" => set(tables, "guests", event, &[("updated_at", at)]),
        "GuestForgotten" => {
            let known = row(tables, "guests", id).map(|row| row["deleted_at"].clone());
            let first = known.filter(|known| !known.is_null()).unwrap_or(at);
            set(tables, "guests", event, &[("deleted_at", first)]);
        }
        _ => {}
    }
}

fn conversions(tables: &mut Tables, event: &Event) {
    let column = match event.event_type.as_str() {
        "GuestFirstSeen" => "guests_first_seen",
        "MemberRegistered" if event.metadata["was_guest"] == "true" => "members_registered",
        _ => return,
    };
    let day = event.recorded_at.date_naive().to_string();
    if row(tables, "guest_conversion_counts", &day).is_none() {
        let none = json!({ "day": day, "guests_first_seen": 0, "members_registered": 0 });
        put(tables, "guest_conversion_counts", &day, none);
    }
    if let Some(counts) = row(tables, "guest_conversion_counts", &day) {
        counts[column] = (counts[column].as_i64().unwrap_or(0) + 1).into();
    }
}

fn service_accounts(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let (key, issued) = match event.event_type.as_str() {
        "ServiceAccountCreated" | "ServiceAccountKeyRotated" => {
            (fields["key_id"].clone(), at.clone())
        }
        "ServiceAccountKeyRevoked" => (Value::Null, Value::Null),
        _ => return,
    };
    let known = row(tables, "service_accounts", id).map(|row| row["created_at"].clone());
    let account = json!({
        "id": id, "user_credential_id": fields["credential_id"], "key_id": key,
        "key_issued_at": issued, "created_at": known.unwrap_or_else(|| at.clone()),
        "updated_at": at, "sequence": event.sequence,
    });
    put(tables, "service_accounts", id, account);
}
