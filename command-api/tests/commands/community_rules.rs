//! RUL: the rules of a community.

use serde_json::{Value, json};

use crate::common::{Settled, World, unknown_id};

fn set(community_id: &str, rules: &[&str]) -> Value {
    json!({ "community_id": community_id, "rules": rules })
}

#[tokio::test]
async fn rul_01_rul_02_rul_03_rul_07_at_most_ten_of_one_to_a_hundred_characters() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let texts: Vec<String> = (0..11).map(|number| format!("Rule {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let send =
        |rules: &[&str]| world.send(&owner, "set-community-rules", set(&community_id, rules));
    send(&texts).await.refused(422, "RUL-01");
    assert_eq!(send(&texts[..10]).await.events(), ["CommunityRulesSet"]);
    assert!(send(&texts[..10]).await.events().is_empty(), "the same list changes nothing");
    send(&["Be kind", "Be kind"]).await.refused(422, "RUL-02");
    let (fits, too_long) = ("å".repeat(100), "å".repeat(101));
    for wrong in ["", "   ", "two\nlines", too_long.as_str()] {
        let answer = send(&["Be kind", wrong]).await;
        assert_eq!(answer.wrong_fields(), [("/rules/1", Some("RUL-03"))], "{wrong:?}");
    }
    send(&[fits.as_str()]).await.accepted();
    assert_eq!(send(&[]).await.events(), ["CommunityRulesSet"]);
    world
        .send(&owner, "set-community-rules", json!({ "community_id": community_id }))
        .await
        .problem(400);
}

#[tokio::test]
async fn rul_04_com_07_only_the_owner_sets_them() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let other = world.member().await;
    let body = set(&community_id, &["Be kind"]);
    world.guest("set-community-rules", body.clone()).await.refused(401, "SES-13");
    world.send(&admin, "set-community-rules", body.clone()).await.refused(403, "COM-07");
    world.send(&other, "set-community-rules", body.clone()).await.refused(403, "RUL-04");
    world.send(&owner, "set-community-rules", body).await.accepted();
    let unknown = set(&unknown_id(), &["Be kind"]);
    world.send(&owner, "set-community-rules", unknown).await.refused(404, "REL-10");
}

#[tokio::test]
async fn rul_05_com_10_deleting_the_community_clears_them() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    world.send(&owner, "set-community-rules", set(&community_id, &["Be kind"])).await.accepted();
    let of_community = json!({ "community_id": community_id });
    let deleted = world.send(&owner, "delete-community", of_community).await;
    assert_eq!(deleted.events(), ["CommunityDeleted", "CommunityRulesCleared"]);
    let late = set(&community_id, &["Be kind"]);
    world.send(&owner, "set-community-rules", late).await.refused(404, "REL-10");
}
