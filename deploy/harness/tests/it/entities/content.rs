//! What is written and thought of it: E14 posts, E15 their votes, E17 comments, E18 their votes, E16
//! moderation.

use serde_json::{Value, json};

use super::{
    people::People,
    places::Place,
    walk::{Made, User, Walk, Way, act, item, object},
};

pub(super) async fn walk(walk: &mut Walk, people: &People, place: &Place) {
    let post = e14_post(walk, people, place).await;
    e15_post_vote(walk, people, &post).await;
    let comment = e17_comment(walk, people, &post).await;
    e18_comment_vote(walk, people, &comment).await;
    e16_moderation(walk, people, place, &post).await;
}

async fn e14_post(walk: &mut Walk, people: &People, place: &Place) -> Made {
    let People { admin, ola, kari, .. } = people;
    let guest = User::default();
    let body = json!({
        "community_id": place.community.id,
        "title": "Up the Gaustatoppen",
        "body": "We began at dawn and saw a sixth of the country.",
    });
    let post = walk.make(ola, "create-post", body.clone()).await;
    let id = &post.id;
    let titled = |title: &str| json!({ "post_id": id, "title": title });
    walk.go(Way {
        entity: "E14 post",
        made: &post,
        read: object(&guest, format!("/v1/posts/{id}")),
        shows: json!({ "title": "Up the Gaustatoppen", "author_memberuser_id": ola.id,
                       "author_adminuser_id": Value::Null }),
        forbidden: vec![
            (act(kari, "edit-post", titled("Up the wrong hill")), 403, "PST-09"),
            (act(admin, "edit-post", titled("Up without a reason")), 422, "MOD-06"),
            (act(ola, "edit-post", titled("Up")), 422, "PST-01"),
            (act(&guest, "create-post", body), 401, "SES-13"),
        ],
        change: act(ola, "edit-post", titled("Up and down the Gaustatoppen")),
        then_shows: json!({ "title": "Up and down the Gaustatoppen" }),
        events: &["PostCreated", "PostEdited"],
        own_history: Some((ola, format!("/v1/posts/{id}/history"))),
    })
    .await;
    let hidden = walk.get(kari, &format!("/v1/posts/{id}/history")).await;
    walk.holds("E14 post", hidden.status == 403, "its history is shown to others");
    post
}

async fn e15_post_vote(walk: &mut Walk, people: &People, post: &Made) {
    let People { ola, kari, .. } = people;
    let says =
        |state: &str| json!({ "target": { "kind": "post", "id": post.id }, "vote_state": state });
    let vote = walk.make(kari, "cast-vote", says("upvote")).await;
    walk.go(Way {
        entity: "E15 post vote",
        made: &vote,
        read: item(kari, "/v1/me/votes", &post.id),
        shows: json!({ "vote_state": "upvote", "voter_memberuser_id": kari.id,
                       "voter_adminuser_id": Value::Null }),
        forbidden: vec![
            (act(ola, "cast-vote", says("upvote")), 403, "PVT-07"),
            (act(kari, "cast-vote", says("sideways")), 422, "PVT-01"),
        ],
        change: act(kari, "cast-vote", says("downvote")),
        then_shows: json!({ "vote_state": "downvote" }),
        events: &["PostVoteCast", "PostVoteCast"],
        own_history: None,
    })
    .await;
    let score = object(ola, format!("/v1/posts/{}/score", post.id));
    let score = walk.read(&score, walk.head().await).await;
    walk.holds("E15 post vote", score["score"] == -1, format!("the score is {score}"));
}

async fn e17_comment(walk: &mut Walk, people: &People, post: &Made) -> Made {
    let People { ola, kari, .. } = people;
    let guest = User::default();
    let body = json!({ "post_id": post.id, "body": "A sixth? Surely less." });
    let comment = walk.make(kari, "create-comment", body).await;
    let id = &comment.id;
    let edited = |body: &str| json!({ "comment_id": id, "body": body });
    walk.go(Way {
        entity: "E17 comment",
        made: &comment,
        read: object(&guest, format!("/v1/comments/{id}")),
        shows: json!({ "body": "A sixth? Surely less.", "author_memberuser_id": kari.id,
                       "parent_comment_id": Value::Null, "post_id": post.id }),
        forbidden: vec![
            (act(ola, "edit-comment", edited("I agree.")), 403, "CMT-10"),
            (act(kari, "edit-comment", edited("x")), 422, "CMT-01"),
        ],
        change: act(kari, "edit-comment", edited("A sixth! On clear days.")),
        then_shows: json!({ "body": "A sixth! On clear days." }),
        events: &["CommentCreated", "CommentEdited"],
        own_history: Some((kari, format!("/v1/comments/{id}/history"))),
    })
    .await;
    comment
}

