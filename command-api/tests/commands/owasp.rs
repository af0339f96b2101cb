//! LAW-12: the OWASP API Security Top 10 (2023) as attacks that come to nothing. What has a group of its
//! own elsewhere is named where it stands; here each of the ten is tried at least once. API2 (broken
//! authentication) is bad_requests.rs and sessions.rs, API10 (what third parties say) incidents.rs.

use agora_domain::identity::values::AdminScope;
use serde_json::{Value, json};

use crate::common::{Answer, Call, Person, Settled, World, unique};

/// Nothing came of it.
async fn in_vain(world: &World, person: &Person, command: &str, body: Value) -> Answer {
    let before = world.head().await;
    let answer = world.send(person, command, body).await;
    assert!((400..500).contains(&answer.status), "{command}: {}", answer.text);
    answer.problem(answer.status);
    assert_eq!(world.head().await, before, "{command} appended nothing");
    answer
}

#[tokio::test]
async fn law_12_api1_an_object_of_anothers_is_not_reached_by_its_id() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let thief = world.member().await;
    world.join(&thief, &community_id).await;
    let post_id = world.post(&owner, &community_id).await;
    let comment = json!({ "post_id": post_id, "body": "A comment." });
    let comment_id = world.send(&owner, "create-comment", comment).await.id();
    let export = json!({ "kind": "subject_data", "request_type": "FULL_EXPORT",
        "format": "JSON", "delivery_method": "SECURE_PORTAL" });
    let export = world.send(&owner, "request-export", export).await;
    for (command, body) in [
        ("edit-post", json!({ "post_id": post_id, "title": "Another title" })),
        ("delete-post", json!({ "post_id": post_id })),
        ("edit-comment", json!({ "comment_id": comment_id, "body": "Not mine." })),
        ("delete-comment", json!({ "comment_id": comment_id })),
        ("update-community", json!({ "community_id": community_id, "description": "Mine now." })),
        ("delete-community", json!({ "community_id": community_id })),
        ("revoke-session", json!({ "session_id": owner.session_id })),
        ("revoke-session", json!({ "session_id": admin.session_id })),
        ("cancel-export", json!({ "export_id": export.id() })),
        ("hide-export", json!({ "export_id": export.id() })),
        (
            "record-export-download",
            json!({ "export_id": export.id(),
                    "verification_token": export.result("verification_token") }),
        ),
    ] {
        let refused = in_vain(&world, &thief, command, body).await;
        assert!(matches!(refused.status, 403 | 404 | 409), "{command}: {}", refused.text);
        assert!(!refused.text.contains(&owner.email), "{command}");
    }
}

#[tokio::test]
async fn law_12_api3_what_is_not_the_senders_to_set_is_refused_as_unknown() {
    let world = World::new().await;
    let Settled { owner, community_id, admin, .. } = world.settled().await;
    let post_id = world.post(&owner, &community_id).await;
    let author = crate::common::actor_json(admin.actor);
    for (command, body, field, value) in [
        (
            "create-post",
            json!({ "community_id": community_id, "title": "A title", "body": "A body of some length." }),
            "author",
            author.clone(),
        ),
        ("edit-post", json!({ "post_id": post_id, "title": "A title" }), "score", json!(1_000)),
        ("edit-post", json!({ "post_id": post_id, "title": "A title" }), "deleted_at", Value::Null),
        ("change-display-name", json!({ "display_name": "Kari" }), "status", json!("active")),
        ("change-display-name", json!({ "display_name": "Kari" }), "member_id", json!(admin.id())),
        (
            "cast-vote",
            json!({ "target": { "kind": "post", "id": post_id }, "vote_state": "upvote" }),
            "voter",
            author,
        ),
        (
            "restrict-processing",
            json!({ "ground": "NEEDED_FOR_CLAIMS" }),
            "principal",
            json!(admin.id()),
        ),
    ] {
        let mut body = body;
        body[field] = value;
        let refused = in_vain(&world, &owner, command, body).await;
        assert_eq!(refused.status, 400, "{command} with {field}: {}", refused.text);
    }
    let register =
        json!({ "email": "kari@example.org", "password": "an uncommon phrase of words" });
    for (field, value) in
        [("scopes", json!(["global"])), ("status", json!("active")), ("kind", json!("admin"))]
    {
        let mut body = register.clone();
        body[field] = value;
        world.guest("register-member", body).await.problem(400);
    }
}

#[tokio::test]
async fn law_12_api4_what_costs_without_end_has_an_end() {
    let world = World::new().await;
    let member = world.member().await;
    // Nested so deep that a parser without a limit would run out of stack.
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for body in [deep.clone(), format!("{{\"email\":{deep}}}")] {
        let answer = world.request(Call::new("log-in").raw(body)).await;
        answer.problem(400);
    }
    // A long list in a small body.
    let purposes: Vec<String> = (0..10_000).map(|number| format!("p{number}")).collect();
    let mut body = crate::common::answer("COOKIES", "x", "v1");
    body["processing_purposes"] = json!(purposes);
    in_vain(&world, &member, "grant-consent", body).await;
    // Passwords cost a second of a core: more of them at once wait, and are refused before they pile up.
    let guess = async || {
        let body = json!({ "email": member.email, "password": unique("a wrong phrase of words ") });
        world.guest("log-in", body).await.status
    };
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(guess().await);
    }
    assert!(answers.contains(&429), "{answers:?}");
}

