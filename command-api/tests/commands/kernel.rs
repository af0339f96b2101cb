//! What every command has in common: the reply, `If-Match`, problem documents, metadata.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::common::{Call, Person, Settled, World};

fn update(person: &Person, community_id: &str, description: &str, if_match: &str) -> Call {
    Call::new("update-community")
        .token(&person.token)
        .header("if-match", if_match)
        .body(json!({ "community_id": community_id, "description": description }))
}

#[tokio::test]
async fn esx_03_if_match_names_the_sequence_that_must_still_hold() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    world.request(update(&owner, &community_id, "two", "\"1\"")).await.accepted();
    let before = world.head().await;
    for stale in ["\"1\"", "\"0\"", "\"3\"", "\"18446744073709551615\""] {
        let answer = world.request(update(&owner, &community_id, "three", stale)).await;
        answer.refused(412, "ESX-03");
        // Also where nothing would change.
        world.request(update(&owner, &community_id, "two", stale)).await.refused(412, "ESX-03");
    }
    for wrong in ["2", "\"two\"", "\"2", "W/\"2\"", "\"1\", \"2\"", "", "\"-1\""] {
        let answer = world.request(update(&owner, &community_id, "three", wrong)).await;
        answer.refused(400, "ESX-03");
    }
    assert_eq!(world.head().await, before);
    let third = world.request(update(&owner, &community_id, "three", "\"2\"")).await;
    assert_eq!(third.sequence(), 3);
    world.request(update(&owner, &community_id, "four", "*")).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn esx_03_of_changes_at_once_on_one_sequence_one_is_accepted() {
    let world = World::new().await;
    let twin = world.twin().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    for round in 1..=5 {
        let sends = (0..8).map(|number| {
            let instance = if number % 2 == 0 { &world } else { &twin };
            let (text, if_match) = (format!("{round}-{number}"), format!("\"{round}\""));
            let call = update(&owner, &community_id, &text, &if_match);
            instance.request(call)
        });
        let answers = futures::future::join_all(sends).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.refused(412, "ESX-03");
        }
    }
}

#[tokio::test]
async fn esx_05_every_error_is_a_problem_document_with_a_stable_type() {
    let world = World::new().await;
    let member = world.member().await;
    let answer = world.send(&member, "join-community", json!({ "community_id": "x" })).await;
    let problem = answer.problem(400);
    assert_eq!(problem["type"], "/problems/malformed");
    assert_eq!(problem["errors"][0]["pointer"], "/community_id");
    assert_eq!(answer.headers["cache-control"], "no-store");
    world.get("/v1/commands/join-community").await.problem(405);
    world.get("/v1/nothing").await.problem(404);
    world.guest("no-such-command", json!({})).await.problem(404);
    assert_eq!(world.get("/problems/PST-01").await.status, 200, "the type leads somewhere");
}

#[tokio::test]
async fn esx_07_esx_15_a_reply_tells_where_the_log_stands_and_times_are_utc() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let body = json!({ "community_id": community_id });
    let answer = world.send(&owner, "leave-community", body.clone()).await;
    let reply = answer.accepted();
    let head = world.head().await;
    assert_eq!(reply["position"], head);
    assert_eq!(reply["aggregate_type"], "membership");
    assert_eq!(reply["result"], json!({}));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let event = &reply["events"][0];
    assert_eq!((&event["sequence"], &event["position"]), (&json!(2), &json!(head)));
    let stored: (uuid::Uuid, String) = sqlx::query_as(
        "SELECT event_id, aggregate_id FROM log.events ORDER BY position DESC LIMIT 1",
    )
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(event["event_id"], stored.0.to_string());
    assert_eq!(event["aggregate_id"], stored.1);
    // A command that changes nothing says how far it looked.
    let nothing = world.send(&owner, "leave-community", body).await;
    assert_eq!(nothing.accepted()["position"], head);
    let login = world.log_in(&owner).await;
    let stored = world.last_payload("session", &login.session_id).await;
    let expires_at = stored["SessionIssued"]["expires_at"].as_str().unwrap();
    assert!(expires_at.ends_with('Z') && expires_at.parse::<DateTime<Utc>>().is_ok());
}

#[tokio::test]
async fn every_event_tells_who_caused_it_by_what_and_from_where() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let call = |traceparent: &str| {
        Call::new("visit-community")
            .token(&owner.token)
            .header("traceparent", traceparent)
            .header("user-agent", "Mozilla/5.0 (secret device)")
            .body(json!({ "community_id": community_id }))
    };
    let answer = world.request(call(traceparent)).await;
    let metadata: String =
        sqlx::query_scalar("SELECT metadata::text FROM log.events ORDER BY position DESC LIMIT 1")
            .fetch_one(&world.database.pool)
            .await
            .unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert!(metadata.as_object().unwrap().values().all(Value::is_string), "flat, of strings");
    assert_eq!(metadata["actor"], owner.actor.to_string());
    assert_eq!(metadata["command"], answer.body["command_id"]);
    assert_eq!(metadata["command_name"], "visit-community");
    assert_eq!(metadata["session"], owner.session_id);
    assert_eq!(metadata["traceparent"], traceparent);
    let sealed = metadata["ip"].as_str().unwrap();
    assert!(sealed.starts_with(&format!("sealed:v1:network:{}:", owner.id())), "{sealed}");
    // What is no trace context is left out, never stored.
    for wrong in ["\",\"actor\":\"admin:x", "00-ZZ-b7ad6b7169203331-01", "x"] {
        world.request(call(wrong)).await.accepted();
    }
}

#[tokio::test]
async fn refusals_leave_a_record_and_accepted_commands_none() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    assert!(world.records().await.is_empty());
    let wrong = json!({ "email": owner.email, "password": "not the password" });
    world.guest("log-in", wrong).await.refused(401, "CRD-09");
    let body = json!({ "community_id": community_id, "title": "four", "body": "A body of text" });
    world.send(&owner, "create-post", body).await.refused(422, "PST-01");
    let records = world.records().await;
    let [login, refusal] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((login.kind.as_str(), login.result.as_str()), ("login_failed", "FAILURE"));
    assert_eq!((login.action.as_str(), login.actor_id), ("log-in", None));
    assert_eq!((refusal.kind.as_str(), refusal.result.as_str()), ("refusal", "FAILURE"));
    assert_eq!((refusal.status, refusal.rule.as_deref()), (422, Some("PST-01")));
    assert_eq!(refusal.actor_id, Some(owner.actor.id));
}
