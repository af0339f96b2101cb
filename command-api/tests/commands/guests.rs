//! GST: guests come, come back, are forgotten, and register.

use agora_command_api::{
    Settings,
    authenticate::{self, GUEST_SIGNATURE},
};
use agora_domain::{
    identity::guest::{Guest, GuestCommand, SeeGuest},
    ids::GuestId,
};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    common::{Answer, CLIENT, Call, PASSWORD, World, examples, unknown_id},
    personal_data::dump,
};

/// A guest that can come back.
#[derive(Clone)]
pub struct Visitor {
    pub id: String,
    pub signature: String,
}

impl Visitor {
    pub fn call(&self, command: &str, body: Value) -> Call {
        Call::new(command).header("agora-guest", &self.signature).body(body)
    }
}

impl World {
    pub async fn visitor(&self) -> Visitor {
        let answer = self.guest("record-guest-visit", json!({})).await;
        Visitor { id: answer.id(), signature: answer.result("session_signature") }
    }

    pub async fn send_as_guest(&self, guest: &Visitor, command: &str, body: Value) -> Answer {
        self.request(guest.call(command, body)).await
    }
}

/// What the log holds of the streams that name this id.
async fn events_naming(world: &World, id: &str) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT event_type, metadata::text FROM log.events
         WHERE position(($1)::text IN payload::text || metadata::text || aggregate_id) > 0
         ORDER BY position",
    )
    .bind(id)
    .fetch_all(&world.database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn gst_01_nothing_personal_is_stored_with_a_guest() {
    let world = World::new().await;
    let call =
        Call::new("record-guest-visit").header("user-agent", "A rare device").body(json!({}));
    let answer = world.request(call).await;
    assert_eq!(answer.events(), ["GuestFirstSeen"]);
    let stored = world.last_payload("guest", &answer.id()).await;
    let fields: Vec<&String> = stored["GuestFirstSeen"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["first_seen_at", "guest_id", "session_signature"]);
    let metadata = events_naming(&world, &answer.id()).await.remove(0).1;
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    // Where it came from is sealed under the day, whose key ends with the retention.
    let address = metadata["ip"].as_str().unwrap();
    let day = format!("sealed:v1:network:day-{}", Utc::now().date_naive());
    assert!(address.starts_with(&day), "{address}");
    let whole = dump(&world).await;
    for secret in ["A rare device", CLIENT, answer.result("session_signature").as_str()] {
        assert!(!whole.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn gst_03_a_signature_is_unique_and_given_out_once() {
    let world = World::new().await;
    let (one, other) = (world.visitor().await, world.visitor().await);
    assert_eq!(one.signature.len(), 43, "256 bits in base64url");
    assert_ne!((&one.id, &one.signature), (&other.id, &other.signature));
    let again = world.send_as_guest(&one, "record-guest-visit", json!({})).await;
    assert_eq!((again.id(), again.result("guest_id")), (one.id.clone(), one.id.clone()));
    assert!(again.accepted()["result"]["session_signature"].is_null());
    let stored = world.last_payload("guest", &one.id).await;
    let digest = stored["GuestFirstSeen"]["session_signature"].as_str().unwrap().to_owned();
    assert_eq!(digest, authenticate::claim_key(&authenticate::hash(&one.signature)));
    // What is stored and served lets nobody in.
    let thief = Visitor { signature: digest, ..one.clone() };
    world.send_as_guest(&thief, "record-guest-visit", json!({})).await.refused(401, "GST-05");
    // The reply holds a secret, so no receipt keeps it.
    let call = Call::new("record-guest-visit").header("idempotency-key", "k").body(json!({}));
    world.request(call).await.refused(400, "ESX-04");
    // Twice the header is nobody's, and a session's token is no signature.
    let twice = one.call("record-guest-visit", json!({})).also("agora-guest", &other.signature);
    world.request(twice).await.refused(401, "GST-03");
    let member = world.member().await;
    world.send(&member, "visit-community", json!({ "community_id": unknown_id() })).await;
    let mixed = Visitor { signature: member.token.clone(), ..one };
    world.send_as_guest(&mixed, "record-guest-visit", json!({})).await.refused(401, "GST-05");
}

#[tokio::test]
async fn gst_04_activity_is_noted_once_an_hour() {
    let world = World::new().await;
    let guest_id = GuestId(Uuid::now_v7());
    let see = |ago: TimeDelta| {
        let now = Utc::now() - ago;
        GuestCommand::See(SeeGuest { guest_id, session_signature: None, now })
    };
    let id = guest_id.to_string();
    world.decide::<Guest>(&id, see(TimeDelta::hours(2))).await;
    let guest = Visitor { id: id.clone(), signature: "s".repeat(43) };
    sqlx::query("INSERT INTO log.claims (scope, key, aggregate_id) VALUES ($1, $2, $3)")
        .bind(GUEST_SIGNATURE)
        .bind(authenticate::claim_key(&authenticate::hash(&guest.signature)))
        .bind(&id)
        .execute(&world.database.pool)
        .await
        .unwrap();
    let first = world.send_as_guest(&guest, "record-guest-visit", json!({})).await;
    assert_eq!(first.events(), ["GuestActive"]);
    for _ in 0..3 {
        let again = world.send_as_guest(&guest, "record-guest-visit", json!({})).await;
        assert!(again.events().is_empty());
    }
}

#[tokio::test]
async fn gst_05_a_forgotten_guest_cannot_act() {
    let world = World::new().await;
    let twin = world.twin().await;
    let (guest, other) = (world.visitor().await, world.visitor().await);
    // Both instances know the signature by now.
    for instance in [&world, &twin] {
        instance.send_as_guest(&guest, "record-guest-visit", json!({})).await.accepted();
    }
    let named = json!({ "guest_id": guest.id });
    world.send_as_guest(&other, "forget-guest", named.clone()).await.refused(404, "REL-10");
    world.guest("forget-guest", named.clone()).await.refused(401, "SES-13");
    let answer = world.send_as_guest(&guest, "forget-guest", json!({})).await;
    assert_eq!(answer.events(), ["GuestForgotten"]);
    for instance in [&world, &twin, &world.twin().await] {
        for command in ["record-guest-visit", "forget-guest", "create-comment"] {
            let body = examples()[command].clone();
            instance.send_as_guest(&guest, command, body).await.refused(401, "GST-05");
        }
    }
    world.send_as_guest(&other, "forget-guest", json!({ "guest_id": other.id })).await.accepted();
}

#[tokio::test]
async fn gst_05_an_admin_forgets_any_guest_and_no_member_does() {
    let world = World::new().await;
    let (admin, member, guest) =
        (world.admin(&[]).await, world.member().await, world.visitor().await);
    let body = json!({ "guest_id": guest.id });
    world.send(&member, "forget-guest", body.clone()).await.refused(403, "ROL-01");
    let missing = world.send(&admin, "forget-guest", json!({})).await;
    missing.problem(400);
    assert_eq!(missing.wrong_fields(), [("/guest_id", None)]);
    let unknown = json!({ "guest_id": unknown_id() });
    world.send(&admin, "forget-guest", unknown).await.refused(404, "REL-10");
    assert_eq!(world.send(&admin, "forget-guest", body.clone()).await.events(), ["GuestForgotten"]);
    assert!(world.send(&admin, "forget-guest", body).await.events().is_empty());
    world.send_as_guest(&guest, "record-guest-visit", json!({})).await.refused(401, "GST-05");
}

#[tokio::test]
async fn gst_06_a_member_who_was_a_guest_is_counted_and_not_linked() {
    let world = World::new().await;
    let guest = world.visitor().await;
    let body = json!({ "email": "ola@example.org", "password": PASSWORD });
    let registered = guest.call("register-member", body.clone()).header("idempotency-key", "one");
    let member_id = world.request(registered).await.id();
    world.send_as_guest(&guest, "log-in", body).await.accepted();
    // Nothing that says who the member is says who the guest was, receipts and records included.
    let events = events_naming(&world, &guest.id).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, "GuestFirstSeen");
    let whole = dump(&world).await;
    for row in whole.lines() {
        assert!(!(row.contains(&guest.id) && row.contains(&member_id)), "{row}");
    }
    let of_member = events_naming(&world, &member_id).await;
    let counted: Vec<&str> = of_member
        .iter()
        .filter(|(_, metadata)| metadata.contains(r#""was_guest":"true""#))
        .map(|(event_type, _)| event_type.as_str())
        .collect();
    assert_eq!(counted, ["CredentialRegistered", "MemberRegistered"]);
    // A signature that does not hold keeps nobody from registering, and counts for nothing.
    let nobody = Visitor { signature: "x".repeat(43), ..guest };
    let body = json!({ "email": "kari@example.org", "password": PASSWORD });
    let other = world.send_as_guest(&nobody, "register-member", body).await.id();
    let events = events_naming(&world, &other).await;
    assert!(events.iter().all(|(_, metadata)| !metadata.contains("was_guest")));
}

#[tokio::test]
async fn one_address_makes_only_so_many_guests() {
    let settings = Settings { new_guests_per_address: 2, ..Settings::default() };
    let world = World::with(settings).await;
    let guest = world.visitor().await;
    world.visitor().await;
    let refused = world.guest("record-guest-visit", json!({})).await;
    refused.problem(429);
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    // Who is a guest already comes back as often as it likes.
    world.send_as_guest(&guest, "record-guest-visit", json!({})).await.accepted();
}
