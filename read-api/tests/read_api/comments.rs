//! Comments as everybody reads them.

use agora_domain::content::vote::VoteState;
use serde_json::{Value, json};

use crate::{public::walk, world::World};

fn ids(comments: &[Value]) -> Vec<String> {
    comments.iter().map(|comment| comment["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn cmt_11_threads_and_replies_come_in_parts_in_three_orders() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let post = world.post(&owner, community, "A post of the past").await;
    let mut threads = Vec::new();
    for number in 0..5 {
        threads.push(world.comment(&owner, post, None, &format!("Comment {number}")).await);
    }
    for number in 0..3 {
        let parent = Some((threads[0], 0));
        world.comment(&owner, post, parent, &format!("Reply {number}")).await;
    }
    for (comment, state) in [(threads[3], VoteState::Upvote), (threads[1], VoteState::Downvote)] {
        let voter = world.member(None).await;
        world.vote_on_comment(&voter, comment, state).await;
    }
    world.vote_on_comment(&owner, threads[2], VoteState::None).await;
    world.project().await;
    let votes = world.get_as(&owner, "/v1/me/comment-votes").await.ok();
    assert_eq!(votes["items"].as_array().unwrap().len(), 1);
    assert_eq!(votes["items"][0]["vote_type"], "none");
    let expected: Vec<String> = threads.iter().map(ToString::to_string).collect();
    let path = format!("/v1/posts/{post}/comments");
    let old = walk(&world, &format!("{path}?sort=old"), 2).await;
    assert_eq!(ids(&old), expected);
    assert_eq!((&old[0]["reply_count"], &old[0]["depth"]), (&json!(3), &json!(0)));
    assert_eq!((&old[0]["body"], &old[0]["display_name"]), (&json!("Comment 0"), &json!("Kari")));
    let mut new = ids(&walk(&world, &format!("{path}?sort=new"), 2).await);
    new.reverse();
    assert_eq!(new, expected);
    let top = walk(&world, &path, 2).await;
    let scores: Vec<_> = top.iter().map(|comment| comment["score"].as_i64().unwrap()).collect();
    assert_eq!(scores, [1, 0, 0, 0, -1]);
    let replies = walk(&world, &format!("/v1/comments/{}/replies?sort=old", threads[0]), 2).await;
    let texts: Vec<_> = replies.iter().map(|reply| reply["body"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Reply 0", "Reply 1", "Reply 2"]);
    assert!(replies.iter().all(|reply| reply["depth"] == 1));
    let all = walk(&world, &format!("{path}/all"), 3).await;
    assert_eq!(all.len(), 8);
    let shown = world.get(&format!("/v1/posts/{post}")).await.ok();
    assert_eq!(shown["comment_count"], 8);
    world.get(&format!("{path}?sort=hottest")).await.problem(400);
    world.get(&format!("{path}?cursor=AAAA")).await.problem(400);
}

#[tokio::test]
async fn cmt_07_a_deleted_comment_is_a_placeholder_that_only_its_author_reads() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let post = world.post(&owner, community, "A post of the past").await;
    let comment = world.comment(&owner, post, None, "Said too much").await;
    world.comment(&owner, post, Some((comment, 0)), "An answer").await;
    world.delete_comment(&owner, comment).await;
    world.project().await;
    let path = format!("/v1/comments/{comment}");
    let placeholder = world.get(&path).await.ok();
    for hidden in ["body", "display_name", "author_memberuser_id", "author_adminuser_id"] {
        assert_eq!(placeholder[hidden], Value::Null, "{hidden}");
    }
    assert!(placeholder["deleted_at"].is_string());
    assert_eq!((&placeholder["reply_count"], &placeholder["erased"]), (&json!(1), &json!(false)));
    let history = format!("{path}/history");
    let told = world.get_as(&owner, &history).await.ok();
    assert_eq!(told["events"]["items"].as_array().unwrap().len(), 2);
    let other = world.member(None).await;
    assert_eq!(world.get_as(&other, &history).await.problem(403)["rule"], "CMT-10");
    let own = world.get_as(&owner, &path).await.ok();
    assert_eq!(own["body"], "Said too much");
    let threads = world.get(&format!("/v1/posts/{post}/comments")).await.ok();
    assert_eq!(ids(threads["items"].as_array().unwrap()), [comment.to_string()]);
    assert_eq!(threads["items"][0]["body"], Value::Null);
    assert_eq!(world.get(&format!("/v1/posts/{post}")).await.ok()["comment_count"], 1);
    world.delete_post(&owner, post).await;
    world.project().await;
    for gone in [
        path.clone(),
        format!("{path}/replies"),
        format!("/v1/posts/{post}/comments"),
        format!("/v1/posts/{post}/comments/all"),
    ] {
        world.get(&gone).await.problem(404);
    }
}
