//! What the read tables must hold: an independent fold of the log's rows, written from the events'
//! contract and the tables' comments, not from the projectors.
//!
//! Rows are JSON objects; times are microseconds since 1970, so that spelling does not matter.

mod comments;
mod compliance;
mod erasure;
mod exports;
mod guests;
mod identity;
mod integrations;
mod organizations;
mod places;
mod ranks;
mod search;
mod security;
mod votes;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// A row of `log.events`.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    /// What is inside the payload's one member.
    pub fields: Value,
    pub metadata: Value,
    pub recorded_at: DateTime<Utc>,
}

impl Event {
    fn at(&self) -> Value {
        self.recorded_at.timestamp_micros().into()
    }

    fn text(&self, field: &str) -> String {
        self.fields[field].as_str().unwrap_or_default().to_owned()
    }
}

/// The rows of every read table by their primary key.
pub type Tables = BTreeMap<&'static str, BTreeMap<String, Value>>;

/// Every read table with what tells its rows apart.
pub const TABLES: &[(&str, &str)] = &[
    ("admins", "id"),
    ("audit_log", "position"),
    ("breaches", "incident_id"),
    ("bufdir_export_archive", "id"),
    ("bufdir_export_logs", "id"),
    ("bufdir_reports", "id"),
    ("categories", "id"),
    ("comment_ranks", "(comment_id || ':' || ranking)"),
    ("comment_scores", "comment_id"),
    ("comment_search", "id"),
    ("comment_votes", "id"),
    ("comments", "id"),
    ("communities", "id"),
    ("community_rules", "id"),
    ("community_search", "id"),
    ("configurations", "key"),
    ("consents", "consent_id"),
    ("content_notices", "notice_id"),
    ("guest_conversion_counts", "day"),
    ("guests", "id"),
    ("credentials", "id"),
    ("data_deletion_requests", "deletion_id"),
    ("data_export_logs", "id"),
    ("data_export_requests", "request_id"),
    ("integrations", "id"),
    ("ip_reputation", "id"),
    ("members", "id"),
    ("memberships", "id"),
    ("moderation_appeals", "id"),
    ("moderation_log", "position"),
    (
        "organization_memberships",
        "(organization_id || '-' || principal_kind || '-' || principal_id)",
    ),
    ("organizations", "id"),
    ("policy_acceptances", "(version_id || ':' || user_kind || ':' || user_id)"),
    ("policy_versions", "version_id"),
    ("post_comment_counts", "post_id"),
    ("post_ranks", "(post_id || ':' || ranking)"),
    ("post_scores", "post_id"),
    ("post_search", "id"),
    ("post_votes", "id"),
    ("posts", "id"),
    ("processing_limits", "limit_id"),
    ("recent_communities", "id"),
    ("recent_communities_deleted", "community_id"),
    ("security_incidents", "incident_id"),
    ("service_accounts", "id"),
    ("sessions", "id"),
];

/// The whole log.
pub async fn events(connection: &mut PgConnection) -> Result<Vec<Event>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                payload::text AS payload, metadata::text AS metadata, recorded_at
         FROM log.events ORDER BY position",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let json = |column: &str| -> Result<Value, sqlx::Error> {
                let text: String = row.try_get(column)?;
                Ok(serde_json::from_str(&text).unwrap_or_default())
            };
            let event_type: String = row.try_get("event_type")?;
            let fields = json("payload")?[&event_type].take();
            Ok(Event {
                position: row.try_get("position")?,
                event_id: row.try_get("event_id")?,
                aggregate_type: row.try_get("aggregate_type")?,
                aggregate_id: row.try_get("aggregate_id")?,
                sequence: row.try_get("sequence")?,
                event_type,
                fields,
                metadata: json("metadata")?,
                recorded_at: row.try_get("recorded_at")?,
            })
        })
        .collect()
}

/// The read tables as they are.
pub async fn live(connection: &mut PgConnection) -> Result<Tables, sqlx::Error> {
    let mut tables = Tables::new();
    for (table, key) in TABLES {
        let statement =
            format!("SELECT {key}::text AS key, to_jsonb(t) AS row FROM read.{table} t");
        let rows = sqlx::query(&statement).fetch_all(&mut *connection).await?;
        let mut all = BTreeMap::new();
        for row in rows {
            let mut value: Value = row.try_get("row")?;
            normalise(&mut value);
            search::without_words(table, &mut value);
            all.insert(row.try_get("key")?, value);
        }
        tables.insert(table, all);
    }
    Ok(tables)
}

/// Times become numbers; a detail that is JSON becomes JSON.
fn normalise(row: &mut Value) {
    for (column, value) in row.as_object_mut().into_iter().flatten() {
        let Some(text) = value.as_str() else { continue };
        if column == "event_detail" {
            // A detail that was cut is not JSON: its row is compared in the other columns.
            *value = serde_json::from_str(text).unwrap_or(Value::Null);
        } else if let Some(at) = micros(text) {
            *value = at;
        }
    }
}

fn micros(text: &str) -> Option<Value> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_micros().into())
}

/// What the tables hold after these events.
pub fn fold(events: &[Event]) -> Tables {
    let mut tables: Tables = TABLES.iter().map(|(table, _)| (*table, BTreeMap::new())).collect();
    for event in events {
        identity::apply(&mut tables, event);
        guests::apply(&mut tables, event);
        places::apply(&mut tables, event);
        search::apply(&mut tables, event);
        security::apply(&mut tables, event);
        comments::apply(&mut tables, event);
        configuration(&mut tables, event);
        integrations::apply(&mut tables, event);
        organizations::apply(&mut tables, event);
        exports::apply(&mut tables, event);
        compliance::apply(&mut tables, event);
        erasure::apply(&mut tables, event);
        moderation(&mut tables, event);
        appeals(&mut tables, event);
        notices(&mut tables, event);
        votes::apply(&mut tables, event);
    }
    places::rank(&mut tables);
    ranks::apply(&mut tables);
    tables
}

