//! An event that one projection cannot apply stops that one, alone.

use serde_json::{Value, json};

use crate::{
    scene::{Fact, Scene, fact},
    story::*,
};

/// Breaks `posts` by its data (a check of its table) and no other: a post without an author.
fn poison() -> Fact {
    let mut poison = post_created(50_000, id(COMMUNITY, 0), id(MEMBER, 0));
    poison.payload["PostCreated"]["author"] = json!({ "kind": "system", "id": uuid::Uuid::nil() });
    poison
}

async fn checkpoint(scene: &Scene, projection: &str) -> Value {
    scene.row(&format!("SELECT * FROM read.checkpoints WHERE projection = '{projection}'")).await
}

#[tokio::test]
async fn a_poison_event_stops_its_projection_before_it_and_the_others_go_on() {
    let mut scene = Scene::new().await;
    let told = tell(30, 500);
    scene.append(told[..250].to_vec()).await;
    scene.append([poison()]).await;
    scene.append(told[250..].to_vec()).await;
    let mut applier = scene.applier().await;
    for _ in 0..3 {
        let events = applier.read_log(200).await.unwrap();
        applier.apply(&events, agora_projectors::runner::applier::Origin::Log).await.unwrap();
    }
    assert_eq!((applier.position(), applier.stopped()), (501, 1));
    applier.flush().await.unwrap();
    drop(applier);

    let stopped = checkpoint(&scene, "posts").await;
    assert_eq!((&stopped["state"], &stopped["position"]), (&json!("stopped"), &json!(250)));
    assert_eq!(stopped["poison_position"], 251);
    assert!(stopped["error"].as_str().unwrap().contains("posts_one_author"), "{stopped}");
    assert_eq!(scene.served("posts").await, 250, "readers see what it has, and how old that is");
    for other in ["post_scores", "members", "audit_log"] {
        assert_eq!(scene.served(other).await, 501, "{other}");
    }
    let plain = Scene::new().await;
    crate::scene::write(&plain.db, &[]).await;
    let before = Scene::with_story(30, 250).await;
    before.project().await;
    let posts =
        |scene: Vec<(&'static str, _)>| scene.into_iter().find(|(name, _)| *name == "posts");
    assert_eq!(posts(scene.content().await), posts(before.content().await));
}

#[tokio::test]
async fn a_restart_tries_again_and_a_mended_projection_catches_up() {
    let mut scene = Scene::new().await;
    let told = tell(31, 600);
    scene.append(told[..300].to_vec()).await;
    scene.append([poison()]).await;
    scene.append(told[300..].to_vec()).await;
    scene.project().await;
    scene.project().await;
    assert_eq!(checkpoint(&scene, "posts").await["state"], "stopped", "it is still poison");
    // Mended: the table now takes what the event says.
    sqlx::query("ALTER TABLE read.posts DROP CONSTRAINT posts_one_author")
        .execute(&scene.db.pool)
        .await
        .unwrap();
    scene.project().await;
    let mended = checkpoint(&scene, "posts").await;
    assert_eq!((&mended["state"], &mended["poison_position"]), (&json!("running"), &Value::Null));
    assert_eq!(scene.served("posts").await, 601);
    let rebuilt = agora_projectors::rebuild::run(
        &scene.connect(),
        &[agora_projectors::projections::find("posts").unwrap()],
        true,
        &indicatif::ProgressBar::hidden(),
    )
    .await
    .unwrap();
    assert!(rebuilt[0].result.is_ok(), "{:?}", rebuilt[0].result);
}

#[tokio::test]
async fn a_payload_of_another_shape_is_poison_too() {
    let mut scene = Scene::new().await;
    scene.append([member_registered(0)]).await;
    scene.append([fact("session", id(SESSION, 0), "SessionIssued", json!({ "odd": true }))]).await;
    scene.append([member_registered(1)]).await;
    scene.project().await;
    let stopped = checkpoint(&scene, "sessions").await;
    assert_eq!((&stopped["position"], &stopped["poison_position"]), (&json!(1), &json!(2)));
    assert_eq!(scene.served("members").await, 3);
}

#[tokio::test]
async fn unknown_event_types_are_passed_over() {
    let mut scene = Scene::new().await;
    scene.append([fact("gadget", "x", "GadgetMade", json!({ "a": [1, 2] }))]).await;
    scene.append([member_registered(0)]).await;
    scene.project_in(1).await;
    for projection in agora_projectors::projections::ALL {
        assert_eq!(scene.served(projection.name).await, 2, "{}", projection.name);
    }
}

#[tokio::test]
async fn rows_of_another_version_are_left_alone_until_they_are_rebuilt() {
    let mut scene = Scene::with_story(32, 150).await;
    scene.project().await;
    sqlx::query("UPDATE read.checkpoints SET version = 0 WHERE projection = 'members'")
        .execute(&scene.db.pool)
        .await
        .unwrap();
    scene.append([member_registered(77)]).await;
    scene.project().await;
    let stopped = checkpoint(&scene, "members").await;
    assert_eq!(stopped["state"], "stopped");
    assert!(stopped["error"].as_str().unwrap().contains("projectors rebuild members"));
    assert_eq!((scene.served("members").await, scene.served("posts").await), (150, 151));
    let chosen = [agora_projectors::projections::find("members").unwrap()];
    let bar = indicatif::ProgressBar::hidden();
    let rebuilt =
        agora_projectors::rebuild::run(&scene.connect(), &chosen, false, &bar).await.unwrap();
    assert_eq!(rebuilt[0].result.as_ref().unwrap().position, 151);
    assert_eq!(scene.served("members").await, 151);
}

#[tokio::test]
async fn rows_of_another_version_are_taken_up_when_the_build_that_made_them_is_back() {
    let mut scene = Scene::with_story(32, 150).await;
    scene.project().await;
    let set_version =
        "UPDATE read.checkpoints SET version = version + $1 WHERE projection = 'members'";
    sqlx::query(set_version).bind(-1).execute(&scene.db.pool).await.unwrap();
    scene.append([member_registered(77)]).await;
    scene.project().await;
    assert_eq!(checkpoint(&scene, "members").await["state"], "stopped");
    sqlx::query(set_version).bind(1).execute(&scene.db.pool).await.unwrap();
    // A rebuild may be another build's: it takes up nothing that it does not rebuild.
    let chosen = [agora_projectors::projections::find("posts").unwrap()];
    let bar = indicatif::ProgressBar::hidden();
    agora_projectors::rebuild::run(&scene.connect(), &chosen, false, &bar).await.unwrap();
    assert_eq!(checkpoint(&scene, "members").await["state"], "stopped");
    scene.append([member_registered(78)]).await;
    scene.project().await;
    let resumed = checkpoint(&scene, "members").await;
    assert_eq!(
        (&resumed["state"], &resumed["error"]),
        (&"running".into(), &serde_json::Value::Null)
    );
    assert_eq!(scene.served("members").await, 152);
}
