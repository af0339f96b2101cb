//! The rules of communities, and those that they have had.

use agora_domain::{
    community::{
        community::{Community, CommunityEvent},
        community_rules::{CommunityRule, CommunityRules, CommunityRulesEvent},
    },
    ids::{CommunityId, CommunityRuleId},
};
use agora_service::clock;
use serde_json::{Value, json};

use crate::{
    public::walk,
    world::{User, World},
};

const HISTORY: &str = "/v1/communities/rustaceans/rules/history";

fn rule(text: &str) -> CommunityRule {
    let id = CommunityRuleId(clock::new_id());
    CommunityRule { id, rule_text: text.parse().unwrap(), created_at: clock::now() }
}

impl World {
    async fn set_rules(&self, by: &User, community_id: CommunityId, rules: &[CommunityRule]) {
        let (set_by, rules) = (by.actor, rules.to_vec());
        let set = CommunityRulesEvent::CommunityRulesSet { community_id, set_by, rules };
        self.append::<CommunityRules>(by.actor, community_id, vec![set]).await;
    }

    async fn clear_rules(&self, by: &User, community_id: CommunityId) {
        let cleared_by = by.actor;
        let cleared = CommunityRulesEvent::CommunityRulesCleared { community_id, cleared_by };
        self.append::<CommunityRules>(by.actor, community_id, vec![cleared]).await;
    }
}

fn texts(set: &Value) -> Vec<&str> {
    let rules = set["rules"].as_array().unwrap();
    rules.iter().map(|rule| rule["rule_text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rul_06_everybody_reads_the_rules_that_a_community_has_had() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let another = world.community_of(&owner, "another-one").await;
    world.project().await;
    assert_eq!(world.get(HISTORY).await.ok(), json!({ "items": [], "next": null }));
    let (kind, topic, spam) = (rule("Be kind."), rule("Stay on topic."), rule("No spam."));
    world.set_rules(&owner, community, &[kind.clone(), topic.clone()]).await;
    world.set_rules(&owner, another, &[rule("Elsewhere.")]).await;
    world.set_rules(&owner, community, &[spam.clone(), kind.clone()]).await;
    world.set_rules(&owner, community, &[]).await;
    assert_eq!(world.get(HISTORY).await.ok()["items"], json!([]), "not ahead of its position");
    let position = world.project().await;

    let reply = world.get(&format!("{HISTORY}?min_position={position}")).await;
    let list = reply.ok();
    assert_eq!(reply.position(), position);
    assert!(!reply.body.contains(&owner.id().to_string()), "who set them is not said");
    let sets = list["items"].as_array().unwrap();
    let shown: Vec<_> = sets.iter().map(texts).collect();
    assert_eq!(shown, [vec![], vec!["No spam.", "Be kind."], vec!["Be kind.", "Stay on topic."]]);
    let (newer, older) = (&sets[1], &sets[2]);
    assert_eq!((&newer["sequence"], &older["sequence"]), (&json!(2), &json!(1)));
    assert_eq!(newer["community_id"], community.to_string());
    assert!(newer["set_at"].as_str().unwrap() > older["set_at"].as_str().unwrap());
    assert_eq!(newer["rules"][1]["id"], older["rules"][0]["id"], "the same rule in another place");
    assert_eq!(newer["rules"][1]["rule_index"], 2);
    assert_eq!(newer["rules"][1]["created_at"], older["rules"][0]["created_at"]);

    // The name has one list, however it is written.
    assert_eq!(walk(&world, "/v1/communities/RUSTACEANS/rules/history", 1).await, *sets);
    let next = world.get(&format!("{HISTORY}?limit=1")).await.ok();
    let next = next["next"].as_str().unwrap();
    let elsewhere = format!("/v1/communities/another-one/rules/history?limit=1&cursor={next}");
    world.get(&elsewhere).await.problem(400);
    world.get("/v1/communities/no-such-one/rules/history").await.problem(404);
}

#[tokio::test]
async fn rul_05_a_deleted_community_has_no_rules_nor_a_history_of_them() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let community = world.community_of(&owner, "rustaceans").await;
    world.set_rules(&owner, community, &[rule("Be kind.")]).await;
    world.delete_community(&owner, community).await;
    world.clear_rules(&owner, community).await;
    world.project().await;
    for path in ["/v1/communities/rustaceans/rules", HISTORY] {
        world.get(path).await.problem(404);
        world.get_as(&owner, path).await.problem(404);
    }
    let restored = CommunityEvent::CommunityRestored { restored_by: owner.actor };
    world.append::<Community>(owner.actor, community, vec![restored]).await;
    world.project().await;
    let list = world.get(HISTORY).await.ok();
    let shown: Vec<_> = list["items"].as_array().unwrap().iter().map(texts).collect();
    assert_eq!(shown, [vec![], vec!["Be kind."]]);
    assert_eq!(world.get("/v1/communities/rustaceans/rules").await.ok()["items"], json!([]));
}
