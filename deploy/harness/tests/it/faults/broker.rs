//! The broker dies, forgets, lies, or remembers what is no more.

use std::time::Duration;

use agora_harness::stack::{Service, Shape, Stack, Stop};
use async_nats::{HeaderMap, jetstream};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;
use uuid::Uuid;

use super::{all_holds, load, stage};

#[tokio::test(flavor = "multi_thread")]
async fn i1_i4_nats_killed_under_load() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let running = load(&stack, &cast);
    running.advance(150).await;
    stack.broker.kill();
    let before = running.accepted();
    running.advance(100).await;
    assert!(running.accepted() > before, "commands are accepted without the broker");
    sleep(Duration::from_secs(1)).await;
    stack.broker.start().expect("it starts again");
    running.advance(150).await;
    let history = running.finish().await;
    all_holds(&mut stack, &cast, history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_nats_storage_wiped() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let running = load(&stack, &cast);
    for _ in 0..2 {
        running.advance(150).await;
        stack.broker.kill();
        stack.broker.wipe().expect("the storage is there");
        stack.broker.start().expect("it starts again");
    }
    running.advance(150).await;
    let history = running.finish().await;
    all_holds(&mut stack, &cast, history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_i4_forged_messages_and_those_of_another_epoch_change_nothing() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let running = load(&stack, &cast);
    running.advance(100).await;
    let mut connection = PgConnection::connect(&stack.postgres.owner_url("agora")).await.unwrap();
    let epoch: Uuid =
        sqlx::query_scalar("SELECT epoch FROM log.epochs ORDER BY number DESC LIMIT 1")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let jetstream = jetstream::new(connect(&stack).await);
    for round in 0..5_u128 {
        let head: i64 = sqlx::query_scalar("SELECT max(position) FROM log.events")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let other = Uuid::from_u128(7);
        // A place that is taken, the next ones, one far ahead; in the right epoch and in another.
        for (number, position) in [head, head + 1, head + 2, head + 500].into_iter().enumerate() {
            for epoch in [epoch, other] {
                let forged = Uuid::from_u128(round * 100 + number as u128 + 1);
                publish(&jetstream, cast.posts[0], forged, epoch, position).await;
            }
        }
        // Not even a message of Agora's form.
        let garbage = jetstream.publish("events.post_vote.PostVoteCast", "not JSON".into()).await;
        garbage.unwrap().await.unwrap();
        running.advance(40).await;
    }
    let history = running.finish().await;
    let epochs: i64 = sqlx::query_scalar("SELECT count(*) FROM log.epochs")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(epochs <= 2, "forged messages began {epochs} epochs");
    all_holds(&mut stack, &cast, history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_i4_older_database_restored_while_the_broker_remembers_more() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let running = load(&stack, &cast);
    running.advance(150).await;
    let mut history = running.finish().await;

    stack.postgres.stop(Stop::Fast).expect("it stops");
    stack.postgres.copy_to("copy").expect("it is copied");
    stack.postgres.start().expect("it starts again");
    stack.ready().await.expect("all are ready again");
    let running = load(&stack, &cast);
    running.advance(150).await;
    // This part of history the restore takes away; only the broker remembers it.
    drop(running.finish().await);
    sleep(Duration::from_secs(1)).await;

    let api = stack.of(Service::CommandApi)[0];
    stack.stop(api);
    stack.postgres.stop(Stop::Immediate).expect("it stops");
    stack.postgres.restore_from("copy").expect("it is restored");
    stack.postgres.start().expect("it starts again");
    stack.run(api).expect("it starts again");
    stack.ready().await.expect("all are ready again");
    let running = load(&stack, &cast);
    running.advance(150).await;
    history.join(running.finish().await);
    all_holds(&mut stack, &cast, history).await;
}

async fn connect(stack: &Stack) -> async_nats::Client {
    let url = stack.broker.url();
    let (login, address) =
        url.trim_start_matches("nats://").split_once('@').expect("it names a user");
    let (user, password) = login.split_once(':').expect("it has a password");
    let options = async_nats::ConnectOptions::new().user_and_password(user.into(), password.into());
    options.connect(address).await.expect("the broker is there")
}

/// A vote that nobody cast, in the form in which the relay publishes.
async fn publish(
    jetstream: &jetstream::Context,
    post: Uuid,
    event_id: Uuid,
    epoch: Uuid,
    position: i64,
) {
    let voter = Uuid::from_u128(99);
    let payload = json!({ "PostVoteCast": {
        "id": event_id, "post_id": post, "voter": { "kind": "member", "id": voter },
        "vote_state": "upvote", "previous": "none",
    }});
    let (event_id, position) = (event_id.to_string(), position.to_string());
    let (epoch, source) = (epoch.to_string(), format!("agora/log/{epoch}"));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("Nats-Msg-Id", format!("{event_id}-{position}-{epoch}").as_str()),
        ("ce-specversion", "1.0"),
        ("ce-id", &event_id),
        ("ce-type", "PostVoteCast"),
        ("ce-source", &source),
        ("ce-subject", &format!("post_vote/{post}:member:{voter}")),
        ("ce-time", "2026-01-01T00:00:00.000000Z"),
        ("agora-position", &position),
        ("agora-epoch", &epoch),
        ("agora-sequence", "1"),
        ("agora-version", "1"),
        ("agora-metadata", "{}"),
    ] {
        headers.insert(name, value);
    }
    let published = jetstream
        .publish_with_headers("events.post_vote.PostVoteCast", headers, payload.to_string().into())
        .await;
    published.expect("it is sent").await.expect("the broker takes anything");
}
