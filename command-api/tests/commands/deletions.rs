//! Requests to be erased, as their people and reviewers send them (E24). Carrying them out is tested with
//! the process.

use agora_command_api::erase::{
    CompleteErasure, NoteKeysDestroyed, RecordErasureStep, StartErasure,
};
use agora_domain::{
    PersonalCategory,
    compliance::{
        deletion_request::Certificate,
        deletion_values::{ErasureStep, ErasureStore, StepResult},
    },
    identity::values::AdminScope,
    ids::DeletionId,
};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::common::{Answer, Person, SeedSession, Settled, World, unknown_id};

fn asked() -> Value {
    json!({ "legal_ground": "OBJECTION" })
}

impl World {
    pub async fn on_deletion(&self, person: &Person, command: &str, id: &str) -> Answer {
        let mut body = json!({ "deletion_id": id });
        if ["reject-deletion", "extend-deletion-deadline"].contains(&command) {
            body["reason"] = json!("Because it must be so.");
        }
        self.send(person, command, body).await
    }

    /// The id of a request that was carried out, as far as the log knows.
    pub async fn erased(&self, person: &Person, reviewer: &Person) -> String {
        let id = self.send(person, "request-deletion", asked()).await.id();
        for command in ["start-deletion-review", "approve-deletion"] {
            self.on_deletion(reviewer, command, &id).await.accepted();
        }
        self.carry_out(&id, reviewer).await;
        id
    }

    /// What the process does of a request that is approved, as far as the log knows.
    async fn carry_out(&self, id: &str, reviewer: &Person) {
        let deletion_id: DeletionId = id.parse().unwrap();
        self.execute(StartErasure { deletion_id }).await;
        for store in ErasureStore::ALL {
            let step = ErasureStep {
                at: Utc::now(),
                store: *store,
                categories: Vec::new(),
                result: StepResult::Done,
                code: None,
                count: None,
                key_ids: Vec::new(),
            };
            self.execute(RecordErasureStep { deletion_id, step }).await;
        }
        let body = json!({ "deletion_id": id, "backup_deletion_status": "NOT_APPLICABLE" });
        self.send(reviewer, "update-backup-erasure", body).await.accepted();
        let certificate = Certificate {
            statement: "{}".into(),
            public_key: "00".into(),
            signature: "AA==".into(),
        };
        self.execute(CompleteErasure { deletion_id, certificate }).await;
    }
}

struct Scene {
    world: World,
    person: Person,
    /// With the scope `privacy`.
    reviewer: Person,
    global: Person,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let person = world.member().await;
        let reviewer = world.admin(&[AdminScope::Privacy]).await;
        let global = world.admin(&[AdminScope::Global]).await;
        Self { world, person, reviewer, global }
    }

    async fn ask(&self, body: Value) -> Answer {
        self.world.send(&self.person, "request-deletion", body).await
    }
}

#[tokio::test]
async fn ddr_03_rel_06_a_request_goes_from_step_to_step_and_rejections_say_why() {
    let scene = Scene::new().await;
    let (world, reviewer) = (&scene.world, &scene.reviewer);
    let request = scene.ask(asked()).await;
    assert_eq!(request.events(), ["SubjectErasuresChanged", "DeletionRequested"]);
    let id = request.id();
    for early in ["approve-deletion", "reject-deletion"] {
        world.on_deletion(reviewer, early, &id).await.refused(409, "DDR-03");
    }
    let reviewed = world.on_deletion(reviewer, "start-deletion-review", &id).await;
    assert_eq!(reviewed.events(), ["DeletionReviewStarted"]);
    let nameless = world.send(reviewer, "reject-deletion", json!({ "deletion_id": id })).await;
    assert_eq!(nameless.wrong_fields(), [("/reason", Some("DDR-05"))]);
    let rejected = world.on_deletion(reviewer, "reject-deletion", &id).await;
    assert_eq!(rejected.events(), ["DeletionRejected", "SubjectErasuresChanged"]);
    let payload = world.last_payload("deletion_request", &id).await;
    let reason = payload["DeletionRejected"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("sealed:v1:evidence:"), "{reason}");
    world.on_deletion(reviewer, "approve-deletion", &id).await.refused(409, "DDR-03");
    world.on_deletion(&scene.person, "withdraw-deletion-request", &id).await.refused(409, "DDR-03");
    // Who was refused may ask again.
    scene.ask(asked()).await.accepted();
}

