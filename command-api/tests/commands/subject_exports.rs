//! What people ask for about themselves: one at a time, delivered to them alone.

use agora_domain::{
    exports::export_job::{ExportJob, ExportStatus},
    identity::member::{Member, MemberCommand, SuspendMember},
};
use serde_json::{Value, json};

use crate::{
    common::{Call, Person, World},
    exports::Office,
    personal_data::dump,
};

fn asked(delivery_method: &str) -> Value {
    json!({
        "kind": "subject_data", "request_type": "FULL_EXPORT", "format": "JSON",
        "delivery_method": delivery_method,
    })
}

fn file(id: &str) -> Value {
    json!({
        "export_id": id,
        "file_name": "data.zip",
        "file_path": format!("exports/subject_data/{id}/data.zip"),
        "file_size_bytes": 9,
        "checksum_sha256": "0f".repeat(32),
    })
}

impl Office {
    async fn asks(&self, person: &Person, delivery_method: &str) -> crate::common::Answer {
        self.world.send(person, "request-export", asked(delivery_method)).await
    }

    async fn complete(&self, id: &str) {
        self.works("mark-export-processing", json!({ "export_id": id })).await.accepted();
        self.works("mark-export-completed", file(id)).await.accepted();
    }
}

#[tokio::test]
async fn dxr_06_the_token_is_given_once_kept_as_a_hash_and_good_for_its_person_alone() {
    let office = Office::new().await;
    let world = &office.world;
    let (member, other) = (world.member().await, world.member().await);
    let request = office.asks(&member, "DOWNLOAD_LINK").await;
    assert_eq!(request.events(), ["SubjectExportsChanged", "ExportRequested"]);
    let (id, token) = (request.id(), request.result("verification_token"));
    assert_eq!(token.len(), 43, "256 bits in base64url");
    assert!(!dump(world).await.contains(&token), "it stands nowhere");
    office.complete(&id).await;
    let download = async |person: &Person, token: Option<&str>| {
        let mut body = json!({ "export_id": id });
        if let Some(token) = token {
            body["verification_token"] = json!(token);
        }
        world.send(person, "record-export-download", body).await
    };
    download(&member, None).await.refused(403, "DXR-06");
    download(&member, Some(&"A".repeat(43))).await.refused(403, "DXR-06");
    download(&member, Some("short")).await.refused(422, "DXR-06");
    for stranger in [&other, &office.admin, &office.reporter] {
        download(stranger, Some(&token)).await.refused(404, "REL-10");
    }
    download(&member, Some(&token)).await.accepted();
    download(&member, Some(&token)).await.accepted();
    let payload = world.last_payload("export_downloads", &id).await;
    assert_eq!(payload["ExportDownloaded"]["download_count"], 2);
    let call = Call::new("request-export").token(&other.token).body(asked("SECURE_PORTAL"));
    let kept = world.request(call.header("idempotency-key", "k")).await;
    kept.refused(400, "ESX-04");
    let call = Call::new("request-export").token(&other.token).body(asked("EMAIL"));
    world.request(call.header("idempotency-key", "k")).await.accepted();
}

