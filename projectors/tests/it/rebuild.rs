//! Rebuilding: the same rows, whatever happens around it.

use agora_projectors::{
    projections,
    rebuild::{self, Difference, RebuildError, verify::Kind},
};
use indicatif::ProgressBar;
use serde_json::json;

use crate::{
    scene::{Broker, Scene, fact},
    story::*,
};

async fn rebuild_all(scene: &Scene, verify: bool) -> Vec<rebuild::Rebuilt> {
    rebuild::run(&scene.connect(), projections::ALL, verify, &ProgressBar::hidden())
        .await
        .expect("the database is there")
}

#[tokio::test]
async fn esx_01_aud_07_a_rebuild_of_everything_is_equal_to_what_was_live() {
    let scene = Scene::with_story(11, 900).await;
    scene.project_in(50).await;
    let before = scene.content().await;
    for rebuilt in rebuild_all(&scene, true).await {
        let swapped = rebuilt.result.unwrap();
        assert_eq!((swapped.position, swapped.generation), (900, 2), "{}", rebuilt.name);
        assert!(swapped.verified_rows.unwrap() > 0);
    }
    assert_eq!(scene.content().await, before);
    let left = scene
        .rows("SELECT relname FROM pg_class WHERE relnamespace = 'read_build'::regnamespace")
        .await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_rebuild_keeps_the_names_of_indexes_keys_and_storage_and_the_rights() {
    let mut scene = Scene::with_story(12, 300).await;
    // Partitions are made for the months that there are rows of.
    scene.project().await;
    let catalogue = "
        SELECT c.relname, c.relkind::text, c.reloptions, c.relacl::text,
            (SELECT array_agg(a.attname || a.attstorage::text || a.attnotnull::text ORDER BY a.attnum)
             FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
            (SELECT array_agg(k.conname || pg_get_constraintdef(k.oid) ORDER BY k.conname)
             FROM pg_constraint k WHERE k.conrelid = c.oid),
            CASE WHEN c.relkind = 'i' THEN pg_get_indexdef(c.oid) END AS definition
        FROM pg_class c WHERE c.relnamespace = 'read'::regnamespace ORDER BY 1";
    // Rights are written in the order in which they were granted.
    let sorted = |rows: Vec<serde_json::Value>| -> Vec<String> {
        rows.iter()
            .map(|row| {
                let mut row = row.clone();
                if let Some(rights) = row["relacl"].as_str() {
                    let mut rights: Vec<_> = rights.trim_matches(['{', '}']).split(',').collect();
                    rights.sort_unstable();
                    row["relacl"] = json!(rights);
                }
                row.to_string()
            })
            .collect()
    };
    let before = sorted(scene.rows(catalogue).await);
    for _ in 0..2 {
        for rebuilt in rebuild_all(&scene, false).await {
            rebuilt.result.unwrap();
        }
    }
    assert_eq!(sorted(scene.rows(catalogue).await), before);
    scene.append([member_registered(999)]).await;
    scene.project().await;
}

#[tokio::test]
async fn a_rebuild_builds_what_no_projector_ever_did() {
    let scene = Scene::with_story(13, 400).await;
    for rebuilt in rebuild_all(&scene, false).await {
        assert_eq!(rebuilt.result.unwrap().position, 400);
    }
    let rebuilt = scene.content().await;
    assert_eq!(scene.served("posts").await, 400);
    scene.project().await;
    assert_eq!(scene.content().await, rebuilt, "what is there already is not applied again");
}

#[tokio::test]
async fn verify_reports_every_differing_row_and_leaves_the_live_tables() {
    let mut scene = Scene::new().await;
    scene.append((0..4).map(|n| post_created(n, id(COMMUNITY, 0), id(MEMBER, 0)))).await;
    scene.project().await;
    for tampered in [
        format!("UPDATE read.post_scores SET score = 7 WHERE post_id = '{}'", id(POST, 1)),
        format!("DELETE FROM read.post_scores WHERE post_id = '{}'", id(POST, 2)),
        "INSERT INTO read.post_scores (post_id, score, upvotes, downvotes, updated_at)
         VALUES (gen_random_uuid(), 0, 0, 0, now())"
            .into(),
    ] {
        sqlx::query(&tampered).execute(&scene.db.pool).await.unwrap();
    }
    let live = scene.content().await;
    let chosen = [projections::find("post_scores").unwrap()];
    let mut rebuilt =
        rebuild::run(&scene.connect(), &chosen, true, &ProgressBar::hidden()).await.unwrap();
    let Err(RebuildError::Differs(differences)) = rebuilt.remove(0).result else {
        panic!("the tables differ");
    };
    assert_eq!(differences.len(), 3, "{differences:?}");
    let has = |key: &str, kind: Kind| {
        differences.contains(&Difference { table: "post_scores", key: key.to_owned(), kind })
    };
    assert!(has(&id(POST, 1).to_string(), Kind::Columns(vec!["score".to_owned()])));
    assert!(has(&id(POST, 2).to_string(), Kind::OnlyRebuilt));
    assert!(differences.iter().any(|difference| difference.kind == Kind::OnlyLive));
    assert_eq!(scene.content().await, live);
}

#[tokio::test]
async fn a_crashed_rebuild_leaves_the_live_tables_and_a_rerun_cleans_up() {
    let scene = Scene::with_story(14, 300).await;
    scene.project().await;
    let before = scene.content().await;
    // What a crash leaves: tables in the making, some rows in them.
    let mut connection = scene.connection().await;
    sqlx::query("SELECT read.begin_rebuild('post_scores')").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO read_build.post_scores SELECT * FROM read.post_scores")
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(scene.content().await, before);
    for rebuilt in rebuild_all(&scene, true).await {
        rebuilt.result.unwrap();
    }
    assert_eq!(scene.content().await, before);
}

#[tokio::test]
async fn two_rebuilds_of_one_projection_do_not_meet() {
    let scene = Scene::with_story(15, 100).await;
    let mut other = scene.connection().await;
    sqlx::query("SELECT pg_advisory_lock(418347, hashtext('posts'))")
        .execute(&mut other)
        .await
        .unwrap();
    let results = rebuild_all(&scene, false).await;
    for rebuilt in results {
        if rebuilt.name == "posts" {
            assert!(matches!(rebuilt.result, Err(RebuildError::Busy)));
        } else {
            rebuilt.result.unwrap();
        }
    }
}

#[tokio::test]
async fn esx_01_rebuilds_while_projectors_run_and_the_log_grows() {
    let mut scene = Scene::new().await;
    let facts = tell(16, 4_000);
    let broker = Broker::new().await;
    let running = broker.start(scene.connect());
    let (connect, stop) = (scene.connect(), tokio_util::sync::CancellationToken::new());
    let rebuilding = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut rounds = 0;
            while !stop.is_cancelled() {
                let chosen = projections::ALL;
                let rebuilt =
                    rebuild::run(&connect, chosen, true, &ProgressBar::hidden()).await.unwrap();
                for one in rebuilt {
                    one.result.unwrap_or_else(|error| panic!("{}: {error}", one.name));
                }
                rounds += 1;
            }
            rounds
        }
    });
    let epoch = scene.epoch().await;
    for chunk in facts.chunks(20) {
        let events = scene.append(chunk.to_vec()).await;
        broker.publish(&events, epoch).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    stop.cancel();
    assert!(rebuilding.await.unwrap() > 0);
    agora_event_store::testing::eventually("everything is projected", async || {
        scene.served("posts").await == 4_000
    })
    .await;
    running.stop().await;
    let other = Scene::with_story(16, 4_000).await;
    other.project().await;
    assert_eq!(scene.content().await, other.content().await);
}

