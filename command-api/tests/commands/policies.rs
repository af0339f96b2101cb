//! Privacy policies: written by one, reviewed by another, and accepted before anything else is written.

use agora_domain::identity::values::AdminScope;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::common::{Call, World, answer, draft, in_seconds, unknown_id};

const PAST: &str = "2020-01-01T00:00:00Z";

#[tokio::test]
async fn ppv_01_ppv_02_a_number_is_taken_once_and_the_hash_is_the_servers() {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    let id = world.send(&lawyers.author, "draft-policy", draft("v1", PAST, false)).await.id();
    let again = world.send(&lawyers.author, "draft-policy", draft("v1", PAST, true)).await;
    again.refused(422, "PPV-01");
    let mut with_hash = draft("v2", PAST, false);
    with_hash["content_hash"] = "00".repeat(32).into();
    world.send(&lawyers.author, "draft-policy", with_hash).await.problem(400);
    let stored = world.last_payload("policy_version", &id).await;
    let first = stored["PolicyDrafted"]["policy"]["content_hash"].clone();
    assert_eq!(first.as_str().unwrap().len(), 64);
    let edit = json!({ "version_id": id, "policy_content": "Another text." });
    world.send(&lawyers.author, "edit-policy-draft", edit).await.accepted();
    let stored = world.last_payload("policy_version", &id).await;
    assert_ne!(stored["PolicyDraftEdited"]["policy"]["content_hash"], first);
    let nothing = json!({ "version_id": id });
    world.send(&lawyers.author, "edit-policy-draft", nothing).await.problem(400);
    let mut wrong = draft("v 3", "tomorrow", false);
    wrong["policy_content"] = "".into();
    wrong["major_changes"] = json!(["", 5]);
    let wrong = world.send(&lawyers.author, "draft-policy", wrong).await;
    let places: Vec<_> = wrong.wrong_fields().into_iter().map(|(place, _)| place).collect();
    let expected = [
        "/version_number",
        "/effective_date",
        "/policy_content",
        "/major_changes/0",
        "/major_changes/1",
    ];
    assert_eq!(places, expected);
}

#[tokio::test]
async fn ppv_04_ppv_06_ppv_14_a_version_goes_from_draft_to_publication_by_two_people() {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    let (author, reviewer) = (&lawyers.author, &lawyers.reviewer);
    let id = world.send(author, "draft-policy", draft("v1", PAST, false)).await.id();
    let step = async |person, command: &str| world.on_version(person, command, &id).await;
    let edit = async |text: &str| {
        let body = json!({ "version_id": id, "policy_content": text });
        world.send(author, "edit-policy-draft", body).await
    };
    step(reviewer, "approve-policy").await.refused(409, "PPV-04");
    step(author, "publish-policy").await.refused(409, "PPV-04");
    step(author, "mark-policy-notified").await.refused(409, "PPV-12");
    assert_eq!(step(author, "submit-policy").await.events(), ["PolicySubmitted"]);
    assert!(step(author, "submit-policy").await.events().is_empty());
    edit("Under review.").await.refused(409, "PPV-04");
    // Not who wrote it, not who is no lawyer, not a global admin either.
    step(author, "approve-policy").await.refused(403, "PPV-14");
    let root = world.admin(&[AdminScope::Global]).await;
    step(&root, "approve-policy").await.refused(403, "PPV-14");
    let changes = step(reviewer, "request-policy-changes").await;
    assert_eq!(changes.events(), ["PolicyChangesRequested"]);
    edit("Now it names the processors.").await.accepted();
    step(author, "submit-policy").await.accepted();
    assert_eq!(step(reviewer, "approve-policy").await.events(), ["PolicyApproved"]);
    edit("One more word.").await.refused(409, "PPV-06");
    assert_eq!(
        step(author, "publish-policy").await.events(),
        ["PolicyPublished", "PolicySeriesExtended"]
    );
    assert!(step(author, "publish-policy").await.events().is_empty());
    let moved = json!({ "version_id": id, "effective_date": in_seconds(60) });
    world.send(author, "edit-policy-draft", moved).await.refused(409, "PPV-06");
    step(reviewer, "request-policy-changes").await.refused(409, "PPV-04");
    assert_eq!(step(author, "mark-policy-notified").await.events(), ["PolicyNotificationSent"]);
    assert!(step(author, "mark-policy-notified").await.events().is_empty(), "ppv_12");
    let stored = world.last_payload("policy_version", &id).await;
    let policy = &stored["PolicyNotificationSent"]["policy"];
    assert_eq!(policy["reviewed_by"]["id"], reviewer.id());
    assert!(policy["published_at"].is_string() && policy["reviewed_at"].is_string(), "ppv_05");
    for command in ["submit-policy", "approve-policy", "publish-policy", "mark-policy-notified"] {
        world.on_version(reviewer, command, &unknown_id()).await.refused(404, "REL-10");
    }
}

