//! Guests as the API knows them, and as admins read them.

use agora_domain::{
    Actor, Personal, PersonalCategory,
    content::{
        comment::{Comment, CommentEvent},
        moderation::ModerationAction,
    },
    identity::{
        guest::{Guest, GuestEvent, SignatureDigest},
        member::{Member, MemberEvent},
        values::AdminScope,
    },
    ids::{CredentialId, GuestId, MemberId},
};
use agora_event_store::{
    Position, Unit,
    log::Draft,
    unit::{Claim, Release},
};
use agora_service::clock;
use axum::http::Request;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{CLIENT, Reply, User, World};

struct Visitor {
    id: GuestId,
    signature: String,
}

impl Visitor {
    fn as_author(&self, like: &User) -> User {
        User { actor: Actor::guest(self.id), ..like.clone() }
    }
}

impl World {
    async fn visitor(&self) -> Visitor {
        let guest_id = GuestId(clock::new_id());
        let signature = URL_SAFE_NO_PAD.encode(Sha256::digest(guest_id.to_string()));
        let key = URL_SAFE_NO_PAD.encode(Sha256::digest(&signature));
        let seen = GuestEvent::GuestFirstSeen {
            guest_id,
            session_signature: Some(SignatureDigest::of_sha256(key.as_str())),
            first_seen_at: clock::now(),
        };
        let mut unit = Unit::default();
        self.draft::<Guest>(&mut unit, Actor::SYSTEM, guest_id, vec![seen]).await;
        let aggregate_id = guest_id.to_string();
        unit.takes.push(Claim { scope: "guest_signature", key, aggregate_id });
        self.write(unit).await;
        Visitor { id: guest_id, signature }
    }

    async fn forget(&self, guest: &Visitor) -> Position {
        let forgotten =
            GuestEvent::GuestForgotten { guest_id: guest.id, forgotten_by: Actor::guest(guest.id) };
        let mut unit = Unit::default();
        let actor = Actor::guest(guest.id);
        self.draft::<Guest>(&mut unit, actor, guest.id, vec![forgotten]).await;
        let aggregate_id = guest.id.to_string();
        unit.releases.push(Release { scope: "guest_signature", aggregate_id });
        self.write(unit).await
    }

    async fn get_with(&self, guest: &Visitor, path: &str) -> Reply {
        self.send(Request::get(path).header("agora-guest", &guest.signature)).await
    }

    /// A registration, with what the command API says in its metadata.
    async fn registered(&self, metadata: &str) -> Position {
        let member_id = MemberId(clock::new_id());
        let registered = MemberEvent::MemberRegistered {
            member_id,
            credential_id: CredentialId(clock::new_id()),
            display_name: None,
        };
        let loaded = self.log.load_fresh::<Member>(&member_id.to_string()).await.unwrap();
        let draft = Draft {
            loaded: &loaded,
            events: vec![registered],
            event_ids: &mut clock::new_id,
            metadata,
            client_address: Some((&Actor::member(member_id).subject(), CLIENT)),
        };
        let mut unit = Unit::default();
        self.log.draft(&mut unit, draft).await.unwrap();
        self.write(unit).await
    }
}

#[tokio::test]
async fn gst_03_gst_05_admins_list_guests_and_see_no_signature_that_acts() {
    let world = World::new().await;
    let (admin, auditor) = (world.admin(&[]).await, world.admin(&[AdminScope::Auditor]).await);
    let member = world.member(None).await;
    let guests = [world.visitor().await, world.visitor().await, world.visitor().await];
    world.forget(&guests[0]).await;
    let position = world.project().await;
    let first = world.get_as(&admin, &format!("/v1/guests?limit=2&min_position={position}")).await;
    assert!(first.position() >= position);
    let first = first.ok();
    let next = format!("/v1/guests?limit=2&cursor={}", first["next"].as_str().unwrap());
    let second = world.get_as(&admin, &next).await.ok();
    let listed: Vec<Value> = [&first, &second]
        .iter()
        .flat_map(|part| part["items"].as_array().unwrap().clone())
        .collect();
    let ids: Vec<_> = listed.iter().map(|guest| guest["id"].clone()).collect();
    assert_eq!(ids, [2, 1, 0].map(|number: usize| json!(guests[number].id)));
    assert!(listed[2]["deleted_at"].is_string() && listed[1]["deleted_at"].is_null());
    for guest in &listed {
        let fields: Vec<&String> = guest.as_object().unwrap().keys().collect();
        let expected =
            ["created_at", "deleted_at", "id", "sequence", "session_signature", "updated_at"];
        assert_eq!(fields, expected, "gst_01: nothing more is known");
    }
    // What is shown is not what a guest shows.
    let shown = listed[0]["session_signature"].as_str().unwrap().to_owned();
    assert_ne!(shown, guests[2].signature);
    let thief = Visitor { id: guests[2].id, signature: shown };
    assert_eq!(world.get_with(&thief, "/v1/categories").await.problem(401)["rule"], "GST-05");
    world.get_as(&member, "/v1/guests").await.problem(403);
    world.get_as(&auditor, "/v1/guests").await.problem(403);
    world.get("/v1/guests").await.problem(401);
    world.get_as(&admin, "/v1/guests?cursor=AAAA").await.problem(400);
}

