//! Several processes, and processes that die.

use std::time::Duration;

use agora_event_store::testing::eventually;
use agora_projectors::runner::{
    Phase,
    applier::{Origin, Outcome},
};

use crate::{
    scene::{Broker, Scene},
    story::*,
};

#[tokio::test]
async fn two_appliers_at_once_apply_every_batch_once() {
    let scene = Scene::with_story(50, 800).await;
    let mut appliers = [scene.applier().await, scene.applier().await];
    let (mut applied, mut moved) = (0, 0);
    while applied < 800 {
        for applier in &mut appliers {
            let events = applier.read_log(10).await.unwrap();
            match applier.apply(&events, Origin::Log).await.unwrap() {
                Outcome::Applied => applied += events.len(),
                Outcome::Moved => {
                    moved += 1;
                    applier.reload().await.unwrap();
                }
                Outcome::Differs => panic!("nothing came by a broker"),
            }
        }
    }
    assert_eq!(applied, 800);
    assert!(moved > 0, "they did meet");
    let plain = Scene::with_story(50, 800).await;
    plain.project().await;
    assert_eq!(scene.content().await, plain.content().await);
}

#[tokio::test]
async fn two_appliers_that_race_on_one_batch_apply_it_once() {
    let scene = Scene::with_story(51, 300).await;
    let (mut first, mut second) = (scene.applier().await, scene.applier().await);
    let events = first.read_log(300).await.unwrap();
    let (one, other) =
        tokio::join!(first.apply(&events, Origin::Log), second.apply(&events, Origin::Log));
    let mut outcomes = [one.unwrap(), other.unwrap()];
    outcomes.sort_by_key(|outcome| *outcome == Outcome::Moved);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Moved]);
    let plain = Scene::with_story(51, 300).await;
    plain.project().await;
    assert_eq!(scene.content().await, plain.content().await);
}

#[tokio::test]
async fn a_standby_takes_over_within_two_seconds() {
    let mut scene = Scene::new().await;
    let (broker, epoch) = (Broker::new().await, scene.epoch().await);
    let told = tell(52, 400);
    let leader = broker.start(scene.connect());
    let mut phase = leader.runner.phase();
    phase.wait_for(|phase| matches!(phase, Phase::Leading { .. })).await.unwrap();
    let standby = broker.start(scene.connect());
    let mut waiting = standby.runner.phase();
    waiting.wait_for(|phase| *phase == Phase::Standby).await.unwrap();

    let events = scene.append(told[..200].to_vec()).await;
    broker.publish(&events, epoch).await;
    // Dies without a word.
    leader.task.abort();
    let began = tokio::time::Instant::now();
    waiting.wait_for(|phase| matches!(phase, Phase::Leading { .. })).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    let events = scene.append(told[200..].to_vec()).await;
    broker.publish(&events, epoch).await;
    eventually("everything is projected", async || scene.served("posts").await == 400).await;
    standby.stop().await;
    let plain = Scene::with_story(52, 400).await;
    plain.project().await;
    assert_eq!(scene.content().await, plain.content().await);
}

#[tokio::test]
async fn a_batch_that_dies_in_the_middle_leaves_no_trace() {
    let scene = Scene::with_story(53, 400).await;
    // A lock on a table late in the batch holds it up until it is killed there.
    let mut blocker = scene.db.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE read.sessions IN EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
    let mut applier = scene.applier().await;
    let events = applier.read_log(400).await.unwrap();
    let applying = tokio::spawn(async move { applier.apply(&events, Origin::Log).await });
    eventually("the batch waits for the lock", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&scene.db.pool)
        .await
        .unwrap();
        waiting > 0
    })
    .await;
    applying.abort();
    let killed = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    killed.execute(&scene.db.pool).await.unwrap();
    blocker.rollback().await.unwrap();
    assert_eq!(scene.served("posts").await, 0);
    assert!(scene.rows("SELECT * FROM members").await.is_empty());
    scene.project().await;
    let plain = Scene::with_story(53, 400).await;
    plain.project().await;
    assert_eq!(scene.content().await, plain.content().await);
}

#[tokio::test]
async fn a_lost_database_connection_is_made_again() {
    let mut scene = Scene::new().await;
    let broker = Broker::new().await;
    let running = broker.start(scene.connect());
    let told = tell(54, 500);
    for chunk in told.chunks(100) {
        scene.append(chunk.to_vec()).await;
        // As a restart of Postgres does.
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'agora-projectors'",
        )
        .execute(&scene.db.pool)
        .await
        .unwrap();
        let head = i64::try_from(scene.head()).unwrap();
        eventually("projected", async || scene.served("posts").await == head).await;
    }
    running.stop().await;
    let plain = Scene::with_story(54, 500).await;
    plain.project().await;
    assert_eq!(scene.content().await, plain.content().await);
}

#[tokio::test]
async fn what_the_log_has_lost_stops_every_projection_until_it_is_rebuilt() {
    let scene = Scene::with_story(55, 300).await;
    scene.project().await;
    // The log alone is put back to an older state, the read tables are not.
    let mut tx = scene.db.pool.begin().await.unwrap();
    sqlx::query("ALTER TABLE log.events DISABLE TRIGGER events_immutable")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("DELETE FROM log.events WHERE position > 200").execute(&mut *tx).await.unwrap();
    sqlx::query("INSERT INTO log.epochs (head, reason) VALUES (200, 'restored')")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut applier = scene.applier().await;
    let head = applier.head().await.unwrap();
    applier.check_history(head).await.unwrap();
    assert_eq!(applier.stopped(), agora_projectors::projections::ALL.len());
    assert_eq!(applier.position(), 200);
    applier.close().await;
    let all = agora_projectors::projections::ALL;
    let bar = indicatif::ProgressBar::hidden();
    let rebuilt = agora_projectors::rebuild::run(&scene.connect(), all, false, &bar).await.unwrap();
    for one in rebuilt {
        assert_eq!(one.result.unwrap().position, 200);
    }
    let plain = Scene::with_story(55, 200).await;
    plain.project().await;
    assert_eq!(scene.content().await, plain.content().await);
    assert_eq!(scene.served("posts").await, 200);
}
