//! Comments, with the counts of replies and of a post's comments.

use serde_json::{Value, json};

use super::{Event, Tables, id_of, put, row, set};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    let (id, at) = (&event.aggregate_id, event.at());
    let touched =
        |column: &'static str, value: Value| [(column, value), ("updated_at", event.at())];
    match event.event_type.as_str() {
        "CommentCreated" => created(tables, event),
        "CommentEdited" => {
            set(tables, "comments", event, &touched("body", event.fields["body"].clone()));
        }
        "CommentDeleted" => show(tables, event, id, at),
        "CommentRestored" => show(tables, event, id, Value::Null),
        "CommentModerated" => set(tables, "comments", event, &[("updated_at", at)]),
        _ => {}
    }
}

fn created(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let (post, parent) = (event.text("post_id"), event.text("parent_comment_id"));
    let answers = if parent.is_empty() { &post } else { &parent };
    let comment = json!({
        "id": id, "post_id": post, "parent_comment_id": fields.get("parent_comment_id"),
        "answers": answers, "depth": fields["depth"],
        "author_memberuser_id": id_of(&fields["author"], "member"), "author_guestuser_id": id_of(&fields["author"], "guest"),
        "author_adminuser_id": id_of(&fields["author"], "admin"), "body": fields["body"],
        "display_name": fields.get("display_name"), "created_at": at, "updated_at": at,
        "deleted_at": null, "reply_count": 0, "sequence": event.sequence,
    });
    put(tables, "comments", id, comment);
    let score = json!({
        "comment_id": id, "answers": answers, "created_at": at, "score": 0, "upvotes": 0,
        "downvotes": 0, "updated_at": at,
    });
    put(tables, "comment_scores", id, score);
    add(tables, "comments", &parent, "reply_count", 1);
    if row(tables, "post_comment_counts", &post).is_none() {
        put(tables, "post_comment_counts", &post, json!({ "post_id": post, "comments": 0 }));
    }
    add(tables, "post_comment_counts", &post, "comments", 1);
}

fn show(tables: &mut Tables, event: &Event, id: &str, deleted_at: Value) {
    let Some(comment) = row(tables, "comments", id) else { return };
    let shown = |deleted_at: &Value| i64::from(deleted_at.is_null());
    let by = shown(&deleted_at) - shown(&comment["deleted_at"]);
    let post = comment["post_id"].as_str().unwrap_or_default().to_owned();
    set(tables, "comments", event, &[("deleted_at", deleted_at), ("updated_at", event.at())]);
    add(tables, "post_comment_counts", &post, "comments", by);
}

fn add(tables: &mut Tables, table: &'static str, key: &str, column: &str, by: i64) {
    if let Some(row) = row(tables, table, key) {
        row[column] = (row[column].as_i64().unwrap_or(0) + by).into();
    }
}
