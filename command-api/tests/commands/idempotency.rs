//! ESX-04: a retry never does a thing twice.

use serde_json::{Value, json};

use crate::common::{Call, PASSWORD, Person, Settled, World};

fn keyed(person: &Person, command: &str, key: &str, body: &Value) -> Call {
    Call::new(command).token(&person.token).header("idempotency-key", key).body(body.clone())
}

fn post(community_id: &str, title: &str) -> Value {
    json!({ "community_id": community_id, "title": title, "body": "A body of some length." })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn esx_04_the_same_key_fifty_times_at_once_has_one_effect_and_one_reply() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let before = world.head().await;
    let body = post(&community_id, "Only once");
    let sends = (0..50).map(|number| {
        let instance = if number % 2 == 0 { &world } else { &twin };
        instance.request(keyed(&owner, "create-post", "key-1", &body))
    });
    let answers = futures::future::join_all(sends).await;
    answers[0].accepted();
    assert!(answers.iter().all(|answer| answer.text == answers[0].text), "fifty equal replies");
    assert_eq!(world.events_after(before).await.len(), 1);
    // And still so later, also where the session is another.
    let later = world.another_session(&owner).await;
    let answer = twin.request(keyed(&later, "create-post", "key-1", &body)).await;
    assert_eq!(answer.text, answers[0].text);
    assert_eq!(world.events_after(before).await.len(), 1 + 2, "only the new session's events");
}

#[tokio::test]
async fn esx_04_the_same_key_with_another_request_is_refused() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let body = post(&community_id, "The first one");
    world.request(keyed(&owner, "create-post", "key-1", &body)).await.accepted();
    let before = world.head().await;
    let other = post(&community_id, "Another one");
    world.request(keyed(&owner, "create-post", "key-1", &other)).await.refused(422, "ESX-04");
    let visit = json!({ "community_id": community_id });
    world.request(keyed(&owner, "visit-community", "key-1", &visit)).await.refused(422, "ESX-04");
    assert_eq!(world.head().await, before);
    let another_key = world.request(keyed(&owner, "create-post", "key-2", &body)).await;
    assert_eq!(another_key.events(), ["PostCreated"]);
}

#[tokio::test]
async fn esx_04_a_key_is_its_principals_own() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let other = world.member().await;
    let body = json!({ "community_id": community_id });
    for person in [&owner, &other] {
        let answer = world.request(keyed(person, "visit-community", "key", &body)).await;
        assert_eq!(answer.events(), ["CommunityVisited"]);
    }
}

#[tokio::test]
async fn esx_04_a_command_that_changed_nothing_is_answered_the_same_again() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let body = json!({ "community_id": community_id });
    let first = world.request(keyed(&owner, "join-community", "key", &body)).await;
    assert!(first.events().is_empty(), "the owner is a member already");
    world.send(&owner, "leave-community", body.clone()).await.accepted();
    let again = world.request(keyed(&owner, "join-community", "key", &body)).await;
    assert_eq!(again.text, first.text, "a retry, not a new join");
}

#[tokio::test]
async fn esx_04_a_refused_request_leaves_its_key_free() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let wrong = post(&community_id, "four");
    world.request(keyed(&owner, "create-post", "key", &wrong)).await.refused(422, "PST-01");
    let right = post(&community_id, "Long enough");
    world.request(keyed(&owner, "create-post", "key", &right)).await.accepted();
}

#[tokio::test]
async fn esx_04_a_reply_that_holds_a_secret_is_never_kept() {
    let world = World::new().await;
    let member = world.member().await;
    let body = json!({ "email": member.email, "password": PASSWORD });
    let call = Call::new("log-in").header("idempotency-key", "key").body(body);
    world.request(call).await.refused(400, "ESX-04");
}

#[tokio::test]
async fn esx_04_a_key_is_1_to_255_visible_characters() {
    let world = World::new().await;
    let member = world.member().await;
    let body = json!({ "display_name": null });
    let longest = "k".repeat(255);
    world.request(keyed(&member, "change-display-name", &longest, &body)).await.accepted();
    for key in ["", &"k".repeat(256), "nøkkel", "a\tb"] {
        let answer = world.request(keyed(&member, "change-display-name", key, &body)).await;
        answer.refused(400, "ESX-04");
        assert!(key.is_empty() || !answer.text.contains(key));
    }
}

#[tokio::test]
async fn esx_04_a_guests_registration_is_not_doubled() {
    let world = World::new().await;
    let body = json!({ "email": "ola@example.org", "password": PASSWORD });
    let call = Call::new("register-member").header("idempotency-key", "key").body(body);
    let first = world.request(call.clone()).await;
    first.accepted();
    assert_eq!(world.request(call).await.text, first.text);
    assert_eq!(world.head().await, 2);
}
