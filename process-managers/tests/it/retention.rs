//! What is kept of people that nobody knows, and for how long.

use agora_command_api::Settings;
use agora_domain::{
    PersonalCategory, Subject,
    identity::{
        credential::Credential,
        password_reset::{PasswordReset, PasswordResetEvent},
    },
};
use agora_event_store::{RecordedEvent, read, testing::eventually, vault::SubjectKey};
use agora_process_managers::{
    processes::{Process, registration_expiry::RegistrationExpiry},
    retention::{self, RetentionArgs},
    runner,
};
use agora_service::clock;
use chrono::TimeDelta;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    mail::require_confirmation,
    world::{PASSWORD, World},
};

const OLA: &str = "ola@example.org";
const RETENTION: RetentionArgs = RetentionArgs { day_keys_days: 90 };

impl World {
    async fn first_event(&self, event_type: &str) -> RecordedEvent {
        let mut connection = self.database.pool.acquire().await.unwrap();
        let types = [event_type.to_owned()];
        let head = read::head(&mut connection).await.unwrap();
        read::of_types(&mut connection, 0, head, 1, &types).await.unwrap().remove(0)
    }

    /// The address that the reset was asked for, as far as it can be opened.
    async fn reset_address(&self, event: &RecordedEvent) -> Option<String> {
        // Another process, which has no key in memory.
        let log = self.database.log().await;
        let event = log.read_event::<PasswordReset>(event).await.unwrap();
        let PasswordResetEvent::PasswordResetRequested { email, .. } = event else { panic!() };
        email.unwrap().get().map(|email| email.as_str().to_owned())
    }
}

#[tokio::test]
async fn crd_09_a_reset_s_address_cannot_be_opened_after_the_retention() {
    let world = World::new().await;
    let body = json!({ "email": OLA });
    world.accepted(world.send(None, "request-password-reset", body.clone()).await);
    let event = world.first_event("PasswordResetRequested").await;
    assert_eq!(world.reset_address(&event).await.as_deref(), Some(OLA));
    let vault = world.app.log.vault();
    let now = clock::now();
    // On the last day of the retention it is still there.
    assert_eq!(retention::destroy(vault, RETENTION, now).await.unwrap(), 0);
    let last = retention::destroy(vault, RETENTION, now + TimeDelta::days(90)).await.unwrap();
    assert_eq!(last, 0);
    assert_eq!(world.reset_address(&event).await.as_deref(), Some(OLA));
    let after = now + TimeDelta::days(91);
    let destroyed = retention::destroy(vault, RETENTION, after).await.unwrap();
    assert!(destroyed >= 2, "identity and network: {destroyed}");
    assert_eq!(world.reset_address(&event).await, None);
    assert_eq!(retention::destroy(vault, RETENTION, after).await.unwrap(), 0, "once is enough");
    // The key of a day is never made again, and people's keys are not touched.
    world.send(None, "request-password-reset", body).await;
    assert_eq!(world.reset_address(&event).await, None);
    let day = (Subject::day(now.date_naive()), PersonalCategory::Identity);
    let key = world.database.vault().look_up(&[day.clone()]).await.unwrap().remove(&day);
    assert!(matches!(key, Some(SubjectKey::Destroyed)));
}

#[tokio::test]
async fn aud_08_people_s_keys_stay_when_those_of_days_go() {
    let world = World::new().await;
    world.register(OLA).await;
    let after = clock::now() + TimeDelta::days(400);
    retention::destroy(world.app.log.vault(), RETENTION, after).await.unwrap();
    let event = world.first_event("CredentialRegistered").await;
    let log = world.database.log().await;
    let credential = log.load_fresh::<Credential>(&event.aggregate_id).await.unwrap();
    assert_eq!(credential.state.email().unwrap().as_str(), OLA);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_12_a_registration_that_nobody_confirmed_leaves_nothing_that_can_be_opened() {
    let settings = Settings { email_confirmation_seconds: 1, ..Settings::default() };
    let world = World::with(settings).await;
    require_confirmation(&world).await;
    world.register(OLA).await;
    let event = world.first_event("CredentialRegistered").await;
    let stop = CancellationToken::new();
    let running = runner::run(RegistrationExpiry, world.app.clone(), stop.clone());
    let running = tokio::spawn(running);
    eventually("the registration is dropped", || async {
        let log = world.database.log().await;
        let credential = log.load_fresh::<Credential>(&event.aggregate_id).await.unwrap();
        credential.state.dropped_holder().is_some() && credential.state.email().is_none()
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    let log = world.database.log().await;
    let credential = log.load_fresh::<Credential>(&event.aggregate_id).await.unwrap();
    assert!(credential.state.unconfirmed_password_hash().is_none());
    // A replay does nothing twice.
    let (process, head) = (RegistrationExpiry, credential.sequence);
    let requested = world.first_event("EmailConfirmationRequested").await;
    let credential_id = event.aggregate_id.parse().unwrap();
    let drop =
        agora_domain::process_managers::registration_expiry::DropRegistration { credential_id };
    process.send(&world.app, drop, requested.event_id).await.unwrap();
    let credential = log.load_fresh::<Credential>(&event.aggregate_id).await.unwrap();
    assert_eq!(credential.sequence, head);
    // Somebody else registers with the address as if nothing had been.
    world.register(OLA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_12_a_registration_that_was_confirmed_stays() {
    let world = World::new().await;
    world.register(OLA).await;
    let event = world.first_event("CredentialRegistered").await;
    let credential_id = event.aggregate_id.parse().unwrap();
    let drop =
        agora_domain::process_managers::registration_expiry::DropRegistration { credential_id };
    RegistrationExpiry.send(&world.app, drop, event.event_id).await.unwrap();
    assert!(world.log_in(OLA, PASSWORD).await.is_some());
}
