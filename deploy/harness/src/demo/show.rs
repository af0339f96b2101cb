//! What a client sees at the end: feeds with scores, and where a member was last.
#![expect(clippy::print_stdout, reason = "what the demo is for")]

use serde_json::Value;

use super::Community;
use crate::{
    agora::{AgoraError, Reads, Session},
    scene::Stack,
};

/// Characters of a title on one line.
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
            println!("    {:>6}  {}", post["score"], short(post["title"].as_str()));
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

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}

fn short(title: Option<&str>) -> String {
    let title = title.unwrap_or("(erased)");
    if title.chars().count() <= TITLE {
        return title.to_owned();
    }
    title.chars().take(TITLE - 1).chain(['…']).collect()
}
