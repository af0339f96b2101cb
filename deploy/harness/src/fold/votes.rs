//! Posts, votes and scores.

use serde_json::{Value, json};

use super::{Event, Tables, id_of, put, row, set};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let touched =
        |column: &'static str, value: Value| [(column, value), ("updated_at", event.at())];
    match event.event_type.as_str() {
        "PostCreated" => {
            let post = json!({
                "id": id, "community_platform_community_id": fields["community_id"],
                "author_memberuser_id": id_of(&fields["author"], "member"),
                "author_adminuser_id": id_of(&fields["author"], "admin"),
                "title": fields["title"], "body": fields["body"],
                "author_display_name": fields["author_display_name"], "created_at": at,
                "updated_at": at, "deleted_at": null, "sequence": event.sequence,
            });
            put(tables, "posts", id, post);
            let score = json!({
                "post_id": id, "community_id": fields["community_id"], "score": 0, "upvotes": 0,
                "downvotes": 0, "updated_at": at,
            });
            put(tables, "post_scores", id, score);
        }
        "PostEdited" => {
            set(tables, "posts", event, &touched("title", fields["title"].clone()));
            set(tables, "posts", event, &touched("body", fields["body"].clone()));
        }
        "PostDeleted" => set(tables, "posts", event, &touched("deleted_at", at)),
        "PostRestored" => set(tables, "posts", event, &touched("deleted_at", Value::Null)),
        "PostModerated" => set(tables, "posts", event, &[("updated_at", at)]),
        "PostVoteCast" => voted(tables, event),
        _ => {}
    }
}

fn voted(tables: &mut Tables, event: &Event) {
    let (fields, id) = (&event.fields, event.text("id"));
    let after = fields["vote_state"].clone();
    let before = match row(tables, "post_votes", &id) {
        Some(vote) => {
            vote["updated_at"] = event.at();
            std::mem::replace(&mut vote["vote_state"], after.clone())
        }
        None => {
            let vote = json!({
                "id": id, "community_platform_post_id": fields["post_id"],
                "voter_memberuser_id": id_of(&fields["voter"], "member"),
                "voter_adminuser_id": id_of(&fields["voter"], "admin"),
                "vote_state": after, "created_at": event.at(), "updated_at": event.at(),
            });
            put(tables, "post_votes", &id, vote);
            json!("none")
        }
    };
    // From the votes themselves, not from what the event says was before.
    if let Some(score) = row(tables, "post_scores", &event.text("post_id")) {
        let change = |word: &str| i64::from(after == word) - i64::from(before == word);
        let up = score["upvotes"].as_i64().unwrap_or(0) + change("upvote");
        let down = score["downvotes"].as_i64().unwrap_or(0) + change("downvote");
        score["upvotes"] = up.into();
        score["downvotes"] = down.into();
        score["score"] = (up - down).into();
        score["updated_at"] = event.at();
    }
}
