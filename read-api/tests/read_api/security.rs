//! Incidents, breaches and what is known of addresses: seen by whom they concern, and who is refused.

use agora_domain::{
    Personal, PersonalCategory, Subject,
    identity::values::AdminScope,
    ids::{IncidentId, IpAddressId},
    security::{
        breach::{Breach, BreachContent, BreachEvent},
        incident::{Incident, IncidentEvent},
        ip_address::{Act, IpAddress, IpAddressCommand, IpAddressEvent},
        network::Network,
        values::{DetectionMethod, IncidentType, Severity},
    },
    values::IncidentText,
};
use agora_event_store::{Opener, blocklist::Blocklist, security::SecurityLog};
use agora_service::clock;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{User, World};

const ADDRESS: &str = "203.0.113.9";

fn evidence<T>(id: IncidentId, value: T) -> Personal<T> {
    Personal::new(Subject::from(id.0), PersonalCategory::Evidence, value)
}

fn text(id: IncidentId, text: &str) -> Personal<IncidentText> {
    evidence(id, text.parse().unwrap())
}

impl World {
    async fn guard(&self) -> User {
        self.admin(&[AdminScope::Security]).await
    }

    /// An address with the claim that leads to it.
    async fn known_address(&self, address: &str) -> IpAddressId {
        let id = IpAddressId(clock::new_id());
        let key = self.database.vault().masters().derive("address-index");
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).unwrap();
        mac.update(address.as_bytes());
        sqlx::query(
            "INSERT INTO log.claims (scope, key, aggregate_id) VALUES ('ip_address', $1, $2)",
        )
        .bind(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
        .bind(id.to_string())
        .execute(&self.database.pool)
        .await
        .unwrap();
        id
    }

    async fn on_address(&self, guard: &User, id: IpAddressId, address: &str, act: Act) {
        let log = self.database.log().await;
        let state = log.load::<IpAddress>(&id.to_string()).await.unwrap().state;
        let network: Network = address.parse().unwrap();
        let command = IpAddressCommand {
            id,
            address: Personal::new(Subject::from(id.0), PersonalCategory::Network, network),
            is_range: network.is_range(),
            is_exempt: false,
            at: clock::now(),
            by: guard.actor,
            act,
        };
        let events = agora_domain::Decide::decide(&*state, command).unwrap();
        self.append::<IpAddress>(guard.actor, id, events).await;
    }

    async fn incident(&self, guard: &User, address_id: IpAddressId) -> IncidentId {
        let id = IncidentId(clock::new_id());
        let now = clock::now();
        let network: Network = ADDRESS.parse().unwrap();
        let subject = Subject::from(address_id.0);
        let detected = IncidentEvent::IncidentDetected {
            incident_id: id,
            incident_type: IncidentType::BruteForce,
            severity: Severity::High,
            source_ip: Personal::new(subject, PersonalCategory::Network, network),
            address_id: Some(address_id),
            target_endpoint: Some(evidence(id, "POST /v1/commands/log-in".parse().unwrap())),
            user: None,
            attack_vector: None,
            request_count: Some(12),
            blocked_requests: None,
            detection_method: DetectionMethod::RateLimiting,
            detection_confidence: None,
            threat_intelligence: None,
            follows: None,
            first_detected_at: now - TimeDelta::seconds(90),
            last_activity_at: now,
            reported_by: guard.actor,
        };
        self.append::<Incident>(guard.actor, id, vec![detected]).await;
        id
    }
}

