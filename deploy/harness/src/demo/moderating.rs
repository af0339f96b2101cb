//! An admin removes a post, everybody sees that and its author why; the author appeals, and another
//! admin puts it back.
#![expect(clippy::print_stdout, reason = "what the demo is for")]

use serde_json::{Value, json};

use super::{Community, Posted, show};
use crate::{
    agora::{AgoraError, Commands, Reads, Session},
    scene::{self, Stack},
};

/// The field of an entry that names its post.
const POST: &str = "community_platform_post_id";
const REASON: &str = "Off topic here: see the rules of the community.";
const APPEAL: &str = "It is what this community is about.";
const DECISION: &str = "On topic after all.";

pub(super) struct Moderation<'d> {
    pub(super) stack: &'d Stack,
    pub(super) admin: Commands,
    pub(super) run: &'d str,
    pub(super) communities: &'d [Community],
}

impl Moderation<'_> {
    /// Says what is not as it must be.
    pub(super) async fn show(
        mut self,
        posts: &[Posted],
        members: &[Session],
    ) -> Result<Vec<String>, AgoraError> {
        let least_liked = |post: &&Posted| post.ups as i64 - post.downs as i64;
        let Some(post) = posts.iter().min_by_key(least_liked) else { return Ok(Vec::new()) };
        let (author, community) = (&members[post.author], &self.communities[post.community].name);
        let mut commands = Commands::new(&self.stack.command_addr);
        let mut everybody = Reads::new(&self.stack.read_addr);
        let mut own = Reads::new(&self.stack.read_addr);
        own.act_as(author);
        let id = json!(post.id);
        let mut failed = Vec::new();
        let mut holds = |holds: bool, what: &str| {
            if !holds {
                failed.push(format!("moderation of post {}: {what}", post.id));
            }
        };

        println!("\nThe least liked post of all, in {community}:");
        let path = format!("/v1/posts/{}", post.id);
        let shown = everybody.json(&path).await?;
        println!("    {:>6}  {}", shown["score"].to_string(), show::short(shown["title"].as_str()));
        let remove = json!({ "post_id": post.id, "reason": REASON });
        let removed = self.admin.send("delete-post", &remove).await?.position;
        let log = format!("/v1/communities/{community}/moderation-log");
        let entry = entry_where(&everybody.json(&at(&log, removed)).await?, POST, &id);
        println!("  An admin removes it. The moderation log, for everybody:");
        println!("    {} of a post at {}", text(&entry, "action_type"), text(&entry, "created_at"));
        holds(entry["action_type"] == "delete", "it is not in the moderation log");
        holds(entry.get("action_reason").is_none(), "everybody reads the reason");
        let hidden = everybody.json(&at(&path, removed)).await;
        let hidden = matches!(hidden, Err(AgoraError::Refused { status: 404, .. }));
        holds(hidden, "everybody still reads it");

        let notices = "/v1/me/moderation-notices?limit=100";
        let notice = entry_where(&own.json(&at(notices, removed)).await?, POST, &id);
        println!("  Its author is told why: {}", text(&notice, "action_reason"));
        holds(notice["action_reason"] == REASON, "its author does not read the reason");

        let moderation_id = notice["id"].clone();
        commands.act_as(author);
        let appeal = json!({ "moderation_id": moderation_id, "text": APPEAL });
        commands.send("appeal-moderation", &appeal).await?;
        println!("  The author appeals: {APPEAL}");

        let decided = self.decide(&moderation_id).await?;
        let notice = entry_where(&own.json(&at(notices, decided)).await?, "id", &moderation_id);
        let appeal = &notice["appeal"];
        println!(
            "  Another admin decides: {}. {}",
            text(appeal, "outcome"),
            text(appeal, "decision_reason")
        );
        holds(appeal["outcome"] == "overturned", "the author does not read the decision");
        let back = everybody.json(&at(&path, decided)).await?;
        println!("    {:>6}  {}", back["score"].to_string(), show::short(back["title"].as_str()));
        let same = back["title"] == shown["title"] && back["score"] == shown["score"];
        holds(same && back["deleted_at"].is_null(), "it does not come back as it was");
        Ok(failed)
    }

    /// By an admin of this run, who is retired then: nobody decides about what they did themselves.
    async fn decide(&mut self, moderation_id: &Value) -> Result<u64, AgoraError> {
        // Nobody is to log in as this one later: unlike a member's, its password cannot be told from
        // the run.
        let email = format!("second-admin-{}@example.org", self.run);
        let password = scene::random_hex(16);
        let body = json!({ "email": email, "password": password, "display_name": "Second admin" });
        self.admin.send("create-admin", &body).await?;
        let mut second = Commands::new(&self.stack.command_addr);
        let session = second.log_in(&email, &password).await?;
        let decide = json!({
            "moderation_id": moderation_id, "outcome": "overturned", "reason": DECISION,
        });
        let decided = second.send("decide-appeal", &decide).await?;
        self.admin.send("retire-admin", &json!({ "admin_id": session.id })).await?;
        Ok(decided.position)
    }
}

fn at(path: &str, position: u64) -> String {
    let join = if path.contains('?') { '&' } else { '?' };
    format!("{path}{join}min_position={position}&wait_ms=10000")
}

/// The newest entry in which a field says this; null where there is none.
fn entry_where(list: &Value, field: &str, says: &Value) -> Value {
    let mut items = list["items"].as_array().into_iter().flatten();
    items.find(|item| item[field] == *says).cloned().unwrap_or_default()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("(nothing)")
}