async fn e18_comment_vote(walk: &mut Walk, people: &People, comment: &Made) {
    let People { ola, kari, .. } = people;
    let says = |state: &str| json!({ "target": { "kind": "comment", "id": comment.id }, "vote_state": state });
    let vote = walk.make(ola, "cast-vote", says("upvote")).await;
    walk.go(Way {
        entity: "E18 comment vote",
        made: &vote,
        read: item(ola, "/v1/me/comment-votes", &comment.id),
        shows: json!({ "vote_type": "upvote", "voter_memberuser_id": ola.id,
                       "voter_guestuser_id": Value::Null }),
        forbidden: vec![
            (act(kari, "cast-vote", says("upvote")), 403, "CVT-03"),
            (act(ola, "cast-vote", says("sideways")), 422, "CVT-01"),
        ],
        change: act(ola, "cast-vote", says("none")),
        then_shows: json!({ "vote_type": "none" }),
        events: &["CommentVoteCast", "CommentVoteCast"],
        own_history: None,
    })
    .await;
}

/// An entry of the log arises from the removal and never changes; what goes on is the appeal against
/// it, which the entry shows.
async fn e16_moderation(walk: &mut Walk, people: &People, place: &Place, post: &Made) {
    const ENTITY: &str = "E16 moderation log";
    let People { admin, judge, ola, kari } = people;
    let remove = json!({ "post_id": post.id, "reason": "Not a mountain." });
    walk.refused(ENTITY, &act(kari, "delete-post", remove.clone()), 403, "PST-09").await;
    let removed = walk.make(admin, "delete-post", remove).await;
    let notice =
        walk.read(&item(ola, "/v1/me/moderation-notices", &post.id), removed.position).await;
    let id = notice["id"].as_str().unwrap_or_else(|| panic!("no notice: {notice}"));
    let public = format!("/v1/communities/{}/moderation-log", place.name);
    let public = walk.read(&item(kari, public, id), removed.position).await;
    let discreet = public["action_type"] == "delete" && public.get("action_reason").is_none();
    walk.holds(ENTITY, discreet, format!("everybody sees {public}"));

    let lodge = json!({ "moderation_id": id, "text": "It is the highest of Telemark." });
    let decide = json!({ "moderation_id": id, "outcome": "overturned", "reason": "It is one." });
    let appeal = walk.make(ola, "appeal-moderation", lodge.clone()).await;
    walk.go(Way {
        entity: ENTITY,
        made: &appeal,
        read: item(&walk.auditor.clone(), "/v1/moderation-log", id),
        shows: json!({ "community_platform_post_id": post.id, "performed_adminuser_id": admin.id,
                       "action_type": "delete", "action_reason": "Not a mountain.",
                       "appeal": { "outcome": Value::Null } }),
        forbidden: vec![
            (act(ola, "decide-appeal", decide.clone()), 403, "ROL-01"),
            (act(admin, "decide-appeal", decide.clone()), 403, "MOD-08"),
            (act(kari, "appeal-moderation", lodge), 403, "MOD-08"),
        ],
        change: act(judge, "decide-appeal", decide),
        then_shows: json!({ "action_type": "delete", "action_reason": "Not a mountain.",
                            "appeal": { "outcome": "overturned" } }),
        events: &["ModerationAppealLodged", "ModerationAppealDecided"],
        own_history: None,
    })
    .await;
    let back = object(kari, format!("/v1/posts/{}", post.id));
    let back = walk.read(&back, walk.head().await).await;
    walk.holds(ENTITY, back["deleted_at"] == Value::Null, format!("the post is {back}"));
}