#[tokio::test]
async fn ddr_18_one_request_is_open_and_the_first_one_s_time_stays() {
    let scene = Scene::new().await;
    let id = scene.ask(asked()).await.id();
    let before = scene.world.last_payload("deletion_request", &id).await;
    scene.ask(asked()).await.refused(409, "DDR-18");
    assert_eq!(scene.world.last_payload("deletion_request", &id).await, before);
    let member = scene.world.member().await;
    let asks = (0..20).map(|_| scene.world.send(&member, "request-deletion", asked()));
    let answers = futures::future::join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn k18_a_person_takes_its_request_back_before_the_review_and_once() {
    let scene = Scene::new().await;
    let (world, person) = (&scene.world, &scene.person);
    let withdraw = "withdraw-deletion-request";
    let id = scene.ask(asked()).await.id();
    let stranger = world.member().await;
    world.on_deletion(&stranger, withdraw, &id).await.refused(404, "REL-10");
    world.on_deletion(&scene.reviewer, withdraw, &id).await.refused(403, "DDR-03");
    let withdrawn = world.on_deletion(person, withdraw, &id).await;
    assert_eq!(withdrawn.events(), ["DeletionWithdrawn", "SubjectErasuresChanged"]);
    world.on_deletion(person, withdraw, &id).await.refused(409, "DDR-03");
    world.on_deletion(person, withdraw, &unknown_id()).await.refused(404, "REL-10");
    let id = scene.ask(asked()).await.id();
    world.on_deletion(&scene.reviewer, "start-deletion-review", &id).await.accepted();
    world.on_deletion(person, withdraw, &id).await.refused(409, "DDR-03");
}

#[tokio::test]
async fn ddr_01_ddr_02_only_the_listed_words_and_categories_where_they_belong() {
    let scene = Scene::new().await;
    for (body, pointer, rule) in [
        (json!({}), "/legal_ground", "DDR-01"),
        (json!({ "legal_ground": "LEGAL_OBLIGATION" }), "/legal_ground", "DDR-01"),
        (
            json!({ "legal_ground": "OBJECTION", "deletion_scope": "EVERYTHING" }),
            "/deletion_scope",
            "DDR-01",
        ),
        (
            json!({ "legal_ground": "OBJECTION", "data_categories": ["posts"] }),
            "/data_categories/0",
            "DDR-02",
        ),
    ] {
        let answer = scene.ask(body).await;
        assert_eq!(answer.wrong_fields(), [(pointer, Some(rule))]);
    }
    for (scope, categories) in [
        ("PARTIAL_DELETION", json!([])),
        ("PARTIAL_DELETION", Value::Null),
        ("PARTIAL_DELETION", json!(["identity"])),
        ("COMPLETE_DELETION", json!(["content"])),
    ] {
        let body = json!({ "legal_ground": "OBJECTION", "deletion_scope": scope,
                           "data_categories": categories });
        scene.ask(body).await.refused(422, "DDR-02");
    }
    let body = json!({ "legal_ground": "OBJECTION", "deletion_scope": "PARTIAL_DELETION",
                       "data_categories": ["content"] });
    scene.ask(body).await.accepted();
}

#[tokio::test]
async fn ddr_01_the_two_grounds_that_the_seed_lacks_are_taken_where_the_configuration_says_so() {
    let scene = Scene::new().await;
    let grounds = ["LEGAL_OBLIGATION", "SERVICE_OFFERED_TO_CHILD"];
    let ask = async |ground: &str| scene.ask(json!({ "legal_ground": ground })).await;
    let set = async |value: &str| {
        let body = json!({ "key": "extended_deletion_grounds", "value": value });
        scene.world.send(&scene.reviewer, "set-configuration", body).await.accepted();
    };
    for value in [None, Some("false")] {
        if let Some(value) = value {
            set(value).await;
        }
        for ground in grounds {
            let answer = ask(ground).await;
            answer.refused(422, "DDR-01");
            assert_eq!(answer.wrong_fields(), [("/legal_ground", Some("DDR-01"))]);
        }
    }
    set("true").await;
    for ground in grounds {
        let id = ask(ground).await.id();
        let stored = scene.world.last_payload("deletion_request", &id).await;
        assert_eq!(stored["DeletionRequested"]["legal_ground"], ground);
        scene.world.on_deletion(&scene.person, "withdraw-deletion-request", &id).await.accepted();
    }
    // What was asked for while it was taken goes on when it is no more.
    let id = ask(grounds[0]).await.id();
    set("false").await;
    ask("PUBLIC_HEALTH").await.refused(422, "DDR-01");
    for command in ["start-deletion-review", "approve-deletion"] {
        scene.world.on_deletion(&scene.reviewer, command, &id).await.accepted();
    }
}

#[tokio::test]
async fn ddr_07_who_has_not_logged_in_lately_is_verified_and_not_by_who_asked() {
    let scene = Scene::new().await;
    let (world, person) = (&scene.world, &scene.person);
    let verify = "verify-deletion-identity";
    let seed = SeedSession::new(person.actor).aged(TimeDelta::hours(2));
    let old = person.with_token(&seed.token);
    world.execute(seed).await;
    let request = world.send(&old, "request-deletion", asked()).await;
    assert_eq!(request.accepted()["result"]["verification_required"], true);
    let id = request.id();
    world.on_deletion(&scene.reviewer, "start-deletion-review", &id).await.accepted();
    world.on_deletion(&scene.reviewer, "approve-deletion", &id).await.refused(409, "DDR-07");
    world.on_deletion(&old, verify, &id).await.refused(401, "SES-12");
    let stranger = world.member().await;
    world.on_deletion(&stranger, verify, &id).await.refused(404, "REL-10");
    world.on_deletion(person, verify, &id).await.accepted();
    world.on_deletion(person, verify, &id).await.refused(409, "DDR-07");
    world.on_deletion(&scene.reviewer, "approve-deletion", &id).await.accepted();
    // What an admin asks for another verifies.
    let member = world.member().await;
    let mut body = asked();
    body["subject"] = json!({ "kind": "member", "id": member.id() });
    world.send(person, "request-deletion", body.clone()).await.refused(403, "ROL-01");
    let id = world.send(&scene.reviewer, "request-deletion", body.clone()).await.id();
    world.on_deletion(&scene.reviewer, verify, &id).await.refused(409, "DDR-07");
    world.on_deletion(&scene.global, verify, &id).await.accepted();
    world.on_deletion(&scene.global, "start-deletion-review", &id).await.accepted();
    world.on_deletion(&scene.global, "approve-deletion", &id).await.refused(403, "DDR-08");
    world.on_deletion(&scene.reviewer, "approve-deletion", &id).await.accepted();
    body["subject"]["id"] = json!(unknown_id());
    world.send(&scene.reviewer, "request-deletion", body).await.refused(404, "REL-10");
}

#[tokio::test]
async fn ddr_08_nobody_reviews_its_own_request_and_of_admins_it_takes_two() {
    let scene = Scene::new().await;
    let (world, reviewer, global) = (&scene.world, &scene.reviewer, &scene.global);
    let id = world.send(reviewer, "request-deletion", asked()).await.id();
    world.on_deletion(reviewer, "start-deletion-review", &id).await.refused(403, "DDR-08");
    world.on_deletion(global, "start-deletion-review", &id).await.accepted();
    for command in ["approve-deletion", "reject-deletion", "extend-deletion-deadline"] {
        world.on_deletion(reviewer, command, &id).await.refused(403, "DDR-08");
    }
    let first = world.on_deletion(global, "approve-deletion", &id).await;
    assert_eq!(first.events(), ["DeletionApprovalGiven"]);
    world.on_deletion(global, "approve-deletion", &id).await.refused(403, "DDR-08");
    let second = world.admin(&[AdminScope::Privacy]).await;
    let approved = world.on_deletion(&second, "approve-deletion", &id).await;
    assert_eq!(approved.events(), ["DeletionApproved"]);
}

#[tokio::test]
async fn adm_05_the_last_global_admin_is_not_erased() {
    let scene = Scene::new().await;
    let (world, global) = (&scene.world, &scene.global);
    world.send(global, "request-deletion", asked()).await.refused(409, "ADM-05");
    let partial = json!({ "legal_ground": "OBJECTION", "deletion_scope": "PARTIAL_DELETION",
                          "data_categories": ["content"] });
    let id = world.send(global, "request-deletion", partial).await.id();
    world.on_deletion(global, "withdraw-deletion-request", &id).await.accepted();
    let other = world.admin(&[AdminScope::Global]).await;
    let id = world.send(global, "request-deletion", asked()).await.id();
    world.on_deletion(&other, "start-deletion-review", &id).await.accepted();
    world.on_deletion(&other, "approve-deletion", &id).await.accepted();
    // By now it is the last one.
    let retire = json!({ "admin_id": other.id() });
    world.send(global, "retire-admin", retire).await.accepted();
    let reviewer = &scene.reviewer;
    world.on_deletion(reviewer, "approve-deletion", &id).await.refused(409, "ADM-05");
}

#[tokio::test]
async fn ddr_06_ddr_12_what_stays_has_its_ground_and_recipients_are_told() {
    let scene = Scene::new().await;
    let (world, reviewer) = (&scene.world, &scene.reviewer);
    let id = scene.ask(asked()).await.id();
    world.on_deletion(reviewer, "start-deletion-review", &id).await.accepted();
    let approve = async |retention: Value, recipients: Value| {
        let body = json!({ "deletion_id": id, "retention": retention, "recipients": recipients });
        world.send(reviewer, "approve-deletion", body).await
    };
    let retention = |ground: &str, categories: &[&str]| json!({ "ground": ground, "categories": categories, "reason": "It must stay." });
    let wrong = approve(retention("BECAUSE", &["evidence"]), Value::Null).await;
    assert_eq!(wrong.wrong_fields(), [("/retention/ground", Some("DDR-06"))]);
    for categories in [&[][..], &["credential"][..]] {
        let refused = approve(retention("LEGAL_CLAIMS", categories), Value::Null).await;
        refused.refused(422, "DDR-06");
    }
    let twice = approve(Value::Null, json!(["A", "A"])).await;
    twice.refused(422, "DDR-12");
    let address = approve(Value::Null, json!(["kari@example.org"])).await;
    assert_eq!(address.wrong_fields(), [("/recipients/0", Some("DDR-12"))]);
    let approved =
        approve(retention("LEGAL_CLAIMS", &["evidence"]), json!(["Newsletter Ltd"])).await;
    assert_eq!(approved.events(), ["DeletionApproved"]);
    let notify = async |recipient: &str, status: &str| {
        let body = json!({ "deletion_id": id, "recipient": recipient, "status": status });
        world.send(reviewer, "notify-recipient", body).await
    };
    notify("Somebody else", "NOTIFIED").await.refused(422, "DDR-12");
    let pending = notify("Newsletter Ltd", "PENDING").await;
    assert_eq!(pending.wrong_fields(), [("/status", Some("DDR-12"))]);
    assert_eq!(notify("Newsletter Ltd", "NOTIFIED").await.events(), ["RecipientNotified"]);
    let early = json!({ "deletion_id": id, "backup_deletion_status": "COMPLETED" });
    world.send(reviewer, "update-backup-erasure", early).await.refused(409, "DDR-03");
}

#[tokio::test]
async fn ddr_11_the_answer_is_put_off_once() {
    let scene = Scene::new().await;
    let id = scene.ask(asked()).await.id();
    let (world, extend) = (&scene.world, "extend-deletion-deadline");
    world.on_deletion(&scene.reviewer, extend, &id).await.accepted();
    world.on_deletion(&scene.reviewer, extend, &id).await.refused(409, "DDR-11");
}

#[tokio::test]
async fn ddr_18_who_was_erased_is_not_erased_again() {
    let scene = Scene::new().await;
    let world = &scene.world;
    world.erased(&scene.person, &scene.reviewer).await;
    let mut body = asked();
    body["subject"] = json!({ "kind": "member", "id": scene.person.id() });
    world.send(&scene.reviewer, "request-deletion", body).await.refused(410, "DDR-18");
}

#[tokio::test]
async fn ddr_13_ddr_18_what_stayed_by_an_exception_is_erased_once_that_has_ended() {
    let scene = Scene::new().await;
    let (world, reviewer) = (&scene.world, &scene.reviewer);
    let id = scene.ask(asked()).await.id();
    world.on_deletion(reviewer, "start-deletion-review", &id).await.accepted();
    let body = json!({ "deletion_id": id, "retention": { "ground": "LEGAL_CLAIMS",
        "categories": ["evidence"], "reason": "A claim is before the court." } });
    world.send(reviewer, "approve-deletion", body).await.accepted();
    world.carry_out(&id, reviewer).await;

    let mut rest = asked();
    rest["subject"] = json!({ "kind": "member", "id": scene.person.id() });
    let id = world.send(reviewer, "request-deletion", rest.clone()).await.id();
    world.on_deletion(&scene.global, "verify-deletion-identity", &id).await.accepted();
    for command in ["start-deletion-review", "approve-deletion"] {
        world.on_deletion(reviewer, command, &id).await.accepted();
    }
    world.carry_out(&id, reviewer).await;
    world.send(reviewer, "request-deletion", rest).await.refused(410, "DDR-18");
}

/// The reason is the admin's own word then: nothing is sealed for a person any more who is erased.
#[tokio::test]
async fn mod_02_ddr_14_what_an_erased_person_left_can_be_moderated() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let person = world.member().await;
    world.join(&person, &community_id).await;
    let post_id = world.post(&person, &community_id).await;
    let comment = json!({ "post_id": post_id, "body": "A comment." });
    let comment_id = world.send(&person, "create-comment", comment).await.id();
    let others = world.post(&owner, &community_id).await;
    let notice = json!({ "target": { "kind": "post", "id": others }, "ground": "ILLEGAL_CONTENT",
        "explanation": "It sells birds." });
    let notice_id = world.send(&person, "report-content", notice).await.id();

    let subject = person.actor;
    let categories = PersonalCategory::ALL.to_vec();
    world.app.log.vault().destroy(&subject.subject(), &categories).await.unwrap();
    let deletion_id: DeletionId = unknown_id().parse().unwrap();
    let (are_replaced, is_announced) = (false, false);
    let note = NoteKeysDestroyed { deletion_id, subject, categories, are_replaced, is_announced };
    world.execute(note).await;

    let reason = "It is against the law.";
    let on = |thing: &str, id: &str| json!({ thing: id, "reason": reason });
    let decide = json!({ "notice_id": notice_id, "outcome": "NO_ACTION", "reason": reason });
    for (command, body, stream, id) in [
        ("delete-post", on("post_id", &post_id), "post", &post_id),
        ("restore-post", on("post_id", &post_id), "post", &post_id),
        ("delete-comment", on("comment_id", &comment_id), "comment", &comment_id),
        ("restore-comment", on("comment_id", &comment_id), "comment", &comment_id),
        ("decide-content-notice", decide, "content_notice", &notice_id),
    ] {
        world.send(&admin, command, body).await.accepted();
        let stored = world.last_payload(stream, id).await.to_string();
        let own = format!("sealed:v1:content:{}:", admin.id());
        assert!(stored.contains(&own), "{command}: {stored}");
    }
}
