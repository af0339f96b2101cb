//! The search tables without their words: those are made of texts that this has no keys to. That they
//! are the right ones is tested in `projectors/tests/it/search.rs`.

use serde_json::{Value, json};

use super::{Event, Tables, put, row};

const TABLES: &[&str] = &["comment_search", "community_search", "post_search"];

pub(super) fn without_words(table: &str, row: &mut Value) {
    if TABLES.contains(&table)
        && let Some(columns) = row.as_object_mut()
    {
        columns.remove("words");
    }
}

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    let (id, fields) = (&event.aggregate_id, &event.fields);
    match event.event_type.as_str() {
        "CommunityCreated" => {
            put(tables, "community_search", id, json!({ "id": id, "is_deleted": false }));
        }
        "CommunityDeleted" => show(tables, "community_search", event, true),
        "CommunityRestored" => show(tables, "community_search", event, false),
        "PostCreated" => {
            let post = json!({
                "id": id, "community_id": fields["community_id"],
                "subject": subject(&fields["title"]), "is_deleted": false,
            });
            put(tables, "post_search", id, post);
        }
        "PostEdited" => text(tables, "post_search", event, "title"),
        "PostDeleted" => show(tables, "post_search", event, true),
        "PostRestored" => show(tables, "post_search", event, false),
        "CommentCreated" => {
            let comment = json!({
                "id": id, "community_id": fields.get("community_id"),
                "subject": subject(&fields["body"]), "is_deleted": false,
            });
            put(tables, "comment_search", id, comment);
        }
        "CommentEdited" => text(tables, "comment_search", event, "body"),
        "CommentDeleted" => show(tables, "comment_search", event, true),
        "CommentRestored" => show(tables, "comment_search", event, false),
        _ => {}
    }
}

fn show(tables: &mut Tables, table: &'static str, event: &Event, is_deleted: bool) {
    if let Some(row) = row(tables, table, &event.aggregate_id) {
        row["is_deleted"] = is_deleted.into();
    }
}

fn text(tables: &mut Tables, table: &'static str, event: &Event, field: &str) {
    if let Some(row) = row(tables, table, &event.aggregate_id) {
        row["subject"] = subject(&event.fields[field]);
    }
}

/// Whose key seals a text: `sealed:v1:<category>:<subject>:…` (docs/sealing.md).
fn subject(sealed: &Value) -> Value {
    let text = sealed.as_str().unwrap_or_default();
    let parts: Vec<&str> = text.split(':').collect();
    // Where it is not of this form, nothing is known.
    if parts.len() == 7 { parts[3].into() } else { "".into() }
}