fn moderation(tables: &mut Tables, event: &Event) {
    let (fields, id) = (&event.fields, json!(event.aggregate_id));
    let in_community = fields.get("community_id").cloned().unwrap_or_default();
    let (post, comment, community) = match event.event_type.as_str() {
        "PostModerated" => (id, Value::Null, in_community),
        "CommentModerated" => (Value::Null, id, in_community),
        "CommunityModerated" => (Value::Null, Value::Null, id),
        _ => return,
    };
    let member = match fields.get("owner") {
        Some(owner) => owner.clone(),
        None => id_of(&fields["author"], "member"),
    };
    let entry = json!({
        "id": event.event_id, "community_platform_post_id": post, "comment_id": comment,
        "community_id": community, "author_memberuser_id": member,
        "author_adminuser_id": id_of(&fields["author"], "admin"),
        "author_guestuser_id": id_of(&fields["author"], "guest"),
        "performed_adminuser_id": fields["moderator"]["id"], "action_type": fields["action"],
        "action_reason": fields["reason"], "created_at": event.at(), "position": event.position,
    });
    put(tables, "moderation_log", &event.position.to_string(), entry);
}

fn appeals(tables: &mut Tables, event: &Event) {
    let (fields, id) = (&event.fields, &event.aggregate_id);
    match event.event_type.as_str() {
        "ModerationAppealLodged" => {
            let against = &fields["against"];
            let of_kind = |kind: &str| match &against["kind"] {
                told if told == kind => against["thing_id"].clone(),
                _ => Value::Null,
            };
            let appeal = json!({
                "id": id, "community_platform_post_id": of_kind("post"),
                "comment_id": of_kind("comment"), "community_id": against.get("community_id"),
                "action_type": against["action"],
                "performed_adminuser_id": against["moderator"]["id"],
                "appellant_memberuser_id": id_of(&fields["appellant"], "member"),
                "appellant_adminuser_id": id_of(&fields["appellant"], "admin"),
                "appeal_text": fields["text"], "created_at": event.at(),
                "position": event.position, "outcome": null, "decided_adminuser_id": null,
                "decision_reason": null, "decided_at": null, "sequence": event.sequence,
            });
            put(tables, "moderation_appeals", id, appeal);
        }
        "ModerationAppealDecided" => {
            let decided = [
                ("outcome", fields["outcome"].clone()),
                ("decided_adminuser_id", fields["decided_by"]["id"].clone()),
                ("decision_reason", fields["reason"].clone()),
                ("decided_at", event.at()),
            ];
            set(tables, "moderation_appeals", event, &decided);
        }
        _ => {}
    }
}

fn notices(tables: &mut Tables, event: &Event) {
    let (fields, id) = (&event.fields, &event.aggregate_id);
    match event.event_type.as_str() {
        "ContentReported" => {
            let about = &fields["about"];
            let notice = json!({
                "notice_id": id, "content_kind": about["kind"], "content_id": about["thing_id"],
                "community_id": about["community_id"], "notifier_kind": fields["notifier"]["kind"],
                "notifier_id": fields["notifier"]["id"], "ground": fields["ground"],
                "explanation": fields["explanation"], "created_at": event.at(), "outcome": null,
                "decided_by": null, "decision_reason": null, "decided_at": null,
                "position": event.position, "sequence": event.sequence,
            });
            put(tables, "content_notices", id, notice);
        }
        "ContentNoticeDecided" => {
            let decided = [
                ("outcome", fields["outcome"].clone()),
                ("decided_by", fields["decided_by"]["id"].clone()),
                ("decision_reason", fields["reason"].clone()),
                ("decided_at", event.at()),
            ];
            set(tables, "content_notices", event, &decided);
        }
        _ => {}
    }
}

fn configuration(tables: &mut Tables, event: &Event) {
    let (key, fields, at) = (event.text("key"), &event.fields, event.at());
    match event.event_type.as_str() {
        "ConfigurationSet" | "ConfigurationDescribed" => {
            let known = row(tables, "configurations", &key).map(|row| row["created_at"].clone());
            let entry = json!({
                "id": fields["id"], "key": key, "value": fields["value"],
                "description": fields["description"], "created_at": known.unwrap_or(at.clone()),
                "updated_at": at, "sequence": event.sequence,
            });
            put(tables, "configurations", &key, entry);
        }
        "ConfigurationRemoved" => {
            tables.entry("configurations").or_default().remove(&key);
        }
        _ => {}
    }
}

/// The row to change, where it is there.
fn row<'t>(tables: &'t mut Tables, table: &'static str, key: &str) -> Option<&'t mut Value> {
    tables.get_mut(table)?.get_mut(key)
}

fn put(tables: &mut Tables, table: &'static str, key: &str, row: Value) {
    tables.entry(table).or_default().insert(key.to_owned(), row);
}

/// Sets some columns of a row, and `sequence` to the event's.
fn set(tables: &mut Tables, table: &'static str, event: &Event, columns: &[(&str, Value)]) {
    if let Some(row) = row(tables, table, &event.aggregate_id) {
        for (column, value) in columns {
            row[*column] = value.clone();
        }
        row["sequence"] = json!(event.sequence);
    }
}

/// The id of an actor of a kind, or null.
fn id_of(actor: &Value, kind: &str) -> Value {
    if actor["kind"] == kind { actor["id"].clone() } else { Value::Null }
}
