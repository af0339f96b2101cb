//! CRD: addresses that are confirmed by mail, passwords that are reset by mail. The tokens are made
//! as the process makes them that sends the mails; that they arrive, its own tests tell.

use std::time::Instant;

use agora_command_api::Settings;
use agora_domain::{
    identity::{credential::Credential, member::Member, values::AdminScope},
    ids::{CredentialId, PasswordResetId},
};
use serde_json::{Value, json};

use crate::common::{Answer, PASSWORD, Person, World, unique};

const NEW: &str = "another uncommon phrase of words";

async fn credential_id(world: &World, person: &Person) -> CredentialId {
    let member = world.app.log.load::<Member>(&person.id()).await.unwrap();
    member.state.credential_id().unwrap()
}

async fn credential(world: &World, id: CredentialId) -> Credential {
    let loaded = world.app.log.load_fresh::<Credential>(&id.to_string()).await.unwrap();
    Credential::clone(&loaded.state)
}

/// The token of the mail that somebody's reset sends.
async fn reset_token(world: &World, person: &Person, reset: &Answer) -> String {
    let reset_id: PasswordResetId = reset.id().parse().unwrap();
    let credential_id = credential_id(world, person).await;
    let credential = credential(world, credential_id).await;
    let token = world.app.password_reset_token(reset_id, credential_id, &credential);
    token.unwrap().to_string()
}

/// The token of the mail that waits for a confirmation.
async fn confirmation_token(world: &World, credential_id: CredentialId) -> String {
    let confirmation_id = credential(world, credential_id).await.awaited().unwrap().confirmation_id;
    world.app.email_confirmation_token(confirmation_id, credential_id).to_string()
}

async fn request_reset(world: &World, email: &str) -> Answer {
    world.guest("request-password-reset", json!({ "email": email })).await
}

async fn reset(world: &World, token: &str, password: &str) -> Answer {
    world.guest("reset-password", json!({ "token": token, "password": password })).await
}

async fn confirm(world: &World, token: &str) -> Answer {
    world.guest("confirm-email", json!({ "token": token })).await
}

/// Confirms a registration.
async fn confirm_with(world: &World, token: &str, password: &str) -> Answer {
    world.guest("confirm-email", json!({ "token": token, "password": password })).await
}

async fn log_in(world: &World, email: &str, password: &str) -> Answer {
    world.guest("log-in", json!({ "email": email, "password": password })).await
}

async fn change_email(world: &World, person: &Person, email: &str) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD });
    world.send(person, "change-email", body).await
}

async fn require_confirmation(world: &World) {
    let admin = world.admin(&[AdminScope::Global]).await;
    let body = json!({ "key": "registration_requires_confirmation", "value": "true" });
    world.send(&admin, "set-configuration", body).await.accepted();
}

async fn register(world: &World, email: &str) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD, "display_name": "Ola" });
    world.guest("register-member", body).await
}

