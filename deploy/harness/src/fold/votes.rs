//! Posts; votes on them and on comments, and the scores.

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
                "post_id": id, "community_id": fields["community_id"], "created_at": at, "score": 0,
                "upvotes": 0, "downvotes": 0, "updated_at": at,
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
        "PostVoteCast" => voted(tables, event, &ON_POSTS),
        "CommentVoteCast" => voted(tables, event, &ON_COMMENTS),
        _ => {}
    }
}

/// Where the votes on a kind of thing stand, and how their columns are called.
struct Names {
    votes: &'static str,
    target: &'static str,
    state: &'static str,
    scores: &'static str,
    /// The event's field that names what is voted on.
    field: &'static str,
}

const ON_POSTS: Names = Names {
    votes: "post_votes",
    target: "community_platform_post_id",
    state: "vote_state",
    scores: "post_scores",
    field: "post_id",
};

const ON_COMMENTS: Names = Names {
    votes: "comment_votes",
    target: "comment_id",
    state: "vote_type",
    scores: "comment_scores",
    field: "comment_id",
};

fn voted(tables: &mut Tables, event: &Event, names: &Names) {
    let (fields, id) = (&event.fields, event.text("id"));
    let after = fields["vote_state"].clone();
    let before = match row(tables, names.votes, &id) {
        Some(vote) => {
            vote["updated_at"] = event.at();
            std::mem::replace(&mut vote[names.state], after.clone())
        }
        None => {
            let mut vote = json!({
                "id": id, names.target: fields[names.field],
                "voter_memberuser_id": id_of(&fields["voter"], "member"),
                "voter_adminuser_id": id_of(&fields["voter"], "admin"),
                names.state: after, "created_at": event.at(), "updated_at": event.at(),
            });
            if names.votes == "comment_votes" {
                vote["voter_guestuser_id"] = id_of(&fields["voter"], "guest");
            }
            put(tables, names.votes, &id, vote);
            json!("none")
        }
    };
    // From the votes themselves, not from what the event says was before.
    if let Some(score) = row(tables, names.scores, &event.text(names.field)) {
        let change = |word: &str| i64::from(after == word) - i64::from(before == word);
        let up = score["upvotes"].as_i64().unwrap_or(0) + change("upvote");
        let down = score["downvotes"].as_i64().unwrap_or(0) + change("downvote");
        score["upvotes"] = up.into();
        score["downvotes"] = down.into();
        score["score"] = (up - down).into();
        score["updated_at"] = event.at();
    }
}
