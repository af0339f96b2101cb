//! The audit log, the log itself, and what things were.

use std::collections::HashSet;

use agora_domain::{
    Actor, Personal, PersonalCategory,
    community::category_order::{CategoryOrder, CategoryOrderEvent},
    content::{
        moderation::ModerationAction,
        post::{Post, PostEvent},
    },
    identity::values::AdminScope,
};
use serde_json::{Value, json};

use crate::world::{CLIENT, User, World};

async fn auditor(world: &World) -> User {
    world.admin(&[AdminScope::Auditor]).await
}

fn lines(body: &str) -> Vec<Value> {
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn aud_08_an_entry_says_when_where_who_and_what_without_secrets() {
    let world = World::new().await;
    let ada = world.member(Some("Ada")).await;
    let auditor = auditor(&world).await;
    world.project().await;
    let path = format!("/v1/audit-log?actor={}&type=session_login", ada.actor);
    let reply = world.get_as(&auditor, &path).await;
    let list = reply.ok();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{list}");
    let entry = &items[0];
    assert_eq!(entry["actor_memberuser_id"], ada.id().to_string());
    assert_eq!(entry["actor_adminuser_id"], Value::Null);
    assert_eq!(entry["ip_address"], CLIENT);
    assert!(entry["created_at"].as_str().unwrap().ends_with('Z'));
    let whole = world.get_as(&auditor, "/v1/audit-log?limit=100").await;
    whole.ok();
    for secret in
        [ada.token.as_str(), auditor.token.as_str(), "$argon2", "sealed:v1", "somebody@example.org"]
    {
        assert!(!whole.body.contains(secret), "{secret}");
    }
    assert_eq!(whole.header("cache-control"), "no-store");
}

#[tokio::test]
async fn aud_09_reading_the_audit_log_is_itself_in_the_audit_log() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    world.project().await;
    let stream = format!("/v1/audit/streams/admin/{}", auditor.id());
    for path in ["/v1/audit-log", "/v1/audit/events", stream.as_str()] {
        world.get_as(&auditor, path).await;
    }
    let reads = world.get_as(&auditor, "/v1/audit-log?type=audit_read").await.ok();
    let details: HashSet<String> = reads["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!(entry["actor_adminuser_id"], auditor.id().to_string());
            assert_eq!(entry["ip_address"], CLIENT);
            let detail: Value =
                serde_json::from_str(entry["event_detail"].as_str().unwrap()).unwrap();
            detail["action"].as_str().unwrap().to_owned()
        })
        .collect();
    let expected = ["/v1/audit-log", "/v1/audit/events", "/v1/audit/streams/{type}/{id}"];
    assert_eq!(details, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn aud_01_esx_06_the_audit_log_is_one_list_that_nobody_can_change() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    for _ in 0..5 {
        world.member(None).await;
        world.get("/v1/me").await.problem(401);
    }
    world.project().await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        // Reading adds entries, at the beginning of the list only.
        let list = world.get_as(&auditor, &format!("/v1/audit-log?limit=4{cursor}")).await.ok();
        seen.extend(list["items"].as_array().unwrap().iter().cloned());
        match list["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let ids: HashSet<String> = seen.iter().map(|entry| entry["id"].to_string()).collect();
    assert_eq!(ids.len(), seen.len(), "no entry twice");
    let of_type = |name: &str| seen.iter().filter(|entry| entry["event_type"] == name).count();
    assert_eq!((of_type("refusal"), of_type("member_registered")), (5, 5));
    let times: Vec<&str> = seen.iter().map(|entry| entry["created_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "the latest first");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let method = axum::http::Method::from_bytes(method.as_bytes()).unwrap();
        let reply = world.method(method, "/v1/audit-log").await;
        assert!([401, 405].contains(&reply.status.as_u16()), "{}", reply.status);
    }
    for statement in [
        "UPDATE log.security_records SET kind = 'x'",
        "DELETE FROM log.security_records",
        "UPDATE log.events SET event_type = 'x'",
        "DELETE FROM read.audit_log",
    ] {
        assert!(sqlx::query(statement).execute(&world.reads).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn aud_05_addresses_are_in_their_canonical_form() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let request = axum::http::Request::get("/v1/me");
    world.send_from("2001:DB8:0:0:0::00AF", request).await.problem(401);
    let list = world.get_as(&auditor, "/v1/audit-log?type=refusal").await.ok();
    assert_eq!(list["items"][0]["ip_address"], "2001:db8::af");
}

#[tokio::test]
async fn aud_02_filters_of_the_audit_log_choose_by_actor_type_and_time() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let ada = world.member(None).await;
    world.project().await;
    let count = async |query: &str| {
        let list = world.get_as(&auditor, &format!("/v1/audit-log?limit=100&{query}")).await.ok();
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(count(&format!("actor={}", ada.actor)).await, 2, "registered, logged in");
    assert_eq!(count(&format!("actor={}&to=2020-01-01T00:00:00Z", ada.actor)).await, 0);
    assert_eq!(count(&format!("actor={}&from=2020-01-01T00:00:00Z", ada.actor)).await, 2);
    assert_eq!(count("type=no_such_type").await, 0);
    let system = world.get_as(&auditor, "/v1/audit-log?actor=system&type=admin_created").await.ok();
    assert_eq!(system["items"].as_array().unwrap().len(), 1);
    assert_eq!(system["items"][0]["actor_memberuser_id"], Value::Null);
    assert_eq!(system["items"][0]["actor_adminuser_id"], Value::Null);
}

#[tokio::test]
async fn the_log_is_streamed_in_order_and_resumed_at_any_position() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let author = world.member(Some("Ada")).await;
    let community = world.community_of(&author, "rustaceans").await;
    for number in 0..10 {
        world.post(&author, community, &format!("Post number {number}")).await;
    }
    let head = world.head().await;
    let reply = world.get_as(&auditor, "/v1/audit/events").await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    assert_eq!(reply.position(), head);
    let events = lines(&reply.body);
    assert_eq!(positions(&events), (1..=head).collect::<Vec<_>>());
    let stored: Vec<(String, String)> =
        sqlx::query_as("SELECT payload::text, metadata::text FROM log.events ORDER BY position")
            .fetch_all(&world.database.pool)
            .await
            .unwrap();
    for (line, (payload, metadata)) in reply.body.lines().zip(&stored) {
        assert!(line.contains(payload) && line.contains(metadata), "texts as they were hashed");
    }
    for after in 0..=head {
        let rest = world.get_as(&auditor, &format!("/v1/audit/events?after={after}&limit=3")).await;
        let expected: Vec<u64> = (after + 1..=head).take(3).collect();
        assert_eq!(positions(&lines(&rest.body)), expected);
    }
    let posts = world.get_as(&auditor, "/v1/audit/events?type=PostCreated&limit=4").await;
    let posts = lines(&posts.body);
    assert_eq!(posts.len(), 4);
    assert!(posts.iter().all(|event| event["event_type"] == "PostCreated"));
    let id = posts[1]["aggregate_id"].as_str().unwrap();
    for (filter, expected) in [
        (format!("aggregate_type=post&aggregate_id={id}"), 1),
        (format!("actor={}&aggregate_type=post", author.actor), 10),
        ("actor=system".to_owned(), 3),
        (format!("after={head}"), 0),
        (format!("after={}", u64::MAX), 0),
        ("to=2020-01-01T00:00:00Z".to_owned(), 0),
        ("from=2020-01-01T00:00:00Z".to_owned(), usize::try_from(head).unwrap()),
    ] {
        let found = world.get_as(&auditor, &format!("/v1/audit/events?{filter}")).await;
        assert_eq!(lines(&found.body).len(), expected, "{filter}");
    }
    // From and to cut exactly: an event belongs to what begins with its own time.
    let time = events[9]["recorded_at"].as_str().unwrap();
    let early = lines(&world.get_as(&auditor, &format!("/v1/audit/events?to={time}")).await.body);
    let late = lines(&world.get_as(&auditor, &format!("/v1/audit/events?from={time}")).await.body);
    let both: Vec<u64> = [positions(&early), positions(&late)].concat();
    assert_eq!(both, (1..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_log_is_streamed_in_pages() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let order = || CategoryOrderEvent::CategoriesReordered { order: Vec::new() };
    let many = std::iter::repeat_with(order).take(1_700).collect();
    world.append::<CategoryOrder>(Actor::SYSTEM, "all", many).await;
    let head = world.head().await;
    let frames = world.frames_as(&auditor, "/v1/audit/events").await;
    let pages: Vec<usize> = frames.iter().map(|frame| frame.lines().count()).collect();
    assert_eq!((pages[0], pages.len()), (500, 4), "a page is all that is in memory");
    assert_eq!(positions(&lines(&frames.concat())), (1..=head).collect::<Vec<_>>());
    let path = "/v1/audit/events?type=AdminCreated&limit=600";
    assert_eq!(lines(&world.get_as(&auditor, path).await.body).len(), 1);
    // A stream that long is folded in pages as well; only a part of its events is shown.
    let stream = world.get_as(&auditor, "/v1/audit/streams/category_order/all").await.ok();
    assert_eq!(stream["sequence"], 1_700);
    assert_eq!(stream["events"]["items"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn esx_09_pst_12_a_post_is_shown_as_it_was_at_any_time() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let author = world.member(Some("Ada")).await;
    let moderator = world.admin(&[]).await;
    let other = world.member(None).await;
    let community = world.community_of(&author, "rustaceans").await;
    let post = world.post(&author, community, "First title").await;
    let created = world.head().await;
    world.edit_post(&author, post, "Second title").await;
    let reason =
        Personal::new(author.actor.subject(), PersonalCategory::Content, "Spam.".parse().unwrap());
    let events = vec![
        PostEvent::PostDeleted { deleted_by: moderator.actor },
        PostEvent::PostModerated {
            action: ModerationAction::Delete,
            moderator: moderator.actor,
            reason,
            community_id: Some(community),
            author: Some(author.actor),
        },
    ];
    world.append::<Post>(moderator.actor, post, events).await;
    let stream = format!("/v1/audit/streams/post/{post}");
    let now = world.get_as(&auditor, &stream).await.ok();
    assert_eq!(now["state"]["created"]["title"], "Second title");
    assert_eq!(now["state"]["created"]["deleted_by"]["kind"], "admin");
    assert_eq!(
        (&now["sequence"], now["events"]["items"].as_array().unwrap().len()),
        (&json!(4), 4)
    );
    let then = world.get_as(&auditor, &format!("{stream}?as_of={created}")).await.ok();
    assert_eq!(then["state"]["created"]["title"], "First title");
    assert_eq!(then["sequence"], 1);
    let time = then["recorded_at"].as_str().unwrap();
    assert_eq!(
        world.get_as(&auditor, &format!("{stream}?as_of={time}")).await.ok()["state"],
        then["state"]
    );
    world.get_as(&auditor, &format!("{stream}?as_of={}", created - 1)).await.problem(404);
    world.get_as(&auditor, &format!("{stream}?as_of=2020-01-01T00:00:00Z")).await.problem(404);
    world.get_as(&auditor, &format!("{stream}?as_of=2100-01-01T00:00:00Z")).await.problem(400);
    world
        .get_as(&auditor, &format!("{stream}?as_of={}", world.head().await + 1))
        .await
        .problem(400);

    // The author and admins may see it too, with the reason (PST-15); others may not.
    let history = format!("/v1/posts/{post}/history");
    let mine = world.get_as(&author, &history).await.ok();
    assert_eq!(mine["events"]["items"][3]["payload"]["PostModerated"]["reason"], "Spam.");
    assert_eq!(mine["events"]["items"][0]["actor"], author.actor.to_string());
    world.get_as(&moderator, &history).await.ok();
    assert_eq!(world.get_as(&other, &history).await.problem(403)["rule"], "PST-12");
    world.get(&history).await.problem(401);
    let part = world.get_as(&author, &format!("{history}?limit=3")).await.ok();
    let next = part["events"]["next"].as_str().unwrap();
    let rest = world.get_as(&author, &format!("{history}?limit=3&cursor={next}")).await.ok();
    assert_eq!(rest["events"]["items"][0]["sequence"], 4);
    assert_eq!(rest["events"]["next"], Value::Null);
}

#[tokio::test]
async fn esx_09_crd_03_what_is_erased_stays_erased_and_hashes_are_withheld() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let ada = world.member(Some("Ada")).await;
    world.project().await;
    let me = world.get_as(&ada, "/v1/me").await.ok();
    let credential =
        format!("/v1/audit/streams/credential/{}", me["user_credential_id"].as_str().unwrap());
    let before = world.get_as(&auditor, &credential).await;
    let registered = before.ok()["events"]["items"][0]["payload"]["CredentialRegistered"].clone();
    assert_eq!(registered["email"], "somebody@example.org");
    assert_eq!(registered["password_hash"], json!({ "$withheld": true }));
    assert!(!before.body.contains("argon2"));
    world.erase(&ada).await;
    let other = world.another_instance();
    let after = other.get_as(&auditor, &credential).await.ok();
    let registered = &after["events"]["items"][0]["payload"]["CredentialRegistered"];
    assert_eq!(registered["email"], json!({ "$erased": true }));
    let member =
        other.get_as(&auditor, &format!("/v1/audit/streams/member/{}", ada.id())).await.ok();
    assert!(member["state"].to_string().contains(r#"{"$erased":true}"#), "{member}");
}

#[tokio::test]
async fn esx_09_every_stream_in_the_log_can_be_folded() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let ada = world.member(Some("Ada")).await;
    let community = world.community_of(&ada, "rustaceans").await;
    world.join(&ada, community).await;
    world.visit(&ada, &[community]).await;
    let post = world.post(&ada, community, "For everybody").await;
    world.vote(&auditor, post, agora_domain::content::vote::VoteState::Upvote).await;
    let streams: Vec<(String, String)> =
        sqlx::query_as("SELECT DISTINCT aggregate_type, aggregate_id FROM log.events")
            .fetch_all(&world.database.pool)
            .await
            .unwrap();
    assert!(streams.len() > 9);
    for (aggregate_type, id) in streams {
        let reply =
            world.get_as(&auditor, &format!("/v1/audit/streams/{aggregate_type}/{id}")).await;
        assert_eq!(reply.ok()["aggregate_id"], id);
    }
    world.get_as(&auditor, "/v1/audit/streams/nothing/x").await.problem(404);
}

/// What an auditor does with a reply: the recipe of docs/entry-hash.md, as it stands there.
#[tokio::test]
async fn the_documented_recipe_gives_the_stored_hashes_of_what_auditors_get() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    let author = world.member(Some("Ærlig Østen")).await;
    let community = world.community_of(&author, "rustaceans").await;
    world.post(&author, community, "A post of the past").await;
    let reply = world.get_as(&auditor, "/v1/audit/events").await;
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/entry-hash.md");
    let document = std::fs::read_to_string(document).unwrap();
    let (_, after) = document.split_once("```python").unwrap();
    let (recipe, _) = after.split_once("```").unwrap();
    let check = "\nimport json, sys\n\
                 rows = [json.loads(line) for line in sys.stdin]\n\
                 assert all(entry_hash(row) == row['entry_hash'] for row in rows)\n\
                 print(len(rows))\n";
    let mut python = std::process::Command::new("python3")
        .args(["-c", &format!("{recipe}{check}")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 is installed: deploy/test sees to it");
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), reply.body.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), world.head().await.to_string());
}