#[tokio::test]
async fn ppv_14_who_is_a_lawyer_and_wrote_it_does_not_review_it() {
    let world = World::new().await;
    let (author, other) =
        (world.admin(&[AdminScope::Legal]).await, world.admin(&[AdminScope::Legal]).await);
    let id = world.send(&author, "draft-policy", draft("v1", PAST, false)).await.id();
    let edit = json!({ "version_id": id, "policy_content": "A word of the other's." });
    world.send(&other, "edit-policy-draft", edit).await.accepted();
    world.on_version(&author, "submit-policy", &id).await.accepted();
    for writer in [&author, &other] {
        world.on_version(writer, "approve-policy", &id).await.refused(403, "PPV-14");
    }
    let third = world.admin(&[AdminScope::Legal]).await;
    world.on_version(&third, "approve-policy", &id).await.accepted();
}

#[tokio::test]
async fn ppv_07_two_versions_do_not_take_effect_at_one_instant() {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    let soon = in_seconds(3_600);
    let first = world.approved(&lawyers, draft("v1", &soon, false)).await;
    let second = world.approved(&lawyers, draft("v2", &soon, false)).await;
    let publish = |id: String| {
        let (world, author) = (&world, &lawyers.author);
        async move { world.on_version(author, "publish-policy", &id).await }
    };
    // At once: one of them comes first.
    let (one, two) = tokio::join!(publish(first), publish(second.clone()));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.text, two.text);
    let lost = if one.status == 409 { &one } else { &two };
    lost.refused(409, "PPV-07");
}

#[tokio::test]
async fn ppv_08_ppv_13_from_its_instant_on_a_version_asks_members_before_they_write() {
    let world = World::new().await;
    let settled = world.settled().await;
    let (lawyers, member) = (world.lawyers().await, world.member().await);
    world.policy(&lawyers, "v1", false).await;
    let post = world.post(&settled.owner, &settled.community_id).await;
    let vote = json!({ "target": { "kind": "post", "id": post }, "vote_state": "upvote" });
    let down = json!({ "target": { "kind": "post", "id": post }, "vote_state": "downvote" });
    world.send(&member, "cast-vote", vote.clone()).await.accepted();
    let soon = world.approved(&lawyers, draft("v2", &in_seconds(2), true)).await;
    world.on_version(&lawyers.author, "publish-policy", &soon).await.accepted();
    world.send(&member, "cast-vote", down.clone()).await.accepted();
    let early = json!({ "version_number": "v2" });
    world.send(&member, "accept-policy", early.clone()).await.refused(409, "PPV-13");
    sleep(Duration::from_millis(2_200)).await;
    // Nothing was sent meanwhile: no job switches it.
    let refused = world.send(&member, "cast-vote", vote.clone()).await;
    refused.refused(403, "PPV-13");
    assert!(refused.body["detail"].as_str().unwrap().contains("v2"), "{}", refused.text);
    world.send(&settled.admin, "cast-vote", vote.clone()).await.accepted();
    let old = json!({ "version_number": "v1" });
    world.send(&member, "accept-policy", old).await.refused(409, "PPV-13");
    let other = json!({ "version_number": "v2", "content_hash": "00".repeat(32) });
    world.send(&member, "accept-policy", other).await.refused(409, "PPV-15");
    let accepted = world.send(&member, "accept-policy", early.clone()).await;
    assert_eq!(accepted.events(), ["PolicyAccepted"]);
    assert!(world.send(&member, "accept-policy", early).await.events().is_empty());
    world.send(&member, "cast-vote", vote).await.accepted();
}

#[tokio::test]
async fn ppv_13_what_the_law_gives_needs_no_acceptance_and_the_rest_does() {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    world.policy(&lawyers, "v1", true).await;
    let examples = crate::common::examples();
    let free = agora_domain::permissions::WITHOUT_ACCEPTANCE;
    for (command, roles) in agora_domain::permissions::COMMANDS.iter() {
        use agora_domain::permissions::Roles;
        if !roles.include(Roles::MEMBER) {
            continue;
        }
        let member = world.member().await;
        let answer = world.send(&member, command, examples[*command].clone()).await;
        let is_free = free.contains(command) || roles.include(Roles::GUEST);
        let asked = answer.status == 403
            && answer.body["rule"] == "PPV-13"
            && answer.body["detail"].as_str().unwrap().contains("accept-policy");
        assert_eq!(asked, !is_free, "{command}: {}", answer.text);
    }
    // A new login, with and without a token.
    let member = world.member().await;
    let member = world.log_in(&member).await;
    world.send(&member, "log-out", json!({})).await.accepted();
}