#[tokio::test]
async fn mod_06_a_guest_is_told_what_became_of_its_comment_and_why() {
    let world = World::new().await;
    let (owner, admin) = (world.member(None).await, world.admin(&[]).await);
    let community = world.community_of(&owner, "rustaceans").await;
    let post = world.post(&owner, community, "A post for everybody").await;
    let (guest, other) = (world.visitor().await, world.visitor().await);
    let comment =
        world.comment(&guest.as_author(&owner), post, None, "A comment of a guest.").await;
    let reason = "Off topic.".parse().unwrap();
    let author = Actor::guest(guest.id);
    let moderated = CommentEvent::CommentModerated {
        action: ModerationAction::Delete,
        moderator: admin.actor,
        reason: Personal::new(author.subject(), PersonalCategory::Content, reason),
        community_id: community,
        author,
    };
    let deleted = CommentEvent::CommentDeleted { deleted_by: admin.actor };
    world.append::<Comment>(admin.actor, comment, vec![deleted, moderated]).await;
    world.project().await;
    let path = "/v1/me/moderation-notices";
    let told = world.get_with(&guest, path).await.ok();
    assert_eq!(told["items"][0]["comment_id"], comment.to_string());
    assert_eq!(told["items"][0]["action_reason"], "Off topic.");
    assert_eq!(told["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.get_with(&other, path).await.ok()["items"], json!([]));
    assert_eq!(world.get_as(&owner, path).await.ok()["items"], json!([]));
    assert_eq!(world.get(path).await.problem(401)["rule"], "SES-13");
    world.forget(&guest).await;
    assert_eq!(world.get_with(&guest, path).await.problem(401)["rule"], "GST-05");
}

#[tokio::test]
async fn gst_05_a_forgotten_signature_is_refused_at_the_next_request() {
    let world = World::new().await;
    let guest = world.visitor().await;
    world.project().await;
    let reply = world.get_with(&guest, "/v1/categories").await;
    reply.ok();
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("vary"), "authorization, agora-guest");
    world.get_with(&guest, "/v1/me").await.problem(403);
    let both = Request::get("/v1/categories")
        .header("agora-guest", &guest.signature)
        .header("agora-guest", &guest.signature);
    assert_eq!(world.send(both).await.problem(401)["rule"], "GST-03");
    world.forget(&guest).await;
    // The read tables do not know yet, and need not.
    let problem = world.get_with(&guest, "/v1/categories").await.problem(401);
    assert_eq!(problem["rule"], "GST-05");
    // A refusal's address stands under the day: a guest has no key of its own (GST-01).
    let addresses: Vec<String> = sqlx::query_scalar(
        "SELECT ip_address FROM log.security_records WHERE ip_address IS NOT NULL",
    )
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(|it| it.starts_with("sealed:v1:network:day-")), "{addresses:?}");
}

#[tokio::test]
async fn cmt_10_a_guest_reads_its_own_deleted_comment_and_others_do_not() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let post = world.post(&owner, community, "A post of the past").await;
    let (guest, other) = (world.visitor().await, world.visitor().await);
    let author = guest.as_author(&owner);
    let comment = world.comment(&author, post, None, "What a guest says").await;
    world.project().await;
    let path = format!("/v1/comments/{comment}");
    let shown = world.get(&path).await.ok();
    assert_eq!(shown["author_guestuser_id"], json!(guest.id));
    assert_eq!(shown["author_memberuser_id"], Value::Null);
    let deleted = CommentEvent::CommentDeleted { deleted_by: author.actor };
    world.append::<Comment>(author.actor, comment, vec![deleted]).await;
    world.project().await;
    assert_eq!(world.get_with(&guest, &path).await.ok()["body"], "What a guest says");
    assert_eq!(world.get_with(&other, &path).await.ok()["body"], Value::Null);
    assert_eq!(world.get(&path).await.ok()["body"], Value::Null);
}

#[tokio::test]
async fn gst_06_conversions_are_told_by_day_as_sums() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let member = world.member(None).await;
    for _ in 0..3 {
        world.visitor().await;
    }
    let actor = Actor::SYSTEM;
    world.registered(&format!(r#"{{"actor":"{actor}","was_guest":"true"}}"#)).await;
    world.registered(&format!(r#"{{"actor":"{actor}"}}"#)).await;
    world.project().await;
    let path = "/v1/analytics/guest-conversions";
    let days = world.get_as(&admin, path).await.ok();
    let day = clock::now().date_naive().to_string();
    let expected = json!({ "day": day, "guests_first_seen": 3, "members_registered": 1 });
    assert_eq!(days["items"], json!([expected]));
    assert!(days["next"].is_null());
    world.get_as(&member, path).await.problem(403);
    world.get(path).await.problem(401);
    world.get_as(&admin, &format!("{path}?cursor=AAAA")).await.problem(400);
}