#[tokio::test]
async fn a_poison_event_fails_only_the_rebuild_of_its_projection() {
    let mut scene = Scene::with_story(17, 100).await;
    scene.append([fact("post", "no-uuid", "PostCreated", json!({ "post_id": 1 }))]).await;
    for rebuilt in rebuild_all(&scene, false).await {
        let poisoned = ["post_scores", "post_search", "posts"].contains(&rebuilt.name);
        assert_eq!(matches!(rebuilt.result, Err(RebuildError::Apply(_))), poisoned);
        assert_eq!(rebuilt.result.is_ok(), !poisoned, "{}", rebuilt.name);
    }
}

#[tokio::test]
async fn a_table_that_a_crash_of_postgres_would_empty_is_not_swapped_in() {
    let scene = Scene::with_story(18, 200).await;
    scene.project().await;
    let mut connection = scene.connection().await;
    let call = |function: &str| format!("SELECT read.{function}");
    for (function, refused) in [
        ("begin_rebuild('posts')", false),
        ("swap_rebuild('posts', 1, 1, 200)", true),
        ("index_rebuild('posts')", false),
        ("swap_rebuild('posts', 1, 1, 199)", true),
        ("swap_rebuild('posts', 2, 1, 200)", true),
        ("swap_rebuild('posts', 1, 1, 200)", false),
    ] {
        let called = sqlx::query(&call(function)).execute(&mut connection).await;
        assert_eq!(called.is_err(), refused, "{function}: {called:?}");
    }
    let kinds = scene
        .rows(
            "SELECT DISTINCT relpersistence::text AS kind FROM pg_class
               WHERE relnamespace = 'read'::regnamespace",
        )
        .await;
    assert_eq!(kinds, [json!({ "kind": "p" })]);
}