#[tokio::test]
async fn ppv_13_another_instance_knows_the_policy_and_the_acceptance_at_once() {
    let world = World::new().await;
    let twin = world.twin().await;
    let (lawyers, member) = (world.lawyers().await, world.member().await);
    let rename = |number: u8| json!({ "display_name": format!("Kari {number}") });
    twin.send(&member, "change-display-name", rename(1)).await.accepted();
    world.policy(&lawyers, "v1", true).await;
    twin.send(&member, "change-display-name", rename(2)).await.refused(403, "PPV-13");
    let accept = json!({ "version_number": "v1" });
    world.send(&member, "accept-policy", accept).await.accepted();
    twin.send(&member, "change-display-name", rename(3)).await.accepted();
}

#[tokio::test]
async fn con_02_adm_07_a_program_accepts_and_consents_for_nobody() {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    world.policy(&lawyers, "v1", false).await;
    let body = json!({ "display_name": "imports", "scopes": ["global"] });
    let program = world.send(&lawyers.author, "create-service-account", body).await;
    let key = program.result("key");
    let accept: Value = json!({ "version_number": "v1" });
    let call = Call::new("accept-policy").token(&key).body(accept);
    world.request(call).await.refused(403, "ADM-07");
    let consent = crate::common::answer("COOKIES", "statistics", "v1");
    let call = Call::new("grant-consent").token(&key).body(consent);
    world.request(call).await.refused(403, "ADM-07");
    let draft = draft("v9", PAST, false);
    world.request(Call::new("draft-policy").token(&key).body(draft)).await.refused(403, "ROL-01");
}

#[tokio::test]
async fn ppv_10_ppv_11_a_version_that_has_consents_is_neither_changed_nor_removed() {
    let world = World::new().await;
    let lawyers = world.lawyers().await;
    let version_id = world.policy(&lawyers, "v1", false).await;
    let member = world.member().await;
    let granted = world.send(&member, "grant-consent", answer("COOKIES", "statistics", "v1")).await;
    let payload = world.last_payload("consent", &granted.id()).await;
    let consent = payload["ConsentGranted"]["consent"].clone();
    assert_eq!(
        (&consent["consent_version"], &consent["policy_version_id"]),
        (&json!("v1"), &json!(version_id))
    );
    // A number that is nobody's is consented to by nobody.
    let unknown = answer("COOKIES", "statistics", "v9");
    world.send(&member, "grant-consent", unknown).await.refused(422, "CON-03");

    let hash = world.last_payload("policy_version", &version_id).await["PolicyPublished"]["policy"]
        ["content_hash"]
        .clone();
    let (author, reviewer) = (&lawyers.author, &lawyers.reviewer);
    for change in [
        json!({ "policy_content": "Something else." }),
        json!({ "effective_date": "2099-01-01T00:00:00Z" }),
        json!({ "major_changes": ["Everything"] }),
        json!({ "acceptance_required": true }),
    ] {
        let mut body = change;
        body["version_id"] = version_id.clone().into();
        for person in [author, reviewer] {
            world.send(person, "edit-policy-draft", body.clone()).await.refused(409, "PPV-06");
        }
    }
    for command in ["submit-policy", "request-policy-changes", "approve-policy"] {
        let person = if command == "submit-policy" { author } else { reviewer };
        world.on_version(person, command, &version_id).await.refused(409, "PPV-04");
    }
    // Its number is never another's, and no command takes a version away.
    let again = draft("v1", "2099-01-01T00:00:00Z", false);
    world.send(author, "draft-policy", again).await.refused(422, "PPV-01");
    let takes_away = agora_command_api::commands::all()
        .into_iter()
        .any(|command| command.name.contains("policy") && command.name.starts_with("delete"));
    assert!(!takes_away);
    for statement in [
        "DELETE FROM log.events WHERE aggregate_type = 'policy_version'",
        "UPDATE log.events SET event_type = 'x' WHERE aggregate_type = 'policy_series'",
        "TRUNCATE log.events",
    ] {
        assert!(sqlx::query(statement).execute(&world.database.pool).await.is_err(), "{statement}");
    }
    let after = world.last_payload("policy_version", &version_id).await;
    assert_eq!(after["PolicyPublished"]["policy"]["content_hash"], hash);
}
