//! The broker loses, doubles, reorders, invents and forgets: no row changes.

use std::time::Duration;

use agora_event_store::{RecordedEvent, testing::eventually};
use agora_service::clock::new_id;
use uuid::Uuid;

use crate::{
    scene::{Broker, Running, Scene},
    story::*,
};

struct Stage {
    scene: Scene,
    broker: Broker,
    running: Running,
    epoch: Uuid,
}

impl Stage {
    async fn new() -> Self {
        let (scene, broker) = (Scene::new().await, Broker::new().await);
        let running = broker.start(scene.connect());
        let epoch = scene.epoch().await;
        let stage = Self { scene, broker, running, epoch };
        stage.attached().await;
        stage
    }

    /// Waits until the runner has a consumer.
    async fn attached(&self) {
        let jetstream = async_nats::jetstream::new(self.broker.client.clone());
        eventually("a consumer", async || {
            match jetstream.get_stream(&self.broker.args.nats_stream).await {
                Ok(mut stream) => {
                    stream.info().await.is_ok_and(|info| info.state.consumer_count > 0)
                }
                Err(_) => false,
            }
        })
        .await;
    }

    async fn projected(&self) {
        let head = agora_event_store::read::to_db(self.scene.head());
        eventually("everything is projected", async || {
            for projection in agora_projectors::projections::ALL {
                if self.scene.served(projection.name).await != head {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Ends the run and compares with the same story told without a broker.
    async fn ends_as_told(self, seed: u64, events: usize) {
        self.projected().await;
        self.running.stop().await;
        let plain = Scene::with_story(seed, events).await;
        plain.project().await;
        assert_eq!(self.scene.content().await, plain.content().await);
    }
}

#[tokio::test]
async fn events_come_by_the_broker_within_milliseconds() {
    let mut stage = Stage::new().await;
    let mut waits = Vec::new();
    for fact in tell(20, 60) {
        let events = stage.scene.append([fact]).await;
        let began = tokio::time::Instant::now();
        stage.broker.publish(&events, stage.epoch).await;
        let head = i64::try_from(stage.scene.head()).unwrap();
        while stage.scene.served("post_scores").await < head {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        waits.push(began.elapsed());
    }
    waits.sort_unstable();
    // Far below the second after which the log is looked at anyway.
    assert!(waits[waits.len() / 2] < Duration::from_millis(100), "{waits:?}");
    stage.ends_as_told(20, 60).await;
}

#[tokio::test]
async fn doubled_and_reordered_messages_change_nothing() {
    let mut stage = Stage::new().await;
    for chunk in tell(21, 600).chunks(30) {
        let events = stage.scene.append(chunk.to_vec()).await;
        let reversed: Vec<_> = events.iter().rev().collect();
        stage.broker.publish(reversed.clone(), stage.epoch).await;
        stage.broker.publish(&events, stage.epoch).await;
        stage.broker.publish(reversed, stage.epoch).await;
    }
    stage.ends_as_told(21, 600).await;
}

#[tokio::test]
async fn lost_messages_are_read_from_the_log() {
    let mut stage = Stage::new().await;
    for chunk in tell(22, 600).chunks(20) {
        let events = stage.scene.append(chunk.to_vec()).await;
        stage.broker.publish(events.iter().step_by(3), stage.epoch).await;
    }
    // The last ones are lost altogether.
    stage.ends_as_told(22, 600).await;
}

#[tokio::test]
async fn what_the_broker_never_carried_is_projected_within_two_seconds() {
    let mut stage = Stage::new().await;
    stage.scene.append(tell(23, 300)).await;
    let began = tokio::time::Instant::now();
    stage.projected().await;
    assert!(began.elapsed() < Duration::from_secs(3));
    // Told that something was appended, it does not wait for the second to pass.
    stage.scene.append(tell(23, 310).split_off(300)).await;
    let client = &stage.broker.client;
    client.publish("agora.appended", "310".into()).await.unwrap();
    client.publish("agora.appended", "not a number".into()).await.unwrap();
    stage.ends_as_told(23, 310).await;
}

/// As the event is, but for what somebody would like it to be.
fn forged(event: &RecordedEvent) -> RecordedEvent {
    let mut forged = event.clone();
    forged.payload = forged.payload.replace("upvote", "downvote").replace("content", "CONTENT");
    forged.metadata = forged.metadata.replace("system:", "admin:");
    forged
}

#[tokio::test]
async fn forged_messages_with_the_right_epoch_and_the_next_position_are_not_believed() {
    let mut stage = Stage::new().await;
    for (number, chunk) in tell(24, 600).chunks(20).enumerate() {
        let events = stage.scene.append(chunk.to_vec()).await;
        let forged: Vec<_> = events.iter().map(forged).collect();
        stage.broker.publish(&forged, stage.epoch).await;
        if number % 2 == 0 {
            stage.broker.publish(&events, stage.epoch).await;
        }
    }
    // Positions that the log does not have, and may have later.
    let mut ahead = stage.scene.append(tell(24, 601).split_off(600)).await.remove(0);
    for position in [602, 700, 1 << 40, u64::MAX] {
        ahead.position = position;
        ahead.event_id = new_id();
        stage.broker.publish([&ahead], stage.epoch).await;
    }
    stage.ends_as_told(24, 601).await;
}

#[tokio::test]
async fn malformed_messages_stop_nothing() {
    let mut stage = Stage::new().await;
    let client = stage.broker.client.clone();
    let subject = format!("{}.post.PostCreated", stage.broker.args.nats_subjects);
    for chunk in tell(25, 200).chunks(50) {
        client.publish(subject.clone(), "no headers".into()).await.unwrap();
        let events = stage.scene.append(chunk.to_vec()).await;
        let mut headers = agora_event_store::relay::headers(&events[0], stage.epoch);
        headers.insert("agora-position", "-1");
        headers.insert("Nats-Msg-Id", new_id().to_string());
        client
            .publish_with_headers(subject.clone(), headers, vec![0xff, 0, 1].into())
            .await
            .unwrap();
        stage.broker.publish(&events, stage.epoch).await;
    }
    stage.ends_as_told(25, 200).await;
}

#[tokio::test]
async fn messages_of_another_epoch_change_nothing_and_a_new_epoch_is_taken_up() {
    let mut stage = Stage::new().await;
    let told = tell(26, 400);
    let events = stage.scene.append(told[..200].to_vec()).await;
    stage.broker.publish(&events, new_id()).await;
    stage.projected().await;
    let new: Uuid = sqlx::query_scalar("SELECT log.begin_epoch($1, 'a test')")
        .bind(stage.epoch)
        .fetch_one(&stage.scene.db.pool)
        .await
        .unwrap();
    let events = stage.scene.append(told[200..].to_vec()).await;
    stage.broker.publish(events.iter().map(forged).collect::<Vec<_>>().iter(), stage.epoch).await;
    stage.broker.publish(&events, new).await;
    stage.projected().await;
    let known: Uuid = sqlx::query_scalar("SELECT epoch FROM read.progress")
        .fetch_one(&stage.scene.db.pool)
        .await
        .unwrap();
    assert_eq!(known, new);
    stage.ends_as_told(26, 400).await;
}

#[tokio::test]
async fn a_broker_that_lost_its_storage_is_followed_again() {
    let mut stage = Stage::new().await;
    let told = tell(27, 600);
    for (number, chunk) in told.chunks(100).enumerate() {
        stage.attached().await;
        let events = stage.scene.append(chunk.to_vec()).await;
        stage.broker.publish(&events, stage.epoch).await;
        if number % 2 == 0 {
            stage.broker.lose_storage().await;
        }
        stage.projected().await;
    }
    // The projectors have made the stream again, and a consumer.
    stage.attached().await;
    stage.ends_as_told(27, 600).await;
}

#[tokio::test]
async fn without_a_broker_the_log_is_followed() {
    let mut scene = Scene::new().await;
    let mut broker = Broker::new().await;
    broker.args.nats_url = "nats://127.0.0.1:9".to_owned();
    broker.client = agora_service::nats::connect(&broker.args, "nobody there").await.unwrap();
    let running = broker.start(scene.connect());
    for chunk in tell(28, 300).chunks(100) {
        scene.append(chunk.to_vec()).await;
        let head = i64::try_from(scene.head()).unwrap();
        eventually("read from the log", async || scene.served("posts").await == head).await;
    }
    running.stop().await;
}