#[tokio::test]
async fn law_12_api5_no_member_sends_what_is_an_admins() {
    let world = World::new().await;
    let (member, admin) = (world.member().await, world.admin(&[AdminScope::Legal]).await);
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let examples = crate::common::examples();
    for command in [
        "create-admin",
        "grant-admin-scope",
        "create-service-account",
        "suspend-member",
        "delete-member",
        "set-configuration",
        "revoke-everybodys-sessions",
        "lift-restriction",
        "blacklist-ip",
        "publish-policy",
        "purge-expired-exports",
    ] {
        for person in [&member, &auditor] {
            let refused = in_vain(&world, person, command, examples[command].clone()).await;
            refused.problem(403);
        }
    }
    in_vain(&world, &admin, "blacklist-ip", examples["blacklist-ip"].clone()).await;
    // Neither another method nor another spelling of the path leads past the table.
    for path in [
        "/v1/commands/Create-Admin",
        "/v1/commands/create-admin/",
        "/v1/commands//create-admin",
        "/v1/commands/./create-admin",
        "/v1/commands/create-admin%00",
        "/v1/commands/create%2Dadmin/..",
    ] {
        let body = examples["create-admin"].clone();
        let call = Call::to(path.to_owned()).token(&member.token).body(body);
        let answer = world.request(call).await;
        assert!(matches!(answer.status, 403 | 404), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn law_12_api6_a_business_flow_is_not_run_by_a_script() {
    let world = World::new().await;
    let Settled { owner, community_id, .. } = world.settled().await;
    // The copy of one's data is dear: one at a time (DXR-09).
    let ask = json!({ "kind": "subject_data", "request_type": "FULL_EXPORT",
        "format": "JSON", "delivery_method": "SECURE_PORTAL" });
    world.send(&owner, "request-export", ask.clone()).await.accepted();
    let again = in_vain(&world, &owner, "request-export", ask).await;
    assert!(matches!(again.status, 409 | 429), "{}", again.text);
    // A vote counts once, however often it is sent (PVT-01).
    let author = world.member().await;
    world.join(&author, &community_id).await;
    let post_id = world.post(&author, &community_id).await;
    let vote = json!({ "target": { "kind": "post", "id": post_id }, "vote_state": "upvote" });
    world.send(&owner, "cast-vote", vote.clone()).await.accepted();
    let before = world.head().await;
    for _ in 0..5 {
        assert!(world.send(&owner, "cast-vote", vote.clone()).await.events().is_empty());
    }
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn law_12_api7_no_address_inside_the_network_is_taken_from_a_client() {
    let world = World::new().await;
    let Settled { admin, .. } = world.settled().await;
    for inside in [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://0/",
        "https://017700000001/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
    ] {
        let body =
            json!({ "integration_name": unique("x"), "config_json": "{}", "provider_url": inside });
        let refused = in_vain(&world, &admin, "register-integration", body).await;
        refused.refused(422, "INT-06");
        assert!(!refused.text.contains(inside), "no echo");
    }
}

#[tokio::test]
async fn law_12_api8_an_answer_tells_nothing_of_what_is_inside_and_says_how_to_treat_it() {
    let world = World::new().await;
    let member = world.member().await;
    for body in ["{", "[]", "null", "{\"post_id\":\"' OR 1=1 --\"}", "{\"post_id\":{\"$gt\":\"\"}}"]
    {
        let call = Call::new("delete-post").token(&member.token).raw(body);
        let answer = world.request(call).await;
        answer.problem(answer.status);
        let said = answer.text.to_lowercase();
        for inside in ["sqlx", "postgres", "panicked", "src/", "select ", "or 1=1", "stack"] {
            assert!(!said.contains(inside), "{inside}: {said}");
        }
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.headers.get("server").is_none());
        assert!(answer.headers.get("x-powered-by").is_none());
    }
}

#[tokio::test]
async fn law_12_api9_what_is_served_is_what_is_documented_and_nothing_else() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await.body;
    let documented: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for command in agora_command_api::commands::all() {
        let path = format!("/v1/commands/{}", command.name);
        assert!(documented.iter().any(|it| **it == path), "{path} is not documented");
    }
    let admin = world.admin(&[AdminScope::Global]).await;
    for forgotten in [
        "/v0/commands/log-in",
        "/v2/commands/log-in",
        "/commands/log-in",
        "/v1/commands",
        "/v1/commands/seed-member",
        "/debug",
        "/actuator/env",
        "/.env",
        "/admin",
    ] {
        let call = Call::to(forgotten.to_owned()).token(&admin.token).body(json!({}));
        world.request(call).await.problem(404);
    }
}
