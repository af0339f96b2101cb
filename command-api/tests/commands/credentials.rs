//! CRD: addresses and passwords.

use std::time::Instant;

use agora_command_api::Settings;
use agora_domain::{
    Actor,
    identity::credential::{Credential, CredentialCommand, InvalidateCredential},
    identity::member::Member,
};
use serde_json::{Value, json};

use crate::common::{PASSWORD, Person, World};

async fn credential_id(world: &World, person: &Person) -> String {
    let member = world.app.log.load::<Member>(&person.id()).await.unwrap();
    member.state.credential_id().unwrap().to_string()
}

fn login(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_01_of_two_registrations_of_one_address_at_once_one_succeeds() {
    let world = World::new().await;
    let body = |email: &str| json!({ "email": email, "password": PASSWORD });
    let (one, other) = tokio::join!(
        world.guest("register-member", body("Ola@Example.org")),
        world.guest("register-member", body("ola@example.org")),
    );
    let (accepted, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(accepted.events(), ["CredentialRegistered", "MemberRegistered"]);
    assert_eq!(accepted.body["aggregate_type"], "member");
    refused.refused(422, "CRD-01");
    assert_eq!(world.head().await, 2);
}

#[tokio::test]
async fn crd_01_a_login_matches_the_address_whatever_its_case() {
    let world = World::new().await;
    let member = world.member().await;
    let answer = world.guest("log-in", login(&member.email.to_uppercase(), PASSWORD)).await;
    assert_eq!(answer.body["result"]["principal"], json!({ "kind": "member", "id": member.id() }));
}

#[tokio::test]
async fn crd_02_crd_03_the_hash_is_argon2id_sealed_and_leaves_through_nothing() {
    let world = World::new().await;
    let body = json!({ "email": "ola@example.org", "password": PASSWORD });
    let answer = world.guest("register-member", body).await;
    let credential_id = answer.body["events"][0]["aggregate_id"].as_str().unwrap().to_owned();
    let credential = world.app.log.load_fresh::<Credential>(&credential_id).await.unwrap();
    let hash = credential.state.password_hash().unwrap().as_str().to_owned();
    assert!(hash.starts_with("$argon2id$v=19$m=47104,t=1,p=1$"));
    let stored = world.last_payload("credential", &credential_id).await;
    let sealed = stored["CredentialRegistered"]["password_hash"].as_str().unwrap();
    assert!(sealed.starts_with("sealed:v1:credential:"), "{sealed}");
    let answer = world.guest("log-in", login("ola@example.org", PASSWORD)).await;
    answer.accepted();
    for text in [answer.text, world.get("/openapi.json").await.text] {
        assert!(!text.contains("argon2id") && !text.contains("password_hash"));
    }
}

#[tokio::test]
async fn crd_04_an_invalidated_credential_logs_nobody_in() {
    let world = World::new().await;
    let member = world.member().await;
    let invalidate = InvalidateCredential { invalidated_by: Actor::SYSTEM };
    let credential_id = credential_id(&world, &member).await;
    world.decide::<Credential>(&credential_id, CredentialCommand::Invalidate(invalidate)).await;
    world.guest("log-in", login(&member.email, PASSWORD)).await.refused(401, "CRD-09");
}

#[tokio::test]
async fn crd_05_crd_08_a_password_is_changed_by_whoever_knows_it_and_the_change_is_audited() {
    let world = World::new().await;
    let member = world.member().await;
    let new = "another uncommon phrase of words";
    let change =
        |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let before = world.head().await;
    let wrong = world.send(&member, "change-password", change("not the password", new)).await;
    wrong.refused(403, "CRD-08");
    let common = world.send(&member, "change-password", change(PASSWORD, "password1234")).await;
    common.refused(422, "CRD-08");
    assert_eq!(common.wrong_fields(), [("/new_password", Some("CRD-08"))]);
    assert_eq!(world.head().await, before, "nothing was appended");

    let changed = world.send(&member, "change-password", change(PASSWORD, new)).await;
    assert_eq!(changed.events(), ["PasswordChanged"]);
    let audited: (String, bool) = sqlx::query_as(
        "SELECT metadata->>'actor', recorded_at > clock_timestamp() - interval '1 minute'
         FROM log.events WHERE event_type = 'PasswordChanged'",
    )
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(audited, (member.actor.to_string(), true));
    world.guest("log-in", login(&member.email, PASSWORD)).await.refused(401, "CRD-09");
    world.guest("log-in", login(&member.email, new)).await.accepted();
}

#[tokio::test]
async fn crd_06_twelve_characters_by_default_and_eight_where_it_is_configured() {
    let world = World::new().await;
    let register = |password: &str| json!({ "email": "ola@example.org", "password": password });
    let eleven = world.guest("register-member", register("æ1234567890")).await;
    eleven.refused(422, "CRD-06");
    assert_eq!(eleven.wrong_fields(), [("/password", Some("CRD-06"))]);
    let settings = Settings { password_characters_min: 8, ..Settings::default() };
    let lenient = World::with(settings).await;
    lenient.guest("register-member", register("zq7 xk1")).await.refused(422, "CRD-06");
    lenient.guest("register-member", register("zq7 xk12")).await.accepted();
}

#[tokio::test]
async fn crd_07_a_long_password_is_verified_exactly_as_received() {
    let world = World::new().await;
    let long = format!("  {} \u{e9}e\u{301} ", "words and words ".repeat(20));
    let body = json!({ "email": "ola@example.org", "password": long });
    world.guest("register-member", body).await.accepted();
    world.guest("log-in", login("ola@example.org", &long)).await.accepted();
    for wrong in [long.trim(), &long.replace("e\u{301}", "\u{e9}")] {
        world.guest("log-in", login("ola@example.org", wrong)).await.refused(401, "CRD-09");
    }
    let huge = "x".repeat(1_025);
    world.guest("log-in", login("ola@example.org", &huge)).await.refused(422, "CRD-07");
}

#[tokio::test]
async fn crd_09_a_login_tells_nothing_of_whether_there_is_an_account() {
    let world = World::new().await;
    // Hashed as in earnest, so that the times can be compared.
    let body = json!({ "email": "ola@example.org", "password": PASSWORD });
    world.guest("register-member", body).await.accepted();
    let mut quickest = [u128::MAX; 2];
    let mut answers = Vec::new();
    for _ in 0..3 {
        for (who, email) in ["ola@example.org", "nobody@example.org"].into_iter().enumerate() {
            let begun = Instant::now();
            let answer = world.guest("log-in", login(email, "not the password")).await;
            quickest[who] = quickest[who].min(begun.elapsed().as_micros());
            answer.refused(401, "CRD-09");
            answers.push((answer.headers, answer.text));
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "status, headers and text");
    // Without the decoy an unknown address would be answered a hundred times as fast.
    assert!(quickest[1] * 3 > quickest[0], "{quickest:?} µs");
}

#[tokio::test]
async fn crd_11_the_address_is_sealed_and_indexed_under_a_key() {
    let world = World::new().await;
    let member = world.member().await;
    let credential_id = credential_id(&world, &member).await;
    let stored = world.last_payload("credential", &credential_id).await;
    let sealed = stored["CredentialRegistered"]["email"].as_str().unwrap();
    assert!(sealed.starts_with(&format!("sealed:v1:identity:{}:", member.id())), "{sealed}");
    let key: String = sqlx::query_scalar(
        "SELECT key FROM log.claims WHERE scope = 'email' AND aggregate_id = $1",
    )
    .bind(&credential_id)
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    assert_eq!(key.len(), 43, "base64url of an HMAC-SHA-256");
    assert_eq!(key, world.app.email_index(&member.email.parse().unwrap()));
    let bare = agora_command_api::authenticate::hash(&member.email.to_lowercase());
    assert_ne!(key, agora_command_api::authenticate::claim_key(&bare), "not a bare hash");
}

#[tokio::test]
async fn crd_12_logins_are_limited_by_account_and_forgiven_by_a_success() {
    let settings = Settings { login_failures_per_account: 2, ..Settings::default() };
    let world = World::with(settings).await;
    let (member, other) = (world.member().await, world.member().await);
    let wrong = login(&member.email, "not the password");
    world.guest("log-in", wrong.clone()).await.refused(401, "CRD-09");
    world.guest("log-in", login(&member.email, PASSWORD)).await.accepted();
    for _ in 0..2 {
        world.guest("log-in", wrong.clone()).await.refused(401, "CRD-09");
    }
    let limited = world.guest("log-in", login(&member.email, PASSWORD)).await;
    limited.refused(429, "CRD-12");
    let wait: u32 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=15 * 60 + 1).contains(&wait), "{wait}");
    world.guest("log-in", login(&other.email, PASSWORD)).await.accepted();
    // An address without an account is limited in the same way (CRD-09).
    let nobody = login("nobody@example.org", "not the password");
    for (status, rule) in [(401, "CRD-09"), (401, "CRD-09"), (429, "CRD-12")] {
        world.guest("log-in", nobody.clone()).await.refused(status, rule);
    }
}

#[tokio::test]
async fn crd_12_logins_are_limited_by_the_clients_address() {
    let settings = Settings { login_failures_per_address: 3, ..Settings::default() };
    let world = World::with(settings).await;
    let member = world.member().await;
    for number in 0..3 {
        let body = login(&format!("nobody{number}@example.org"), "not the password");
        world.guest("log-in", body).await.refused(401, "CRD-09");
    }
    world.guest("log-in", login(&member.email, PASSWORD)).await.refused(429, "CRD-12");
}

#[tokio::test]
async fn crd_12_a_stolen_session_cannot_be_used_to_guess_the_password() {
    let settings = Settings { login_failures_per_account: 2, ..Settings::default() };
    let world = World::with(settings).await;
    let member = world.member().await;
    let guess =
        json!({ "current_password": "a wrong guess", "new_password": "a phrase of my own" });
    for (status, rule) in [(403, "CRD-08"), (403, "CRD-08"), (429, "CRD-12")] {
        world.send(&member, "change-password", guess.clone()).await.refused(status, rule);
    }
}