#[tokio::test]
async fn crd_05_crd_12_ses_11_a_token_resets_the_password_once_and_ends_all_sessions() {
    let world = World::new().await;
    let member = world.member().await;
    let token = reset_token(&world, &member, &request_reset(&world, &member.email).await).await;
    reset(&world, &token, "password1234").await.refused(422, "CRD-08");
    let done = reset(&world, &token, NEW).await;
    assert_eq!(
        done.events(),
        ["PasswordResetUsed", "PasswordReset", "SessionRevoked", "PrincipalSessionsChanged"]
    );
    world.send(&member, "log-out", json!({})).await.refused(401, "SES-04");
    log_in(&world, &member.email, PASSWORD).await.refused(401, "CRD-09");
    log_in(&world, &member.email, NEW).await.accepted();
    reset(&world, &token, "yet another phrase of words").await.refused(422, "CRD-12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_12_of_two_resets_with_one_token_at_once_one_succeeds() {
    let world = World::new().await;
    let member = world.member().await;
    let token = reset_token(&world, &member, &request_reset(&world, &member.email).await).await;
    let (one, other) = tokio::join!(reset(&world, &token, NEW), reset(&world, &token, PASSWORD));
    let (done, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    done.accepted();
    refused.refused(422, "CRD-12");
}

#[tokio::test]
async fn crd_12_a_token_is_void_after_any_other_change_and_for_anything_else() {
    let world = World::new().await;
    let (member, other) = (world.member().await, world.member().await);
    let asked = request_reset(&world, &member.email).await;
    let token = reset_token(&world, &member, &asked).await;
    // Of somebody else, of another request, cut, or made up.
    let others = reset_token(&world, &other, &asked).await;
    let again = reset_token(&world, &member, &request_reset(&world, &member.email).await).await;
    let mixed = format!("{}{}", &others[..43], &token[43..]);
    let made_up = "A".repeat(86);
    for wrong in [mixed.as_str(), &format!("{}{}", &again[..22], &token[22..]), &made_up] {
        reset(&world, wrong, NEW).await.refused(422, "CRD-12");
    }
    for malformed in ["", "x", &token[1..], &format!("{token}A")] {
        let answer = reset(&world, malformed, NEW).await;
        answer.refused(422, "CRD-12");
        assert_eq!(answer.wrong_fields(), [("/token", Some("CRD-12"))]);
    }
    confirm(&world, &token).await.refused(422, "CRD-12");
    let change = json!({ "current_password": PASSWORD, "new_password": NEW });
    world.send(&member, "change-password", change).await.accepted();
    for token in [&token, &again] {
        reset(&world, token, "yet another phrase of words").await.refused(422, "CRD-12");
    }
    log_in(&world, &other.email, PASSWORD).await.accepted();
}

#[tokio::test]
async fn crd_12_a_token_expires() {
    let settings = Settings { password_reset_seconds: 0, ..Settings::default() };
    let world = World::with(settings).await;
    let member = world.member().await;
    let token = reset_token(&world, &member, &request_reset(&world, &member.email).await).await;
    reset(&world, &token, NEW).await.refused(422, "CRD-12");
    log_in(&world, &member.email, PASSWORD).await.accepted();
}

#[tokio::test]
async fn crd_09_a_request_tells_nothing_of_whether_there_is_an_account() {
    let settings = Settings { mail_requests_per_account: 1_000, ..Settings::default() };
    let world = World::with(settings).await;
    let member = world.member().await;
    let mut answers = Vec::new();
    let mut quickest = [u128::MAX; 2];
    for _ in 0..20 {
        for (who, email) in [member.email.as_str(), "nobody@example.org"].into_iter().enumerate() {
            let before = world.head().await;
            let begun = Instant::now();
            let answer = request_reset(&world, email).await;
            quickest[who] = quickest[who].min(begun.elapsed().as_micros());
            // The log grows alike, too: every read shows how long it is.
            assert_eq!(world.head().await, before + 1);
            let mut body = answer.accepted().clone();
            for volatile in ["command_id", "aggregate_id", "position"] {
                body[volatile] = Value::Null;
            }
            for volatile in ["event_id", "aggregate_id", "position"] {
                body["events"][0][volatile] = Value::Null;
            }
            answers.push((answer.headers, body));
        }
    }
    let same = |pair: &[(axum::http::HeaderMap, Value)]| {
        let length = |headers: &axum::http::HeaderMap| headers.keys().count();
        pair[0].1 == pair[1].1 && length(&pair[0].0) == length(&pair[1].0)
    };
    assert!(answers.windows(2).all(same), "{answers:?}");
    let (slow, quick) = (quickest.iter().max().unwrap(), quickest.iter().min().unwrap());
    assert!(*slow < quick * 3, "{quickest:?} µs");
}

#[tokio::test]
async fn crd_12_mails_are_limited_by_account_and_by_the_clients_address() {
    let settings = Settings {
        mail_requests_per_account: 2,
        mail_requests_per_address: 6,
        ..Settings::default()
    };
    let world = World::with(settings).await;
    let member = world.member().await;
    for email in [member.email.clone(), "nobody@example.org".to_owned()] {
        request_reset(&world, &email).await.accepted();
        request_reset(&world, &email.to_uppercase()).await.accepted();
        request_reset(&world, &email).await.refused(429, "CRD-12");
    }
    // Those that were refused count for the client, too.
    request_reset(&world, "somebody@example.org").await.refused(429, "CRD-12");
}

#[tokio::test]
async fn crd_12_an_admin_starts_a_reset_and_never_chooses_the_password() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let body = json!({ "member_id": member.id() });
    let started = world.send(&admin, "start-password-reset", body.clone()).await;
    assert_eq!(started.events(), ["PasswordResetRequested"]);
    let token = reset_token(&world, &member, &started).await;
    assert!(!started.text.contains(&token[22..]), "only the mail has it");
    log_in(&world, &member.email, PASSWORD).await.accepted();
    reset(&world, &token, NEW).await.accepted();
    let mark = json!({ "member_id": member.id(), "reason": "Asked for by letter." });
    world.send(&admin, "mark-member-for-deletion", mark).await.accepted();
    world.send(&admin, "delete-member", body.clone()).await.accepted();
    world.send(&admin, "start-password-reset", body).await.refused(410, "MEM-07");
}

#[tokio::test]
async fn crd_10_another_address_needs_the_password_and_its_own_confirmation() {
    let world = World::new().await;
    let member = world.member().await;
    let new = format!("{}@example.org", unique("new"));
    let wrong = json!({ "email": new, "password": "not the password" });
    world.send(&member, "change-email", wrong).await.refused(403, "CRD-10");
    let asked = change_email(&world, &member, &new).await;
    assert_eq!(asked.events(), ["EmailChangeRequested"]);
    log_in(&world, &new, PASSWORD).await.refused(401, "CRD-09");
    log_in(&world, &member.email, PASSWORD).await.accepted();
    let id = credential_id(&world, &member).await;
    let token = confirmation_token(&world, id).await;
    assert_eq!(confirm(&world, &token).await.events(), ["EmailChanged"]);
    log_in(&world, &new, PASSWORD).await.accepted();
    log_in(&world, &member.email, PASSWORD).await.refused(401, "CRD-09");
    confirm(&world, &token).await.refused(422, "CRD-12");
    // The old address is free again.
    let body = json!({ "email": member.email, "password": PASSWORD });
    world.guest("register-member", body).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_01_of_two_who_confirm_one_address_at_once_one_gets_it() {
    let world = World::new().await;
    let (ola, kari) = (world.member().await, world.member().await);
    let new = format!("{}@example.org", unique("new"));
    let mut tokens = Vec::new();
    for (person, email) in [(&ola, new.clone()), (&kari, new.to_uppercase())] {
        change_email(&world, person, &email).await.accepted();
        let id = credential_id(&world, person).await;
        tokens.push(confirmation_token(&world, id).await);
    }
    let (one, other) = tokio::join!(confirm(&world, &tokens[0]), confirm(&world, &tokens[1]));
    let (done, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    done.accepted();
    refused.refused(422, "CRD-01");
}

#[tokio::test]
async fn mem_05_a_link_in_a_mail_does_no_more_than_a_session_could() {
    let world = World::new().await;
    let (admin, member) = (world.admin(&[]).await, world.member().await);
    let new = format!("{}@example.org", unique("new"));
    change_email(&world, &member, &new).await.accepted();
    let id = credential_id(&world, &member).await;
    let token = confirmation_token(&world, id).await;
    world.send(&admin, "suspend-member", json!({ "member_id": member.id() })).await.accepted();
    confirm(&world, &token).await.refused(403, "MEM-05");
}

#[tokio::test]
async fn crd_09_where_confirmation_is_required_a_registration_tells_nothing_and_waits() {
    let world = World::new().await;
    require_confirmation(&world).await;
    let member = world.member().await;
    let free = format!("{}@example.org", unique("new"));
    let mut shapes = Vec::new();
    for email in [&member.email, &free] {
        let answer = register(&world, email).await;
        let events = ["CredentialRegistered", "EmailConfirmationRequested"];
        assert_eq!(answer.events(), events);
        assert_eq!(answer.result("confirmation"), "by_mail");
        shapes.push(answer.body.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    }
    assert_eq!(shapes[0], shapes[1]);
    log_in(&world, &free, PASSWORD).await.refused(401, "CRD-09");

    let waiting = register(&world, &free).await.id().parse().unwrap();
    let token = confirmation_token(&world, waiting).await;
    let confirmed = confirm_with(&world, &token, PASSWORD).await;
    assert_eq!(confirmed.events(), ["EmailConfirmed", "MemberRegistered"]);
    let login = log_in(&world, &free, PASSWORD).await;
    assert_eq!(login.body["result"]["principal"]["id"], confirmed.id());
    let state = world.app.log.load::<Member>(&confirmed.id()).await.unwrap().state;
    assert_eq!(state.display_name().unwrap().get().unwrap().as_str(), "Ola");
    confirm(&world, &token).await.refused(422, "CRD-12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_01_of_two_registrations_that_are_confirmed_at_once_one_becomes_a_member() {
    let world = World::new().await;
    require_confirmation(&world).await;
    let mut tokens = Vec::new();
    for email in ["ola@example.org", "OLA@example.org"] {
        let waiting = register(&world, email).await.id().parse().unwrap();
        tokens.push(confirmation_token(&world, waiting).await);
    }
    let (one, other) = tokio::join!(
        confirm_with(&world, &tokens[0], PASSWORD),
        confirm_with(&world, &tokens[1], PASSWORD)
    );
    let (done, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    done.accepted();
    refused.refused(422, "CRD-01");
    // Nor does a registration that still waits take over an account.
    log_in(&world, "ola@example.org", PASSWORD).await.accepted();
}

#[tokio::test]
async fn crd_09_nobody_confirms_a_registration_that_somebody_else_began() {
    let world = World::new().await;
    require_confirmation(&world).await;
    let email = format!("{}@example.org", unique("new"));
    let mut tokens = Vec::new();
    for password in [NEW, PASSWORD] {
        let body = json!({ "email": email, "password": password });
        let waiting = world.guest("register-member", body).await.id().parse().unwrap();
        tokens.push(confirmation_token(&world, waiting).await);
    }
    let [theirs, own] = [&tokens[0], &tokens[1]];
    let missing = confirm(&world, theirs).await;
    missing.refused(422, "CRD-09");
    assert_eq!(missing.wrong_fields(), [("/password", Some("CRD-09"))]);
    // A wrong password and a wrong token are told apart by nobody.
    let wrong = confirm_with(&world, theirs, PASSWORD).await;
    wrong.refused(422, "CRD-12");
    let made_up = confirm_with(&world, &"A".repeat(86), PASSWORD).await;
    assert_eq!(wrong.problem(422)["detail"], made_up.problem(422)["detail"]);
    log_in(&world, &email, NEW).await.refused(401, "CRD-09");
    confirm_with(&world, own, PASSWORD).await.accepted();
    log_in(&world, &email, PASSWORD).await.accepted();
    log_in(&world, &email, NEW).await.refused(401, "CRD-09");
    confirm_with(&world, theirs, NEW).await.refused(422, "CRD-01");
}

#[tokio::test]
async fn crd_12_guesses_at_the_password_of_a_registration_are_limited() {
    let settings = Settings { login_failures_per_account: 2, ..Settings::default() };
    let world = World::with(settings).await;
    require_confirmation(&world).await;
    let email = format!("{}@example.org", unique("new"));
    let waiting = register(&world, &email).await.id().parse().unwrap();
    let token = confirmation_token(&world, waiting).await;
    for _ in 0..2 {
        confirm_with(&world, &token, NEW).await.refused(422, "CRD-12");
    }
    confirm_with(&world, &token, PASSWORD).await.refused(429, "CRD-12");
}

#[tokio::test]
async fn crd_12_a_confirmation_expires() {
    let settings = Settings { email_confirmation_seconds: 0, ..Settings::default() };
    let world = World::with(settings).await;
    let member = world.member().await;
    change_email(&world, &member, "kari@example.org").await.accepted();
    let id = credential_id(&world, &member).await;
    let token = confirmation_token(&world, id).await;
    confirm(&world, &token).await.refused(422, "CRD-12");
}
