//! Privacy policies by time, consents by whom they are of, and the gate.

use agora_domain::{
    Actor, Decide, Personal, PersonalCategory,
    compliance::{
        consent::{Consent, ConsentEvent},
        consent_values::{ConsentTerm, ConsentType},
        policy_series::{AddVersion, PolicySeries, PolicySeriesCommand, PublishedVersion},
        policy_version::{PolicyDocument, PolicyVersion, PolicyVersionEvent},
        processing_limit::{ProcessingLimit, ProcessingLimitEvent},
    },
    identity::values::AdminScope,
    ids::{ConsentId, PolicyVersionId, ProcessingLimitId},
};
use agora_service::clock;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::world::{User, World};

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl World {
    /// A published version that holds from then on.
    async fn policy(&self, number: &str, effective_date: DateTime<Utc>, asks: bool) {
        let (id, now) = (PolicyVersionId(clock::new_id()), clock::now());
        let text: agora_domain::values::PolicyContent =
            format!("What {number} says.").parse().unwrap();
        let hash = agora_domain::compliance::policy_values::ContentHash::of(&text);
        let lawyer = json!({ "kind": "admin", "id": clock::new_id() });
        let policy: PolicyDocument = serde_json::from_value(json!({
            "version_id": id, "version_number": number, "effective_date": effective_date,
            "policy_content": text, "content_hash": hash, "major_changes": ["We ask less."],
            "acceptance_required": asks, "legal_review_status": "PUBLISHED",
            "authors": [{ "kind": "admin", "id": clock::new_id() }], "reviewed_by": lawyer,
            "reviewed_at": now, "published_at": effective_date.min(now),
            "notification_sent": false,
        }))
        .unwrap();
        let published = PolicyVersionEvent::PolicyPublished { policy, published_by: Actor::SYSTEM };
        self.append::<PolicyVersion>(Actor::SYSTEM, id, vec![published]).await;
        let version = PublishedVersion {
            version_id: id,
            version_number: number.parse().unwrap(),
            content_hash: hash,
            effective_date,
            acceptance_required: asks,
            has_major_changes: true,
        };
        let add = AddVersion { version, published_by: Actor::SYSTEM };
        let series = self.log.load_fresh::<PolicySeries>(PolicySeries::STREAM_ID).await.unwrap();
        let events = series.state.decide(PolicySeriesCommand::Add(add)).unwrap();
        self.append::<PolicySeries>(Actor::SYSTEM, PolicySeries::STREAM_ID, events).await;
    }

    /// An answer of a user about the search log; returns the record's id.
    async fn answers(&self, user: &User, event: &str, id: ConsentId, change: Value) {
        let purpose = ConsentTerm::search_analytics();
        let stream = Consent::stream_id(user.actor, ConsentType::Analytics, &purpose);
        let subject = user.actor.subject();
        let mut consent = json!({
            "consent_id": id, "principal": user.actor, "consent_type": "ANALYTICS",
            "purpose_description":
                Personal::new(subject.clone(), PersonalCategory::Evidence, "To search better."),
            "consent_method": "EXPLICIT_OPT_IN", "legal_basis": "CONSENT",
            "data_categories": ["searches"], "processing_purposes": [purpose],
            "third_party_sharing": false,
            "ip_address": Personal::new(subject.clone(), PersonalCategory::Network, "203.0.113.7"),
            "evidence_data": Personal::new(subject, PersonalCategory::Evidence, r#"{"form":"x"}"#),
            "status": "GRANTED", "consent_version": "v1",
            "policy_version_id": PolicyVersionId(clock::new_id()),
            "policy_hash": "0a".repeat(32), "granted_at": clock::now() - TimeDelta::seconds(1),
            "denied_by_signal": false, "is_imported": false, "created_at": clock::now() - TimeDelta::seconds(1),
        });
        for (field, value) in change.as_object().unwrap() {
            consent[field.as_str()] = value.clone();
        }
        let event: ConsentEvent =
            serde_json::from_value(json!({ event: { "consent": consent } })).unwrap();
        self.append::<Consent>(user.actor, stream, vec![event]).await;
    }
}

impl World {
    /// A user objects to the search log (`OBJECTION`), or restricts everything; or ends that.
    async fn limits(&self, user: &User, event: &str, kind: &str) {
        let purpose = ConsentTerm::search_analytics();
        let (subject, category) = (user.actor.subject(), PersonalCategory::Evidence);
        let mut limit = json!({
            "limit_id": ProcessingLimitId(clock::new_id()), "principal": user.actor,
            "limit_kind": kind, "reason": Personal::new(subject.clone(), category, "I said so."),
            "since": clock::now(),
        });
        let stream = match kind {
            "OBJECTION" => {
                limit["consent_type"] = "ANALYTICS".into();
                limit["purpose"] = json!(purpose);
                let analytics = ConsentType::Analytics;
                ProcessingLimit::objection_stream_id(user.actor, analytics, &purpose)
            }
            _ => {
                limit["ground"] = "NEEDED_FOR_CLAIMS".into();
                ProcessingLimit::restriction_stream_id(user.actor)
            }
        };
        if matches!(event, "ObjectionWithdrawn" | "RestrictionLifted") {
            limit["ended_at"] = json!(clock::now());
        }
        let mut fields = json!({ "limit": limit });
        if event == "RestrictionLifted" {
            fields["lifted_by"] = json!(Actor::SYSTEM);
            fields["lifting_reason"] = json!(Personal::new(subject, category, "It is right."));
        }
        let event: ProcessingLimitEvent = serde_json::from_value(json!({ event: fields })).unwrap();
        self.append::<ProcessingLimit>(user.actor, stream, vec![event]).await;
    }

    async fn gate(&self, user: &User, as_of: Option<DateTime<Utc>>) -> String {
        let as_of = as_of.map(|at| format!("&as_of={}", text(at))).unwrap_or_default();
        let path = format!(
            "/v1/consents/check?user={}&type=ANALYTICS&purpose=search_analytics{as_of}",
            user.id()
        );
        self.get_as(user, &path).await.ok()["reason"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn law_05_law_06_a_limit_counts_at_once_until_it_ends_or_a_later_consent() {
    let world = World::new().await;
    let ada = world.member(None).await;
    world.policy("v1", clock::now() - TimeDelta::days(1), false).await;
    let consent = async || {
        let change = json!({ "granted_at": clock::now() });
        world.answers(&ada, "ConsentGranted", ConsentId(clock::new_id()), change).await;
    };
    consent().await;
    assert_eq!(world.gate(&ada, None).await, "consented");
    world.limits(&ada, "ProcessingObjected", "OBJECTION").await;
    // Nothing was projected: it counts at once.
    assert_eq!(world.gate(&ada, None).await, "objected");
    let objected = clock::now();
    consent().await;
    assert_eq!(world.gate(&ada, None).await, "consented", "given later");
    world.limits(&ada, "ProcessingRestricted", "RESTRICTION").await;
    assert_eq!(world.gate(&ada, None).await, "restricted");
    assert_eq!(world.gate(&ada, Some(objected)).await, "objected", "as of then");
    world.limits(&ada, "RestrictionLifted", "RESTRICTION").await;
    assert_eq!(world.gate(&ada, None).await, "consented");
}

#[tokio::test]
async fn law_05_law_06_limits_are_seen_by_whom_they_are_of_and_by_auditors() {
    let world = World::new().await;
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    world.limits(&ada, "ProcessingObjected", "OBJECTION").await;
    world.limits(&ada, "ProcessingRestricted", "RESTRICTION").await;
    world.limits(&ada, "RestrictionLifted", "RESTRICTION").await;
    world.project().await;
    let list = async |user: &User, path: &str| {
        world.get_as(user, path).await.ok()["items"].as_array().unwrap().clone()
    };
    let own = list(&ada, "/v1/objections").await;
    assert_eq!(own.len(), 1);
    assert_eq!(
        (&own[0]["purpose"], &own[0]["reason"]),
        (&json!("search_analytics"), &json!("I said so."))
    );
    assert_eq!((&own[0]["ground"], &own[0]["ended_at"]), (&Value::Null, &Value::Null));
    let restrictions = list(&ada, "/v1/restrictions").await;
    assert_eq!(restrictions[0]["lifting_reason"], "It is right.");
    assert!(list(&bob, "/v1/objections").await.is_empty());
    let of_ada = format!("/v1/objections?user_id={}", ada.id());
    assert!(list(&bob, &of_ada).await.is_empty(), "a filter never shows more");
    assert_eq!(list(&auditor, &of_ada).await.len(), 1);
    let reads = world.security_records().await;
    assert!(reads.iter().any(|it| it.0 == "audit_read"), "aud_09");
    world.get("/v1/objections").await.problem(401);
    world.erase(&ada).await;
    let gone = world.another_instance().get_as(&auditor, &of_ada).await.ok();
    assert_eq!(gone["items"][0]["reason"], Value::Null);
}

#[tokio::test]
async fn law_05_srl_07_a_restriction_takes_the_name_from_the_search_log() {
    let world = World::new().await.where_all_consent();
    let ada = world.member(None).await;
    world.project().await;
    let searched = async || {
        world.get_as(&ada, "/v1/search/posts?q=rye").await.ok();
        world.searches.flush().await;
        let list = world.get_as(&ada, "/v1/me/searches").await.ok();
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(searched().await, 1, "by default");
    world.limits(&ada, "ProcessingRestricted", "RESTRICTION").await;
    assert_eq!(searched().await, 1, "no more");
}

#[tokio::test]
async fn ppv_07_ppv_08_ppv_09_which_version_holds_follows_from_the_time() {
    let world = World::new().await;
    let (now, member) = (clock::now(), world.member(None).await);
    let root = world.admin(&[AdminScope::Global]).await;
    world.project().await;
    world.get("/v1/policies/current").await.problem(404);
    world.policy("v1", now - TimeDelta::days(20), false).await;
    world.policy("v3", now + TimeDelta::days(20), true).await;
    world.policy("v2", now - TimeDelta::days(10), false).await;
    world.project().await;
    let list = world.get("/v1/policies").await.ok();
    let shown: Vec<(&str, bool, bool)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let ended = !it["expiry_date"].is_null();
            (it["version_number"].as_str().unwrap(), it["is_current"] == true, ended)
        })
        .collect();
    assert_eq!(shown, [("v2", true, false), ("v3", false, false), ("v1", false, true)]);
    let current = world.get("/v1/policies/current").await.ok();
    assert_eq!(current["policy_content"], "What v2 says.");
    assert_eq!(current["content_hash"].as_str().unwrap().len(), 64);
    assert!(current["update_due_at"].is_string(), "ppv_15");
    for (days, expected) in [(-15, Some("v1")), (-10, Some("v2")), (25, Some("v3")), (-30, None)] {
        let at = text(now + TimeDelta::days(days)).replace('+', "%2B");
        let reply = world.get(&format!("/v1/policies/current?as_of={at}")).await;
        match expected {
            Some(number) => assert_eq!(reply.ok()["version_number"], number, "{days}"),
            None => drop(reply.problem(404)),
        }
    }
    assert_eq!(world.get_as(&member, "/v1/policies/v1").await.ok()["is_current"], false);
    world.get("/v1/policies/v9").await.problem(404);
    let none = world.get_as(&root, "/v1/policies/v1/acceptances").await.ok();
    assert_eq!(none["items"], json!([]));
    world.get_as(&root, "/v1/policies/v9/acceptances").await.problem(404);
}

#[tokio::test]
async fn con_08_con_09_con_15_the_gate_answers_now_and_as_of_any_time() {
    let world = World::new().await;
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let ops = world.admin(&[AdminScope::Ops]).await;
    world.policy("v1", clock::now() - TimeDelta::days(1), false).await;
    let gate = async |user: &User, as_of: Option<DateTime<Utc>>| {
        let as_of = as_of.map(|at| format!("&as_of={}", text(at))).unwrap_or_default();
        let path = format!(
            "/v1/consents/check?user={}&type=ANALYTICS&purpose=search_analytics{as_of}",
            ada.id()
        );
        world.get_as(user, &path).await
    };
    let before = clock::now();
    assert_eq!(gate(&ada, None).await.ok()["reason"], "not_asked");
    let id = ConsentId(clock::new_id());
    world.answers(&ada, "ConsentGranted", id, json!({})).await;
    let between = clock::now();
    let answer = gate(&ops, None).await.ok();
    assert_eq!((&answer["allowed"], &answer["consent_id"]), (&json!(true), &json!(id)));
    assert_eq!(answer["policy_hash"], "0a".repeat(32));
    assert_eq!(answer["position"], world.head().await);
    let withdrawn = json!({ "status": "WITHDRAWN", "withdrawn_at": clock::now() });
    world.answers(&ada, "ConsentWithdrawn", id, withdrawn).await;
    // Nothing was projected: it counts at once.
    assert_eq!(gate(&ada, None).await.ok()["reason"], "withdrawn");
    assert_eq!(gate(&ada, Some(between)).await.ok()["allowed"], true);
    assert_eq!(gate(&ada, Some(before)).await.ok()["reason"], "not_asked");
    gate(&bob, None).await.problem(403);
    world.get_as(&ada, "/v1/consents/check?type=ANALYTICS&purpose=x").await.problem(400);
    let id = ConsentId(clock::new_id());
    let short = json!({ "expires_at": clock::now() + TimeDelta::milliseconds(300) });
    world.answers(&ada, "ConsentGranted", id, short).await;
    assert_eq!(gate(&ada, None).await.ok()["allowed"], true);
    tokio::time::sleep(std::time::Duration::from_millis(350)).await;
    assert_eq!(gate(&ada, None).await.ok()["reason"], "expired", "con_12");
    let id = ConsentId(clock::new_id());
    world.answers(&ada, "ConsentGranted", id, json!({})).await;
    world.policy("v2", clock::now(), true).await;
    assert_eq!(gate(&ada, None).await.ok()["reason"], "policy_changed");
}

#[tokio::test]
async fn con_09_ses_04_of_many_who_ask_at_once_each_gets_its_own_answer() {
    let world = World::new().await;
    world.policy("v1", clock::now() - TimeDelta::days(1), false).await;
    let mut members = Vec::new();
    for number in 0..12 {
        let member = world.member(None).await;
        if number % 3 == 0 {
            world.answers(&member, "ConsentGranted", ConsentId(clock::new_id()), json!({})).await;
        }
        // From here on what its session was issued as is known.
        world.get_as(&member, "/v1/categories").await.ok();
        if number % 4 == 1 {
            world.revoke(&member).await;
        }
        members.push(member);
    }
    let asked = members.iter().enumerate().cycle().take(240).map(async |(number, member)| {
        let user = member.id();
        let path =
            format!("/v1/consents/check?user={user}&type=ANALYTICS&purpose=search_analytics");
        let reply = world.get_as(member, &path).await;
        if number % 4 == 1 {
            assert_eq!(reply.problem(401)["rule"], "SES-04", "of {number}");
            return;
        }
        let answer = reply.ok();
        assert_eq!(answer["user_id"], json!(user));
        let reason = if number % 3 == 0 { "consented" } else { "not_asked" };
        assert_eq!(answer["reason"], reason, "of {number}");
    });
    futures::future::join_all(asked).await;
}

#[tokio::test]
async fn con_02_con_08_con_14_a_consent_is_seen_by_whom_it_is_of_and_by_auditors() {
    let world = World::new().await;
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    world.policy("v1", clock::now() - TimeDelta::days(1), false).await;
    let id = ConsentId(clock::new_id());
    world.answers(&ada, "ConsentGranted", id, json!({})).await;
    let between = text(clock::now());
    let withdrawn = json!({ "status": "WITHDRAWN", "withdrawn_at": clock::now() });
    world.answers(&ada, "ConsentWithdrawn", id, withdrawn).await;
    world.project().await;
    let path = format!("/v1/consents/{id}");
    let own = world.get_as(&ada, &path).await.ok();
    assert_eq!(
        (&own["consent_status"], &own["valid_consent"]),
        (&json!("WITHDRAWN"), &json!(false))
    );
    assert_eq!(own["purpose_description"], "To search better.");
    assert_eq!(
        (&own["ip_address"], &own["evidence_data"]),
        (&json!("203.0.113.7"), &json!({ "form": "x" }))
    );
    world.get_as(&bob, &path).await.problem(404);
    let receipt = format!("{path}/receipt");
    world.get_as(&bob, &receipt).await.problem(404);
    let receipt = world.get_as(&ada, &receipt).await.ok();
    assert_eq!(receipt["consent_record"]["record_id"], json!(id));
    assert_eq!(receipt["party_identification"][0]["party_name"], "Agora, post@agora.example");
    let states: Vec<_> =
        receipt["event"].as_array().unwrap().iter().map(|it| it["event_state"].clone()).collect();
    assert_eq!(states, ["consent_given", "consent_withdrawn"]);
    let count = async |user: &User, query: &str| {
        let list = world.get_as(user, &format!("/v1/consents{query}")).await.ok();
        list["items"].as_array().unwrap().len()
    };
    assert_eq!((count(&ada, "").await, count(&bob, "").await), (1, 0));
    assert_eq!(count(&bob, &format!("?user_id={}", ada.id())).await, 0);
    assert_eq!(count(&auditor, "?policy_version=v1").await, 1);
    assert_eq!(count(&auditor, "?policy_version=v2").await, 0);
    let then = format!("/v1/consents?as_of={between}&user_id={}", ada.id());
    let then = world.get_as(&auditor, &then).await.ok();
    let then = &then["items"][0];
    assert_eq!((&then["consent_status"], &then["withdrawn_at"]), (&json!("GRANTED"), &Value::Null));
    let reads = world.security_records().await;
    assert!(reads.iter().filter(|it| it.0 == "audit_read").count() >= 3, "aud_09");
    world.erase(&ada).await;
    // Another instance: this one knows the keys a little longer.
    let gone = world.another_instance().get_as(&auditor, &path).await.ok();
    assert_eq!(
        (&gone["purpose_description"], &gone["evidence_data"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(gone["consent_status"], "WITHDRAWN");
}

#[tokio::test]
async fn srl_07_a_consent_decides_whether_a_search_names_who_searches() {
    let world = World::new().await;
    let open = world.where_all_consent();
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    world.policy("v1", clock::now() - TimeDelta::days(1), false).await;
    world.project().await;
    let id = ConsentId(clock::new_id());
    world.answers(&ada, "ConsentGranted", id, json!({})).await;
    let denied = json!({ "status": "DENIED", "granted_at": null });
    world.answers(&bob, "ConsentDenied", ConsentId(clock::new_id()), denied).await;
    let searched = async |world: &World, user: &User| {
        world.get_as(user, "/v1/search/posts?q=rye").await.ok();
        world.searches.flush().await;
        let list = world.get_as(user, "/v1/me/searches").await.ok();
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(searched(&world, &ada).await, 1, "against the default");
    assert_eq!(searched(&open, &bob).await, 0, "against the default");
    let withdrawn = json!({ "status": "WITHDRAWN", "withdrawn_at": clock::now() });
    world.answers(&ada, "ConsentWithdrawn", id, withdrawn).await;
    assert_eq!(searched(&world, &ada).await, 1, "from the withdrawal on, no more");
}