#[tokio::test]
async fn inc_06_inc_09_an_incident_is_shown_with_what_was_found_and_ops_see_the_board() {
    let world = World::new().await;
    let (guard, ops) = (world.guard().await, world.admin(&[AdminScope::Ops]).await);
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let address_id = world.known_address(ADDRESS).await;
    let id = world.incident(&guard, address_id).await;
    let by = guard.actor;
    let more = vec![
        IncidentEvent::InvestigationStarted { started_by: by },
        IncidentEvent::MitigationApplied { action: text(id, "Blocked it."), applied_by: by },
        IncidentEvent::MitigationApplied { action: text(id, "Told them."), applied_by: by },
        IncidentEvent::ForensicDataAdded {
            data: evidence(id, json!({ "agents": ["sqlmap"] }).try_into().unwrap()),
            added_by: by,
        },
        IncidentEvent::IncidentEscalated {
            severity: Severity::Critical,
            reason: Some(text(id, "It goes on.")),
            escalated_by: by,
        },
    ];
    world.append::<Incident>(by, id, more).await;
    world.project().await;
    let path = format!("/v1/incidents/{id}");
    for who in [&guard, &auditor] {
        let shown = world.get_as(who, &path).await.ok();
        for (field, value) in [
            ("incident_type", json!("BRUTE_FORCE")),
            ("severity_level", json!("CRITICAL")),
            ("status", json!("MITIGATED")),
            ("source_ip", json!(ADDRESS)),
            ("target_endpoint", json!("POST /v1/commands/log-in")),
            ("duration_seconds", json!(90)),
            ("escalated", json!(true)),
            ("false_positive", json!(false)),
            ("escalation_reason", json!("It goes on.")),
            ("request_count", json!(12)),
            ("sequence", json!(6)),
        ] {
            assert_eq!(shown[field], value, "{field}");
        }
        assert_eq!(shown["mitigation_actions"][1]["action"], "Told them.");
        assert_eq!(shown["forensic_data"]["entries"][0]["data"]["agents"][0], "sqlmap");
    }
    let board = world.get_as(&ops, "/v1/incidents").await.ok();
    let item = &board["items"][0];
    assert_eq!(
        (&item["status"], &item["severity_level"]),
        (&json!("MITIGATED"), &json!("CRITICAL"))
    );
    for personal in ["source_ip", "target_endpoint", "user_id"] {
        assert_eq!(item[personal], Value::Null, "{personal}");
    }
    world.get_as(&ops, &path).await.problem(403);
    let of_address = format!("/v1/incidents?source_ip=::ffff:{ADDRESS}");
    let list = async |who: &User, query: &str| {
        world.get_as(who, query).await.ok()["items"].as_array().unwrap().len()
    };
    assert_eq!(list(&guard, &of_address).await, 1);
    assert_eq!(list(&ops, &of_address).await, 0, "who may not see an address cannot ask for it");
    assert_eq!(list(&guard, "/v1/incidents?source_ip=192.0.2.1").await, 0);
    assert_eq!(list(&guard, "/v1/incidents?status=DETECTED").await, 0);
    assert_eq!(list(&guard, "/v1/incidents?type=BRUTE_FORCE&severity=CRITICAL").await, 1);
    for wrong in ["status=open", "severity=high", "source_ip=010.1.1.1"] {
        world.get_as(&guard, &format!("/v1/incidents?{wrong}")).await.problem(400);
    }
    world.get_as(&guard, &format!("/v1/incidents/{}", clock::new_id())).await.problem(404);
    let admin = world.admin(&[]).await;
    world.get_as(&admin, "/v1/incidents").await.problem(403);
}

#[tokio::test]
async fn inc_14_law_08_the_register_tells_how_long_there_is_time() {
    let world = World::new().await;
    let guard = world.guard().await;
    for (hours, told) in [(1, None), (100, None), (100, Some(1)), (100, Some(99))] {
        let id = IncidentId(clock::new_id());
        let aware_at = clock::now() - TimeDelta::hours(hours);
        let nature = Some(text(id, "Addresses leaked."));
        let content = BreachContent { nature, ..BreachContent::default() };
        let mut events = vec![BreachEvent::BreachDeclared {
            incident_id: id,
            aware_at,
            content: content.clone(),
            declared_by: guard.actor,
        }];
        events.extend(told.map(|after| BreachEvent::AuthorityNotified {
            phase: 1,
            notified_at: aware_at + TimeDelta::hours(after),
            reason: Some(text(id, "It took long.")),
            content,
            recorded_by: guard.actor,
        }));
        world.append::<Breach>(guard.actor, id, events).await;
    }
    world.project().await;
    let register = world.get_as(&guard, "/v1/breaches").await.ok();
    let items = register["items"].as_array().unwrap();
    let statuses: Vec<_> = items.iter().map(|item| item["authority_status"].clone()).collect();
    assert_eq!(statuses, ["NOTIFIED_LATE", "NOTIFIED", "OVERDUE", "DUE"]);
    assert_eq!(items[0]["notifications"][0]["reason"], "It took long.");
    assert_eq!((&items[1]["seconds_left"], &items[2]["seconds_left"]), (&Value::Null, &json!(0)));
    let left = items[3]["seconds_left"].as_i64().unwrap();
    assert!((70 * 3_600..=71 * 3_600).contains(&left), "{left}");
    assert_eq!(items[3]["nature"], "Addresses leaked.");
    assert_eq!(items[3]["content_complete"], false);
}

