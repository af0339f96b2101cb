//! Read your writes (ESX-07).

use std::time::{Duration, Instant};

use agora_domain::content::vote::VoteState;
use agora_event_store::testing::{NATS_URL, eventually};
use agora_service::{config::NatsArgs, nats};
use axum::http::Request;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test]
async fn esx_07_a_read_waits_for_the_position_that_it_needs() {
    let world = World::new().await;
    let ada = world.member(Some("Ada")).await;
    let position = world.head().await;
    let path = format!("/v1/me?min_position={position}&wait_ms=10000");
    let (reply, ()) = tokio::join!(world.get_as(&ada, &path), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        world.project().await;
    });
    assert_eq!(reply.ok()["id"], ada.id().to_string());
    assert!(reply.position() >= position);
}

#[tokio::test]
async fn esx_07_a_position_in_the_future_is_503_and_never_older_data() {
    let world = World::new().await;
    world.categories(&["Science"]).await;
    let position = world.project().await;
    for (route, roles) in agora_read_api::access::READS.iter() {
        if roles.include(agora_read_api::access::Roles::GUEST) {
            let path = route
                .replace("{name}", "nobodys")
                .replace("{id}", "00000000-0000-7000-8000-000000000000")
                .replace("{version_number}", "v0")
                .replace("{address}", "203.0.113.9");
            let started = Instant::now();
            let ahead = format!("min_position={}&wait_ms=50", position + 1);
            let reply = world.get(&crate::bad_input::with_query(&path, &ahead)).await;
            assert_eq!(reply.problem(503)["rule"], "ESX-07", "{path}");
            assert_eq!(reply.header("retry-after"), "1");
            assert_eq!(reply.position(), position);
            assert!(started.elapsed() >= Duration::from_millis(50));
        }
    }
    let now = format!("/v1/categories?min_position={position}&wait_ms=0");
    assert_eq!(world.get(&now).await.position(), position);
    let far = format!("/v1/categories?min_position={}&wait_ms=0", u64::MAX);
    world.get(&far).await.problem(503);
    let header = Request::get("/v1/categories?wait_ms=0")
        .header("agora-min-position", (position + 1).to_string());
    world.send(header).await.problem(503);
}

#[tokio::test]
async fn esx_07_auditors_wait_for_the_log() {
    let world = World::new().await;
    let auditor = world.admin(&[agora_domain::identity::values::AdminScope::Auditor]).await;
    let head = world.head().await;
    let events = |position| format!("/v1/audit/events?min_position={position}&wait_ms=20");
    assert_eq!(world.get_as(&auditor, &events(head)).await.position(), head);
    world.get_as(&auditor, &events(head + 1)).await.problem(503);
    let stream =
        format!("/v1/audit/streams/admin/{}?min_position={}&wait_ms=20", auditor.id(), head + 1);
    world.get_as(&auditor, &stream).await.problem(503);
}

#[tokio::test]
async fn esx_07_a_word_of_the_projectors_wakes_a_read() {
    let world = World::new().await;
    let args = NatsArgs {
        nats_url: std::env::var(NATS_URL).expect("deploy/test sets it"),
        nats_credentials: None,
        nats_stream: "EVENTS".into(),
        nats_subjects: "events".into(),
        nats_replicas: 1,
    };
    let client = nats::connect(&args, "test").await.unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(world.projected.clone().listen(client.clone(), shutdown.clone()));
    let heard = world.projected.clone();
    let word = u64::MAX - 7;
    eventually("the read API listens", || {
        let (client, heard) = (client.clone(), heard.clone());
        async move {
            client.publish("agora.projected", word.to_string().into()).await.unwrap();
            client.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            heard.reached() == word
        }
    })
    .await;
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn esx_07_what_was_written_is_there_at_once_while_projections_run() {
    let world = std::sync::Arc::new(World::new().await);
    let ada = world.member(None).await;
    let community = world.community_of(&ada, "rustaceans").await;
    let stop = CancellationToken::new();
    let projecting = tokio::spawn({
        let (world, stop) = (world.clone(), stop.clone());
        async move {
            while !stop.is_cancelled() {
                world.project().await;
            }
        }
    });
    for number in 0..60 {
        let title = format!("Post number {number}");
        let post = world.post(&ada, community, &title).await;
        let position = world.edit_post(&ada, post, &format!("{title}, edited")).await;
        let query = format!("min_position={position}&wait_ms=10000");
        // An answer that claims the position shows what was written up to it, in every list.
        let reply = world.get(&format!("/v1/posts/{post}?{query}")).await;
        assert_eq!(reply.ok()["title"], format!("{title}, edited"));
        assert!(reply.position() >= position);
        let path = format!("/v1/communities/rustaceans/posts?limit=1&{query}");
        assert_eq!(world.get(&path).await.ok()["items"][0]["id"], post.to_string());
        let position = world.vote(&ada, post, VoteState::Upvote).await;
        let path = format!("/v1/posts/{post}/score?min_position={position}&wait_ms=10000");
        assert_eq!(world.get(&path).await.ok()["score"], 1);
    }
    stop.cancel();
    projecting.await.unwrap();
}