#[tokio::test]
async fn dxr_09_one_request_is_open_and_one_a_day_free_but_for_who_got_nothing() {
    let office = Office::new().await;
    let member = office.world.member().await;
    let first = office.asks(&member, "SECURE_PORTAL").await.id();
    office.asks(&member, "SECURE_PORTAL").await.refused(409, "DXR-09");
    let failed = json!({ "export_id": first, "error_code": "X", "error_message": "It broke." });
    office.works("mark-export-failed", failed).await.accepted();
    let second = office.asks(&member, "SECURE_PORTAL").await.id();
    office.complete(&second).await;
    let soon = office.asks(&member, "SECURE_PORTAL").await;
    soon.refused(429, "DXR-09");
    assert!(soon.headers.contains_key("retry-after"));
    let (asks, member) = (20, office.world.member().await);
    let asks = (0..asks).map(|_| office.asks(&member, "SECURE_PORTAL"));
    let answers = futures::future::join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn dxr_03_a_person_takes_its_request_back_until_it_has_ended() {
    let office = Office::new().await;
    let world = &office.world;
    let (member, other) = (world.member().await, world.member().await);
    let id = office.asks(&member, "SECURE_PORTAL").await.id();
    let body = json!({ "export_id": id });
    world.send(&other, "cancel-export", body.clone()).await.refused(404, "REL-10");
    let cancelled = world.send(&member, "cancel-export", body.clone()).await;
    assert_eq!(cancelled.events(), ["ExportCancelled", "SubjectExportsChanged"]);
    world.send(&member, "cancel-export", body.clone()).await.refused(409, "DXR-03");
    office.works("mark-export-processing", body).await.refused(409, "DXR-03");
    let statutory = json!({ "export_id": office.request().await.id() });
    let refused = world.send(&office.reporter, "cancel-export", statutory.clone()).await;
    refused.refused(409, "BUF-03");
    world.send(&office.admin, "cancel-export", statutory).await.refused(404, "REL-10");
}

#[tokio::test]
async fn dxr_08_a_mail_goes_to_the_confirmed_address_alone_and_no_token_into_the_reply() {
    let office = Office::new().await;
    let member = office.world.member().await;
    let mut elsewhere = asked("EMAIL");
    elsewhere["delivery_address"] = json!("somebody@example.org");
    let refused = office.world.send(&member, "request-export", elsewhere.clone()).await;
    refused.refused(422, "DXR-08");
    elsewhere["delivery_address"] = json!(member.email.to_uppercase());
    let accepted = office.world.send(&member, "request-export", elsewhere).await;
    assert_eq!(accepted.accepted()["result"], json!({}));
    let job = office.world.app.log.load::<ExportJob>(&accepted.id()).await.unwrap();
    let data = job.state.get().unwrap().content.subject_data().unwrap().clone();
    assert_eq!(data.delivery_address.unwrap().get().unwrap().as_str(), member.email);
    assert!(!dump(&office.world).await.contains(&member.email), "it is sealed");
}

#[tokio::test]
async fn del_02_an_admin_asks_on_a_members_behalf_by_mail_and_never_gets_the_data() {
    let office = Office::new().await;
    let world = &office.world;
    let (member, other) = (world.member().await, world.member().await);
    let behalf = |delivery_method: &str| {
        let mut body = asked(delivery_method);
        body["member_id"] = json!(member.id());
        body
    };
    let portal = world.send(&office.admin, "request-export", behalf("SECURE_PORTAL")).await;
    portal.refused(422, "DXR-08");
    world.send(&other, "request-export", behalf("EMAIL")).await.refused(403, "DEL-02");
    let request = world.send(&office.admin, "request-export", behalf("EMAIL")).await;
    assert_eq!(request.accepted()["result"], json!({}));
    let payload = world.last_payload("export_job", &request.id()).await;
    let requested = &payload["ExportRequested"];
    assert_eq!(requested["requested_by"]["id"], json!(office.admin.actor.id));
    assert_eq!(requested["content"]["subject"]["id"], json!(member.actor.id));
    let open = world.send(&member, "request-export", asked("SECURE_PORTAL")).await;
    open.refused(409, "DXR-09");
}

#[tokio::test]
async fn dxr_15_a_suspended_member_keeps_its_right_to_its_data_and_no_other() {
    let world = World::new().await;
    let member = world.member().await;
    let admin = world.admin(&[]).await;
    let suspend = SuspendMember { suspended_by: admin.actor, reason: None };
    world.decide::<Member>(&member.id(), MemberCommand::Suspend(suspend)).await;
    world.app.log.catch_up().await;
    world.send(&member, "request-export", asked("SECURE_PORTAL")).await.accepted();
    let platform = json!({ "kind": "platform_data", "export_type": "posts", "format": "csv" });
    world.send(&member, "request-export", platform).await.refused(403, "MEM-05");
}

#[tokio::test]
async fn dxr_10_mod_03_an_admin_puts_an_answer_off_once_and_says_why() {
    let office = Office::new().await;
    let world = &office.world;
    let member = world.member().await;
    let id = office.asks(&member, "SECURE_PORTAL").await.id();
    let body = json!({ "export_id": id, "reason": "There is much of it." });
    world.send(&member, "extend-export-deadline", body.clone()).await.refused(403, "ROL-01");
    let silent = json!({ "export_id": id });
    world.send(&office.admin, "extend-export-deadline", silent).await.refused(422, "DXR-10");
    world.send(&office.admin, "extend-export-deadline", body.clone()).await.accepted();
    world.send(&office.admin, "extend-export-deadline", body.clone()).await.refused(409, "DXR-10");
    office.complete(&id).await;
    world.send(&office.admin, "extend-export-deadline", body).await.refused(409, "BUF-08");
    let statutory = json!({ "export_id": office.request().await.id(), "reason": "No." });
    world.send(&office.admin, "extend-export-deadline", statutory).await.refused(404, "REL-10");
}

#[tokio::test]
async fn del_05_an_entry_is_hidden_by_its_person_or_an_admin_and_stays_a_fact() {
    let office = Office::new().await;
    let world = &office.world;
    let (member, other) = (world.member().await, world.member().await);
    let id = office.asks(&member, "SECURE_PORTAL").await.id();
    let body = json!({ "export_id": id });
    world.send(&member, "hide-export", body.clone()).await.refused(409, "DEL-05");
    office.complete(&id).await;
    world.send(&other, "hide-export", body.clone()).await.refused(404, "REL-10");
    assert_eq!(world.send(&member, "hide-export", body.clone()).await.events(), ["ExportHidden"]);
    assert!(world.send(&office.admin, "hide-export", body).await.events().is_empty());
    assert_eq!(office.status(&id).await, ExportStatus::Completed);
}