#[tokio::test]
async fn ipr_07_ipr_13_a_score_explains_itself_as_of_any_time() {
    let world = World::new().await;
    let guard = world.guard().await;
    let id = world.known_address(ADDRESS).await;
    world.on_address(&guard, id, ADDRESS, Act::Observe { requests: 9, blocked: 0 }).await;
    let before = clock::now();
    let incident_id = IncidentId(clock::new_id());
    let (incident_type, severity) = (IncidentType::BruteForce, Severity::High);
    let link = Act::LinkIncident { incident_id, incident_type, severity };
    world.on_address(&guard, id, ADDRESS, link).await;
    world.on_address(&guard, id, ADDRESS, Act::AutoBlock).await;
    world.project().await;
    let path = format!("/v1/ip-reputation/{ADDRESS}");
    let shown = world.get_as(&guard, &path).await.ok();
    assert_eq!(
        (&shown["reputation_score"], &shown["risk_level"]),
        (&json!(30), &json!("HIGH_RISK"))
    );
    assert_eq!(shown["ip_address"], ADDRESS);
    let parts = shown["explanation"].as_array().unwrap();
    let sum: f64 = parts.iter().map(|part| part["points"].as_f64().unwrap()).sum();
    assert_eq!(sum.round(), 30.0);
    let reasons: Vec<_> = parts.iter().map(|part| part["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["base", "incident", "auto_block"]);
    assert_eq!(parts[1]["incident_id"], json!(incident_id));
    // The same question about a moment ago.
    let as_of = before.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let then = world.get_as(&guard, &format!("{path}?as_of={as_of}")).await.ok();
    assert_eq!((&then["reputation_score"], &then["incident_count"]), (&json!(70), &json!(0)));
    assert_eq!(then["request_count"], 9);
    world.get_as(&guard, &format!("{path}?as_of=2020-01-01T00:00:00Z")).await.problem(404);
    world.get_as(&guard, &format!("{path}?as_of=2199-01-01T00:00:00Z")).await.problem(400);
    world.get_as(&guard, "/v1/ip-reputation/192.0.2.1").await.problem(404);
    world.get_as(&guard, "/v1/ip-reputation/010.0.0.1").await.problem(400);
    let list = world.get_as(&guard, "/v1/ip-reputation").await.ok();
    assert_eq!(list["items"][0]["ip_address"], ADDRESS);
}

#[tokio::test]
async fn ipr_08_ipr_10_the_blocklist_follows_the_table_and_counts_what_it_refuses() {
    let world = World::new().await;
    let guard = world.guard().await;
    let id = world.known_address(ADDRESS).await;
    let list = Blocklist::default();
    let opener = Opener::new(world.database.vault());
    let pool = &world.database.pool;
    let refuses = || list.refuses(ADDRESS.parse().unwrap(), clock::now);
    list.look(pool, &opener, 0, true).await.unwrap();
    assert!(!refuses());
    let black = Act::Blacklist { until: None, reason: None };
    world.on_address(&guard, id, ADDRESS, black).await;
    world.project().await;
    let after = list.look(pool, &opener, 0, false).await.unwrap();
    assert!(refuses() && refuses());
    // Taken off it, and on the other list: at the next look.
    world.on_address(&guard, id, ADDRESS, Act::RemoveFromBlacklist).await;
    let white = Act::Whitelist { until: None, reason: None };
    world.on_address(&guard, id, ADDRESS, white).await;
    world.project().await;
    assert!(list.look(pool, &opener, after, false).await.unwrap() > after);
    assert!(!refuses());
    let security = SecurityLog::start(pool.clone(), world.database.vault(), None);
    list.write_down(&security).await;
    let counted: i64 = sqlx::query_scalar(
        "SELECT occurrences FROM log.security_records
         WHERE kind = 'blocked' AND result = 'BLOCKED' AND rule = 'IPR-08'",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(counted, 2);
}

/// What is forgotten is shown to nobody, and refused by nobody any more.
#[tokio::test]
async fn ipr_15_a_forgotten_address_is_gone_from_the_table() {
    let world = World::new().await;
    let guard = world.guard().await;
    let id = world.known_address(ADDRESS).await;
    world.on_address(&guard, id, ADDRESS, Act::Observe { requests: 3, blocked: 3 }).await;
    world.project().await;
    let path = format!("/v1/ip-reputation/{ADDRESS}");
    let shown = world.get_as(&guard, &path).await.ok();
    assert_eq!(shown["first_seen_at"], shown["last_seen_at"]);
    let forgotten = IpAddressEvent::IpForgotten { id, forgotten_at: clock::now() };
    world.append::<IpAddress>(guard.actor, id, vec![forgotten]).await;
    world.project().await;
    world.get_as(&guard, &path).await.problem(404);
    let list = world.get_as(&guard, "/v1/ip-reputation").await.ok();
    assert_eq!(list["items"], json!([]));
}
