//! The domain's own events, sealed and appended as the command API does it.

use agora_domain::{
    Actor, Decide, Personal, PersonalCategory, Subject,
    content::{
        post::{Post, PostEvent},
        post_vote::{PostVote, PostVoteEvent},
        vote::VoteState,
    },
    identity::{
        member::{Member, MemberEvent},
        session::{Session, SessionEvent},
    },
    ids::{CommunityId, CredentialId, MemberId, PostId, PostVoteId, SessionId},
};
use agora_event_store::{Appended, EventLog, Opened, Opener, Unit, log::Draft, seal::SealedField};
use agora_service::clock::new_id;
use serde_json::{Value, json};

use crate::scene::Scene;

async fn write<A: Decide>(log: &EventLog, id: &str, actor: Actor, events: Vec<A::Event>) {
    let loaded = log.load::<A>(id).await.unwrap();
    let metadata = json!({ "actor": actor.to_string(), "command_name": "test" }).to_string();
    let mut unit = Unit::default();
    let draft = Draft {
        loaded: &loaded,
        events,
        event_ids: &mut new_id,
        metadata: &metadata,
        client_address: Some((&actor.subject(), "203.0.113.7")),
    };
    log.draft(&mut unit, draft).await.unwrap();
    assert!(matches!(log.append(unit).await.unwrap(), Appended::Now(_)));
}

fn personal<T: std::str::FromStr>(
    owner: Actor,
    category: PersonalCategory,
    text: &str,
) -> Personal<T> {
    let Ok(value) = text.parse() else { panic!("{text} is valid") };
    Personal::new(owner.subject(), category, value)
}

#[tokio::test]
async fn sealed_values_in_read_tables_open_to_what_was_written() {
    let scene = Scene::new().await;
    let log = scene.db.log().await;
    let alice = Actor::member(MemberId(new_id()));
    let (post, session) = (PostId(new_id()), SessionId(new_id()));
    let registered = MemberEvent::MemberRegistered {
        member_id: MemberId(alice.id),
        credential_id: CredentialId(new_id()),
        display_name: Some(personal(alice, PersonalCategory::Identity, "Alice Å")),
    };
    write::<Member>(&log, &alice.id.to_string(), alice, vec![registered]).await;
    let now = agora_service::clock::now();
    let issued = SessionEvent::SessionIssued {
        session_id: session,
        principal: alice,
        issued_at: now,
        expires_at: now + chrono::TimeDelta::days(1),
        device_info: None,
        ip_address: None,
        era: None,
        organization_id: None,
    };
    write::<Session>(&log, &session.to_string(), alice, vec![issued]).await;
    let created = PostEvent::PostCreated {
        post_id: post,
        community_id: CommunityId(new_id()),
        author: alice,
        title: personal(alice, PersonalCategory::Content, "A title \"quoted\""),
        body: personal(alice, PersonalCategory::Content, "A body\nwith lines"),
        author_display_name: Some(personal(alice, PersonalCategory::Identity, "Alice")),
    };
    let edited = PostEvent::PostEdited {
        editor: alice,
        title: personal(alice, PersonalCategory::Content, "Another title"),
        body: personal(alice, PersonalCategory::Content, "Another body"),
    };
    write::<Post>(&log, &post.to_string(), alice, vec![created, edited]).await;
    let bob = Actor::member(MemberId(new_id()));
    let cast = PostVoteEvent::PostVoteCast {
        id: PostVoteId(new_id()),
        post_id: post,
        voter: bob,
        vote_state: VoteState::Upvote,
        previous: VoteState::None,
    };
    write::<PostVote>(&log, &PostVote::stream_id(post, bob), bob, vec![cast]).await;
    scene.project().await;

    let opener = Opener::new(scene.db.vault());
    let open = async |aggregate_type: &str, id: &Value, field: &str, sealed: &Value| {
        let sealed = sealed.as_str().unwrap();
        assert!(sealed.starts_with("sealed:v1:"), "{sealed}");
        let aggregate_id = id.as_str().unwrap();
        opener
            .open_text(&SealedField { aggregate_type, aggregate_id, field, sealed })
            .await
            .unwrap()
    };
    let value = |text: &str| Opened::Value(json!(text));
    let row = scene.row("SELECT * FROM posts").await;
    assert_eq!(open("post", &row["id"], "title", &row["title"]).await, value("Another title"));
    assert_eq!(open("post", &row["id"], "body", &row["body"]).await, value("Another body"));
    let name = &row["author_display_name"];
    assert_eq!(open("post", &row["id"], "author_display_name", name).await, value("Alice"));
    let row = scene.row("SELECT * FROM members").await;
    let name = &row["display_name"];
    assert_eq!(open("member", &row["id"], "display_name", name).await, value("Alice Å"));
    let row = scene.row("SELECT * FROM audit_log WHERE event_type = 'session_login'").await;
    assert_eq!(row["actor_memberuser_id"], json!(alice.id));
    let (id, address) = (&row["aggregate_id"], &row["ip_address"]);
    let kind = row["aggregate_type"].as_str().unwrap();
    assert_eq!(open(kind, id, "metadata.ip", address).await, value("203.0.113.7"));
    let scores = scene.row("SELECT score, upvotes FROM post_scores").await;
    assert_eq!(scores, json!({ "score": 1, "upvotes": 1 }));

    // Erased is erased in the read tables too, without a change to any row.
    let subject: Subject = alice.subject();
    opener.vault().destroy(&subject, &PersonalCategory::ALL).await.unwrap();
    let row = scene.row("SELECT * FROM posts").await;
    assert_eq!(open("post", &row["id"], "title", &row["title"]).await, Opened::Erased);
}
