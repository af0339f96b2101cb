//! What a client sees at the end: feeds with scores, where a member was last, a thread of comments.
#![expect(clippy::print_stdout, reason = "what the demo is for")]

use serde_json::Value;

use super::{Community, commenting::Thread};
use crate::{
    agora::{AgoraError, Reads, Session},
    scene::Stack,
};

/// Characters of a text on one line.
const TITLE: usize = 60;

pub(super) async fn what_clients_see(
    stack: &Stack,
    communities: &[Community],
    member: &Session,
    position: u64,
) -> Result<(), AgoraError> {
    let mut reads = Reads::new(&stack.read_addr);
    println!("\nThe top of each community, from the read API:");
    for community in communities {
        let path = format!(
            "/v1/communities/{}/posts?sort=top&limit=3&min_position={position}&wait_ms=10000",
            community.name
        );
        println!("  {}", community.name);
        for post in items(&reads.json(&path).await?) {
            println!("    {:>6}  {}", post["score"].to_string(), short(post["title"].as_str()));
        }
    }
    reads.act_as(member);
    println!("\nOne member's recent communities:");
    let path = format!("/v1/me/recent-communities?min_position={position}");
    for recent in items(&reads.json(&path).await?) {
        let name = recent["community_name"].as_str().unwrap_or_default();
        println!("    {}. {name}", recent["recent_rank"]);
    }
    println!("The newest of this member's feed:");
    let path = format!("/v1/me/feed?limit=3&min_position={position}");
    for post in items(&reads.json(&path).await?) {
        let name = post["community_name"].as_str().unwrap_or_default();
        println!("    {name:<16} {}", short(post["title"].as_str()));
    }
    Ok(())
}

/// The beginning of the longest thread, as a client lays it out.
pub(super) async fn conversation(
    stack: &Stack,
    threads: &[Thread],
    position: u64,
) -> Result<(), AgoraError> {
    let Some(thread) = threads.iter().max_by_key(|thread| thread.comments.len()) else {
        return Ok(());
    };
    let mut reads = Reads::new(&stack.read_addr);
    let path = format!("/v1/posts/{}?min_position={position}&wait_ms=10000", thread.post);
    let post = reads.json(&path).await?;
    println!("\nThe first of {} comments on one post:", post["comment_count"]);
    println!("    {}", short(post["title"].as_str()));
    let path = format!("/v1/posts/{}/comments/all?limit=6&min_position={position}", thread.post);
    for comment in items(&reads.json(&path).await?) {
        let indent = 4 + 2 * comment["depth"].as_u64().unwrap_or_default() as usize;
        let name = comment["display_name"].as_str().unwrap_or_default();
        let body = comment["body"].as_str().map(|body| body.replace('\n', " "));
        println!("{:indent$}{name}: {}", "", short(body.as_deref()));
    }
    Ok(())
}

pub(super) fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}

pub(super) fn short(title: Option<&str>) -> String {
    let title = title.unwrap_or("(erased)");
    if title.chars().count() <= TITLE {
        return title.to_owned();
    }
    title.chars().take(TITLE - 1).chain(['…']).collect()
}
