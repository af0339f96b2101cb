//! The configuration as admins and clients read it.

use agora_domain::{
    ids::ConfigurationId,
    site::configuration::{Configuration, ConfigurationEvent},
};
use agora_service::clock;
use serde_json::json;

use crate::world::{User, World};

async fn set(world: &World, admin: &User, key: &str, value: &str, previous: Option<&str>) -> u64 {
    let set = ConfigurationEvent::ConfigurationSet {
        id: ConfigurationId(clock::new_id()),
        key: key.parse().unwrap(),
        value: value.parse().unwrap(),
        description: None,
        previous: previous.map(|previous| previous.parse().unwrap()),
        set_by: admin.actor,
    };
    world.append::<Configuration>(admin.actor, key, vec![set]).await
}

#[tokio::test]
async fn cfg_05_cfg_06_every_value_that_a_key_had_is_shown_as_of_any_time_and_audited() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let member = world.member(None).await;
    let first = set(&world, &admin, "max_post_length", "500", None).await;
    set(&world, &admin, "max_post_length", "600", Some("500")).await;
    set(&world, &admin, "smtp.password", "hunter2", None).await;
    world.project().await;
    let history = "/v1/configuration/max_post_length/history";
    let told = world.get_as(&admin, history).await.ok();
    assert_eq!(told["state"]["entry"]["value"], "600");
    let values: Vec<_> = told["events"]["items"].as_array().unwrap().iter().collect();
    assert_eq!(values[0]["payload"]["ConfigurationSet"]["value"], "500");
    assert_eq!(values[1]["actor"], admin.actor.to_string());
    let then = world.get_as(&admin, &format!("{history}?as_of={first}")).await.ok();
    assert_eq!(then["state"]["entry"]["value"], "500");
    world.get_as(&member, history).await.problem(403);
    let audit = world.get_as(&admin, "/v1/audit-log?type=config_change").await.ok();
    let details: Vec<String> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event_detail"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(details.len(), 3);
    assert!(details.iter().any(|detail| detail.contains("600") && detail.contains("500")));
    assert!(details.iter().all(|detail| !detail.contains("hunter2")));
}

#[tokio::test]
async fn cfg_03_admins_list_all_and_everybody_what_clients_need() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let member = world.member(None).await;
    for (key, value) in [("theme", " { } "), ("max_post_length", "500"), ("a.b", "")] {
        set(&world, &admin, key, value, None).await;
    }
    world.project().await;
    let all: Vec<String> = {
        let mut keys = Vec::new();
        let mut path = "/v1/configuration?limit=2".to_owned();
        loop {
            let part = world.get_as(&admin, &path).await.ok();
            for entry in part["items"].as_array().unwrap() {
                keys.push(entry["key"].as_str().unwrap().to_owned());
            }
            match part["next"].as_str() {
                Some(next) => path = format!("/v1/configuration?limit=2&cursor={next}"),
                None => break keys,
            }
        }
    };
    assert_eq!(all, ["a.b", "max_post_length", "theme"]);
    assert_eq!(world.get_as(&admin, "/v1/configuration/theme").await.ok()["value"], " { } ");
    world.get_as(&admin, "/v1/configuration/nothing").await.problem(404);
    world.get_as(&admin, "/v1/configuration/No-Key").await.problem(400);
    world.get_as(&member, "/v1/configuration").await.problem(403);
    world.get("/v1/configuration").await.problem(401);
    let public = world.get("/v1/settings").await.ok();
    let of = |key: &str| {
        let items = public["items"].as_array().unwrap();
        items.iter().find(|item| item["key"] == key).map(|item| item["value"].clone())
    };
    assert_eq!(of("max_post_length"), Some(json!("500")));
    assert_eq!(of("enable_voting"), Some(json!("true")), "the default, where nothing is set");
    assert_eq!(of("max_concurrent_sessions"), None);
}
