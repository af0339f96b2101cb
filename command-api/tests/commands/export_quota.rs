//! Five exports an hour for each organization, however many come at once, and wherever.

use serde_json::{Value, json};

use crate::{
    common::{Answer, Call, World, report},
    exports::Office,
};

#[track_caller]
fn limited(answer: &Answer) -> String {
    answer.refused(429, "BUF-10");
    let wait: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3_601).contains(&wait), "{wait}");
    assert_eq!(answer.body["aggregate_type"], "export_job");
    assert!(answer.body["position"].as_u64().is_some_and(|position| position > 0));
    answer.body["aggregate_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn buf_10_buf_11_the_sixth_is_kept_as_failed_and_answered_429_with_its_id() {
    let office = Office::new().await;
    for _ in 0..5 {
        office.request().await.accepted();
    }
    let before = office.world.head().await;
    let id = limited(&office.request().await);
    let appended = office.world.events_after(before).await;
    let expected =
        [("ExportRequested".to_owned(), id.clone()), ("ExportRateLimited".to_owned(), id.clone())];
    assert_eq!(appended, expected, "both in one unit, on the row's own stream");
    let payload = office.world.last_payload("export_job", &id).await;
    let failed = &payload["ExportRateLimited"];
    assert_eq!(failed["error_code"], "RATE_LIMIT_EXCEEDED");
    assert!(failed["error_message"].as_str().is_some_and(|message| !message.is_empty()));
    let requested: String = sqlx::query_scalar(
        "SELECT payload::text FROM log.events WHERE aggregate_id = $1 AND sequence = 1",
    )
    .bind(&id)
    .fetch_one(&office.world.database.pool)
    .await
    .unwrap();
    let requested: Value = serde_json::from_str(&requested).unwrap();
    assert_eq!(failed["completed_at"], requested["ExportRequested"]["triggered_at"]);
    let body = json!({ "export_id": id });
    office.works("mark-export-processing", body).await.refused(409, "BUF-03");
    let records = office.world.records().await;
    assert!(records.iter().any(|record| record.status == 429 && record.result == "BLOCKED"));
    // The batch has the same quota, and another organization its own.
    let batch = json!({ "bufdir_report_id": office.report_id, "format": "PDF" });
    limited(&office.works("request-batch-export", batch).await);
    let other = office.world.organization(&office.admin).await;
    let stranger = office.world.org_user(&office.admin, &other, "reporter").await;
    let report_id = office.world.send(&stranger, "create-report", report("2025-Q1")).await.id();
    let mut asked = office.asked();
    asked["bufdir_report_id"] = json!(report_id);
    office.world.send(&stranger, "request-export", asked).await.accepted();
}

#[tokio::test]
async fn esx_04_buf_11_a_retry_of_a_refused_request_is_answered_as_it_was_and_adds_nothing() {
    let office = Office::new().await;
    let call = |key: &str| {
        let call = Call::new("request-export").token(&office.reporter.token);
        call.header("idempotency-key", key).body(office.asked())
    };
    for number in 0..5 {
        office.world.request(call(&format!("key-{number}"))).await.accepted();
    }
    let first = office.world.request(call("key-0")).await;
    assert_eq!(first.status, 200, "an accepted one is not refused now: {}", first.text);
    let id = limited(&office.world.request(call("key-6")).await);
    let head = office.world.head().await;
    assert_eq!(limited(&office.world.request(call("key-6")).await), id);
    assert_eq!(office.world.head().await, head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buf_12_of_fifty_at_once_at_two_instances_exactly_five_are_accepted() {
    let office = Office::new().await;
    let twin = office.world.twin().await;
    let other = office.world.organization(&office.admin).await;
    let stranger = office.world.org_user(&office.admin, &other, "reporter").await;
    let report_id = office.world.send(&stranger, "create-report", report("2025-Q1")).await.id();
    let mut others = office.asked();
    others["bufdir_report_id"] = json!(report_id);
    let ask = |world: &World, number: usize| {
        let (person, body) = match number % 5 {
            0 => (&stranger, others.clone()),
            _ => (&office.reporter, office.asked()),
        };
        let call = Call::new("request-export").token(&person.token).body(body);
        let router = world.router.clone();
        let world = World { database: world.database.clone(), app: world.app.clone(), router };
        async move { (number.is_multiple_of(5), world.request(call).await) }
    };
    let asked =
        (0..60).map(|number| ask(if number % 2 == 0 { &office.world } else { &twin }, number));
    let answers = futures::future::join_all(asked).await;
    for of_other in [false, true] {
        let own =
            || answers.iter().filter(|(other, _)| *other == of_other).map(|(_, answer)| answer);
        let accepted = own().filter(|answer| answer.status == 200).count();
        assert_eq!(accepted, 5);
        own().filter(|answer| answer.status != 200).for_each(|answer| {
            limited(answer);
        });
    }
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM log.events WHERE event_type = 'ExportRequested'")
            .fetch_one(&office.world.database.pool)
            .await
            .unwrap();
    assert_eq!(rows, 60, "every request left its row");
}

#[tokio::test]
async fn del_01_members_and_admins_export_what_is_public_with_a_quota_of_their_own() {
    let world = World::new().await;
    let (member, admin) = (world.member().await, world.admin(&[]).await);
    let body = json!({ "kind": "platform_data", "export_type": "posts", "format": "csv" });
    for person in [&member, &admin] {
        for _ in 0..5 {
            world.send(person, "request-export", body.clone()).await.accepted();
        }
        limited(&world.send(person, "request-export", body.clone()).await);
    }
    let auditor = world.admin(&[agora_domain::identity::values::AdminScope::Auditor]).await;
    world.send(&auditor, "request-export", body).await.refused(403, "ROL-01");
}
