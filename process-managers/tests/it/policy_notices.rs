//! PPV-12: of a version that is published people are told who accepted one before, each once, and only
//! then is it marked as told of. And LAW-05: whoever had its data restricted is told when that is lifted.

use agora_domain::{
    Decide,
    compliance::{
        policy_acceptance::PolicyAcceptance, policy_version::PolicyVersion,
        processing_limit::ProcessingLimit,
    },
};
use agora_event_store::{Unit, log::Draft, testing::eventually};
use agora_process_managers::{processes::policy_notices::TellOfPolicies, runner};
use chrono::Utc;
use mailin::response;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{smtp_server::SmtpServer, subject_story::project, world::World};

const OLA: &str = "ola@example.org";
const KARI: &str = "kari@example.org";

impl World {
    /// Puts events at the end of a stream.
    async fn tell<A: Decide>(&self, stream: impl ToString, event: Value) {
        let loaded = self.app.log.load_fresh::<A>(&stream.to_string()).await.unwrap();
        let draft = Draft {
            loaded: &loaded,
            events: vec![serde_json::from_value(event).unwrap()],
            event_ids: &mut Uuid::now_v7,
            metadata: r#"{"actor":"system:00000000-0000-0000-0000-000000000000"}"#,
            client_address: None,
        };
        let mut unit = Unit::default();
        self.app.log.draft(&mut unit, draft).await.unwrap();
        self.app.log.append(unit).await.unwrap();
    }

    async fn publish(&self, number: &str, asks: bool) -> Uuid {
        let id = Uuid::now_v7();
        let policy = json!({
            "version_id": id, "version_number": number, "effective_date": "2030-01-01T00:00:00Z",
            "policy_content": "What is stored.", "content_hash": "0a".repeat(32),
            "major_changes": ["Less is stored."], "acceptance_required": asks,
            "legal_review_status": "PUBLISHED",
            "authors": [{ "kind": "admin", "id": Uuid::now_v7() }],
            "reviewed_by": { "kind": "admin", "id": Uuid::now_v7() }, "reviewed_at": Utc::now(),
            "published_at": Utc::now(), "notification_sent": false,
        });
        let by = json!({ "kind": "admin", "id": Uuid::now_v7() });
        let event = json!({ "PolicyPublished": { "policy": policy, "published_by": by } });
        self.tell::<PolicyVersion>(id, event).await;
        id
    }

    async fn accepts(&self, member_id: &str) {
        let event = json!({ "PolicyAccepted": {
            "principal": { "kind": "member", "id": member_id }, "version_id": Uuid::now_v7(),
            "version_number": "v0", "content_hash": "0a".repeat(32), "accepted_at": Utc::now() } });
        self.tell::<PolicyAcceptance>(format!("member:{member_id}"), event).await;
    }

    /// Wake-ups but the one that closes.
    async fn people_waiting(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM process.wake_ups w
             WHERE process = 'policy_notices' AND key IN (SELECT user_id FROM read.policy_acceptances)",
        )
        .fetch_one(&self.database.pool)
        .await
        .unwrap()
    }

    async fn tried_in_vain(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM process.wake_ups w WHERE attempts > 0
             AND process = 'policy_notices' AND key IN (SELECT user_id FROM read.policy_acceptances)",
        )
        .fetch_one(&self.database.pool)
        .await
        .unwrap()
    }

    async fn is_told_of(&self, version_id: Uuid) -> bool {
        let version = self.app.log.load_fresh::<PolicyVersion>(&version_id.to_string()).await;
        version.unwrap().state.document().unwrap().notification_sent
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ppv_12_who_accepted_a_version_before_is_told_of_the_next_once() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    let ola = world.register(OLA).await["aggregate_id"].as_str().unwrap().to_owned();
    let kari = world.register(KARI).await["aggregate_id"].as_str().unwrap().to_owned();
    world.register("new@example.org").await;
    for member_id in [&ola, &kari] {
        world.accepts(member_id).await;
    }
    server.refuse(KARI, response::Response::custom(451, "try later".to_owned()));
    let version_id = world.publish("v1", true).await;
    project(&world.database).await;

    let stop = CancellationToken::new();
    let process = TellOfPolicies { mailer: world.process(Some(server.url())).mailer };
    let running = tokio::spawn(runner::run(process, world.app.clone(), stop.clone()));
    let mail = server.wait_for(OLA, 1).await.remove(0);
    assert_eq!(mail.header("Subject"), "The privacy policy changes");
    for told in ["Version v1", "2030-01-01", "Less is stored.", "accept it"] {
        assert!(mail.text.contains(told), "{told}: {}", mail.text);
    }
    assert!(!world.is_told_of(version_id).await, "one still waits");
    eventually("one was tried in vain", || async { world.tried_in_vain().await == 1 }).await;
    server.refuse_nobody();
    world.hurry().await;
    server.wait_for(KARI, 1).await;
    // What is set anew while it is sent would be sent again.
    eventually("nobody waits", || async { world.people_waiting().await == 0 }).await;
    eventually("everybody is told", || async {
        world.hurry().await;
        world.is_told_of(version_id).await
    })
    .await;
    assert_eq!((server.mails_to(OLA).len(), server.mails_to(KARI).len()), (1, 1));
    assert!(server.mails_to("new@example.org").is_empty(), "who never accepted any");
    eventually("nothing is left to do", || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM process.wake_ups WHERE process = 'policy_notices'",
        )
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
        waiting == 0
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn law_05_who_had_its_data_restricted_is_told_why_that_is_lifted() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    let ola = world.register(OLA).await["aggregate_id"].as_str().unwrap().to_owned();
    let reason = json!({ "$personal": { "subject": ola, "category": "evidence",
        "value": "It was checked, and it was you." } });
    let limit = json!({ "limit_id": Uuid::now_v7(), "principal": { "kind": "member", "id": ola },
        "limit_kind": "RESTRICTION", "ground": "ACCURACY_CONTESTED",
        "since": "2026-01-01T00:00:00Z", "ended_at": "2026-01-02T00:00:00Z" });
    let lifted = json!({ "RestrictionLifted": { "limit": limit,
        "lifted_by": { "kind": "admin", "id": Uuid::now_v7() }, "lifting_reason": reason } });
    world.tell::<ProcessingLimit>(format!("member:{ola}"), lifted).await;
    let running = world.run(Some(&server));
    let mail = server.wait_for(OLA, 1).await.remove(0);
    assert_eq!(mail.header("Subject"), "Your data is no longer restricted");
    assert!(mail.text.contains("it was you"), "{}", mail.text);
    running.stop().await;
}
