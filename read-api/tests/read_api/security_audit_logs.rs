//! The security audit log (E27) as security admins and auditors read it.

use std::sync::Arc;

use agora_domain::{
    PersonalCategory, Subject,
    identity::values::AdminScope,
    security::audit::{AuditEventType, AuditResult, RetentionCategory, RiskScore},
};
use agora_event_store::{
    security_audit::{Entry, LeafName, Person, Store},
    testing::mmdb,
};
use agora_read_api::security_audit::get_to_know;
use agora_service::{
    clock,
    geoip::{Countries, CountriesArgs},
    http::access::Said,
};
use axum::http::Request;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::world::{User, World};

const ROUTE: &str = "/v1/security-audit-logs";

async fn store(world: &World) -> Store {
    Store::new(world.reads.clone(), world.database.vault())
}

fn entry(at: DateTime<Utc>, number: u128) -> Entry {
    let mut entry = Entry::at(at, AuditEventType::ApiAccess, AuditResult::Success);
    entry.endpoint = Some("/v1/posts/{id}".into());
    entry.response_code = Some(200);
    entry.person = Person {
        user: Some(Uuid::from_u128(number % 3 + 1)),
        kind: Some("member".into()),
        session: Some(Uuid::from_u128(number % 6 + 100)),
        ip: Some(format!("203.0.113.{}", number % 4).parse().unwrap()),
        said: Said { user_agent: Some("a browser".into()), ..Said::default() }.into(),
    };
    entry
}

/// Entries of forty days, three a day: among them one each of a kind of its own.
async fn written(world: &World) -> Vec<Entry> {
    let now = clock::now();
    let mut entries: Vec<Entry> = (0..120_u32)
        .map(|number| entry(now - TimeDelta::hours(8 * i64::from(number) + 1), number.into()))
        .collect();
    entries[50].event_type = AuditEventType::Login;
    entries[50].result = AuditResult::Failure;
    entries[50].retention = RetentionCategory::Security;
    entries[90].risk_score = RiskScore::try_from(70).unwrap();
    entries[91].risk_score = RiskScore::try_from(20).unwrap();
    store(world).await.write(&entries).await.unwrap();
    entries
}

async fn found(world: &World, user: &User, query: &str) -> Vec<Value> {
    let list = world.get_as(user, &format!("{ROUTE}?limit=100&{query}")).await.ok();
    list["items"].as_array().unwrap().clone()
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["log_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sal_11_a_connection_gets_to_know_the_days_that_hold_something() {
    let world = World::new().await;
    let mut connection = world.reads.acquire().await.unwrap();
    get_to_know(&mut connection).await.unwrap();
    written(&world).await;
    get_to_know(&mut connection).await.unwrap();
}

#[tokio::test]
async fn sal_11_entries_are_found_by_each_filter_newest_first_in_parts() {
    let world = World::new().await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let entries = written(&world).await;
    let of = |keeps: &dyn Fn(&Entry) -> bool| -> Vec<String> {
        entries.iter().filter(|it| keeps(it)).map(|it| it.log_id.to_string()).collect()
    };
    let user = Uuid::from_u128(2);
    assert_eq!(
        ids(&found(&world, &auditor, &format!("user={user}")).await),
        of(&|it| it.person.user == Some(user))
    );
    assert_eq!(
        ids(&found(&world, &auditor, "ip=203.0.113.3").await),
        of(&|it| it.person.ip == Some("203.0.113.3".parse().unwrap()))
    );
    assert_eq!(
        ids(&found(&world, &auditor, "ip=::ffff:203.0.113.3").await).len(),
        30,
        "in any way of writing it"
    );
    let session = Uuid::from_u128(104);
    let by_session = found(&world, &auditor, &format!("session={session}")).await;
    assert_eq!(ids(&by_session), of(&|it| it.person.session == Some(session)));
    let hash = by_session[0]["session_id"].as_str().unwrap();
    assert_ne!(hash, session.to_string());
    let by_hash = found(&world, &auditor, &format!("session={hash}")).await;
    assert_eq!(ids(&by_hash), ids(&by_session));
    let both = found(&world, &auditor, &format!("session={session}&ip=203.0.113.0")).await;
    assert_eq!(both.len(), 10);
    let kind = of(&|it| it.event_type == AuditEventType::Login);
    assert_eq!(ids(&found(&world, &auditor, "type=LOGIN").await), kind);
    assert_eq!(ids(&found(&world, &auditor, "result=FAILURE").await), kind);
    assert_eq!(ids(&found(&world, &auditor, "retention=SECURITY").await), kind);
    assert_eq!(
        ids(&found(&world, &auditor, "risk_min=20").await),
        of(&|it| it.risk_score.get() >= 20)
    );
    assert_eq!(found(&world, &auditor, "risk_min=60").await.len(), 1);
    let time = |at: DateTime<Utc>| agora_event_store::read::rfc3339_micros(at);
    let (from, to) = (entries[30].recorded_at, entries[10].recorded_at);
    let between = format!("from={}&to={}", time(from), time(to));
    assert_eq!(
        ids(&found(&world, &auditor, &between).await),
        of(&|it| it.recorded_at >= from && it.recorded_at < to)
    );

    let mut walked = Vec::new();
    let mut path = format!("{ROUTE}?limit=7&user={user}");
    loop {
        let part = world.get_as(&auditor, &path).await.ok();
        walked.extend(ids(part["items"].as_array().unwrap()));
        let Some(next) = part["next"].as_str() else { break };
        path = format!("{ROUTE}?limit=7&user={user}&cursor={next}");
    }
    assert_eq!(walked, of(&|it| it.person.user == Some(user)));
    let cursor = path.rsplit('=').next().unwrap();
    world.get_as(&auditor, &format!("{ROUTE}?limit=7&cursor={cursor}")).await.problem(400);
}

/// Makes each third pack one of records, as they were written before columns (ADR 25).
async fn make_older(world: &World) {
    let mut owner = PgConnection::connect(&world.database.url).await.unwrap();
    sqlx::query(
        "DO $$ DECLARE packs regclass; BEGIN
             FOR packs IN SELECT relid FROM pg_partition_tree('log.security_audit_packs') LOOP
                 EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', packs);
             END LOOP;
         END $$",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    let made = sqlx::query(
        "UPDATE log.security_audit_packs p SET acts = NULL, act_numbers = NULL, recorded_ats = NULL,
             log_ids = NULL, user_keys = NULL, ip_keys = NULL, session_keys = NULL,
             request_sizes_bytes = NULL, response_sizes_bytes = NULL, processing_times_ms = NULL,
             payload_hashes = NULL, sealed_texts = NULL, sealed_in_recorded_ats = NULL,
             sealed_in_log_ids = NULL,
             entries = (SELECT array_agg(
                            jsonb_populate_record(NULL::log.security_audit_entry, to_jsonb(e))
                            ORDER BY recorded_at, log_id)
                        FROM log.security_audit_packed e
                        WHERE e.day = p.day AND e.segment = p.segment AND e.part = p.part)
         WHERE segment % 3 = 0",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    assert!(made.rows_affected() > 50, "{made:?}");
}

/// Groups of two writers by turns that overlap, around midnight, some of one instant, in packs of either form.
#[tokio::test]
async fn sal_11_entries_of_packs_that_overlap_are_found_in_their_order() {
    let world = World::new().await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let midnight = clock::now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let stores = [store(&world).await, store(&world).await];
    let mut entries = Vec::new();
    for number in 0..200_u32 {
        let begun = midnight + TimeDelta::milliseconds(30 * i64::from(number) - 3_000);
        let group: Vec<Entry> = [0, 100, 250, 251]
            .into_iter()
            .zip(0_u32..)
            .map(|(after, place)| {
                let at = begun + TimeDelta::milliseconds(after - after % 10);
                let mut entry = entry(at, u128::from(4 * number + place));
                if number % 20 == place {
                    entry.result = AuditResult::Failure;
                    entry.risk_score = RiskScore::try_from(10 * place as u8).unwrap();
                }
                if number % 50 == 7 {
                    entry.retention = RetentionCategory::Security;
                }
                entry
            })
            .collect();
        stores[number as usize % 2].write(&group).await.unwrap();
        entries.extend(group);
    }
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.recorded_at, entry.log_id)));
    let user = Uuid::from_u128(2);
    let (from, to) = (entries[500].recorded_at, entries[100].recorded_at);
    let time = |at: DateTime<Utc>| agora_event_store::read::rfc3339_micros(at);
    let of_time = format!("from={}&to={}", time(from), time(to));
    type Keeps<'k> = &'k dyn Fn(&Entry) -> bool;
    let ways: [(&str, usize, Keeps<'_>); 7] = [
        ("", 37, &|_| true),
        (&of_time, 23, &|it| it.recorded_at >= from && it.recorded_at < to),
        (&format!("user={user}"), 7, &|it| it.person.user == Some(user)),
        ("ip=203.0.113.3", 50, &|it| it.person.ip == Some("203.0.113.3".parse().unwrap())),
        ("result=FAILURE", 7, &|it| it.result == AuditResult::Failure),
        ("risk_min=20", 3, &|it| it.risk_score.get() >= 20),
        (&format!("user={user}&result=FAILURE"), 3, &|it| {
            it.person.user == Some(user) && it.result == AuditResult::Failure
        }),
    ];
    for has_older in [false, true] {
        if has_older {
            make_older(&world).await;
        }
        for (filter, limit, keeps) in ways {
            let (mut walked, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("{ROUTE}?limit={limit}&{filter}{cursor}");
                let part = world.get_as(&auditor, &path).await.ok();
                let kept = part["items"].as_array().unwrap().iter();
                // But those that tell of these reads.
                let kept = kept.filter(|item| item["event_type"] == "API_ACCESS").cloned();
                walked.extend(ids(&kept.collect::<Vec<_>>()));
                let Some(next) = part["next"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            let wanted: Vec<String> =
                entries.iter().filter(|it| keeps(it)).map(|it| it.log_id.to_string()).collect();
            assert!(!wanted.is_empty(), "{filter}");
            assert_eq!(walked, wanted, "{filter}, packs of records: {has_older}");
        }
    }
    for entry in entries.iter().step_by(97) {
        let one = world.get_as(&auditor, &format!("{ROUTE}/{}", entry.log_id)).await.ok();
        assert_eq!(one["user_agent"], "a browser");
    }
}

/// Entries of several kinds by turns, on two days and at one instant of each.
#[tokio::test]
async fn sal_11_kinds_of_one_day_come_in_one_order_page_by_page() {
    let world = World::new().await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let now = clock::now();
    let entries: Vec<Entry> = (0..60_u32)
        .map(|number| {
            let at = now - TimeDelta::days(i64::from(1 + number / 30));
            let mut entry = entry(at, number.into());
            let (result, risk) = match number % 4 {
                0 => (AuditResult::Failure, 40),
                1 => (AuditResult::Failure, 10),
                2 => (AuditResult::Success, 30),
                _ => (AuditResult::Success, 0),
            };
            (entry.result, entry.risk_score) = (result, RiskScore::try_from(risk).unwrap());
            entry
        })
        .collect();
    store(&world).await.write(&entries).await.unwrap();
    for (query, kinds) in [
        ("risk_min=10", &[0, 1, 2][..]),
        ("risk_min=11", &[0, 2]),
        ("result=FAILURE", &[0, 1]),
        ("result=FAILURE&risk_min=11", &[0]),
        ("result=SUCCESS&type=API_ACCESS&retention=OPERATIONAL", &[2, 3]),
        ("result=BLOCKED", &[]),
    ] {
        let mut wanted: Vec<&Entry> = entries
            .iter()
            .zip(0..)
            .filter(|(_, it)| kinds.contains(&(it % 4)))
            .map(|it| it.0)
            .collect();
        wanted.sort_by_key(|it| std::cmp::Reverse((it.recorded_at, it.log_id)));
        let wanted: Vec<String> = wanted.iter().map(|it| it.log_id.to_string()).collect();
        let (mut walked, mut path) = (Vec::new(), format!("{ROUTE}?limit=7&{query}"));
        loop {
            let part = world.get_as(&auditor, &path).await.ok();
            walked.extend(ids(part["items"].as_array().unwrap()));
            let Some(next) = part["next"].as_str() else { break };
            path = format!("{ROUTE}?limit=7&{query}&cursor={next}");
        }
        // Who walks is told of, too, as an act of another kind.
        assert_eq!(walked, wanted, "{query}");
    }
}

#[tokio::test]
async fn sal_08_by_an_address_nothing_is_found_on_days_whose_key_is_gone() {
    let world = World::new().await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let entries = written(&world).await;
    let newest = entries[0].recorded_at.date_naive();
    let leaf = LeafName { day: newest, category: RetentionCategory::Operational };
    world.database.vault().destroy(&leaf.subject(), &[PersonalCategory::Network]).await.unwrap();
    let world = world.another_instance();
    let ip = "203.0.113.3".parse().ok();
    let left: Vec<String> = entries
        .iter()
        .filter(|it| it.person.ip == ip && it.recorded_at.date_naive() != newest)
        .map(|it| it.log_id.to_string())
        .collect();
    let found = found(&world, &auditor, "ip=203.0.113.3&retention=OPERATIONAL").await;
    assert_eq!(ids(&found), left);
}

#[tokio::test]
async fn sal_12_each_read_is_an_entry_of_its_own() {
    let world = World::new().await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let entries = written(&world).await;
    let one = format!("{ROUTE}/{}", entries[0].log_id);
    for path in [ROUTE, &one, &format!("{ROUTE}/export"), &format!("{ROUTE}/integrity")] {
        assert_eq!(world.get_as(&auditor, path).await.status, 200, "{path}");
    }
    let reads = found(&world, &auditor, "type=ADMIN_ACTION").await;
    let mut routes: Vec<_> = reads.iter().map(|it| it["endpoint"].as_str().unwrap()).collect();
    routes.sort_unstable();
    let named = [
        ROUTE,
        ROUTE,
        "/v1/security-audit-logs/export",
        "/v1/security-audit-logs/integrity",
        "/v1/security-audit-logs/{id}",
    ];
    assert_eq!(routes, named, "the read that shows them is there, too");
    for read in &reads {
        assert_eq!(read["user_id"], auditor.id().to_string());
        assert_eq!(read["event_result"], "SUCCESS");
        assert_eq!(read["retention_category"], "COMPLIANCE");
    }
    // Who is refused leaves none.
    let member = world.member(None).await;
    world.get_as(&member, ROUTE).await.problem(403);
    world.get(ROUTE).await.problem(401);
    assert_eq!(found(&world, &auditor, "type=ADMIN_ACTION").await.len(), 6);
}

#[tokio::test]
async fn sal_04_sal_08_an_entry_has_every_field_and_loses_what_is_personal_with_its_key() {
    let world = World::new().await;
    let security = world.admin(&[AdminScope::Security]).await;
    let mut full = entry(clock::now(), 0);
    let said = Arc::make_mut(&mut full.person.said);
    said.headers = Some(r#"{"accept":"text/html"}"#.into());
    said.referrer = Some("https://agora.example/".into());
    full.payload_hash = Some([7; 32]);
    full.threat_indicators = vec!["unknown_route".to_owned()];
    full.metadata = Some(r#"{"rule":"PST-01"}"#.to_owned());
    let mut system =
        Entry::at(clock::now(), AuditEventType::SecurityIncident, AuditResult::Blocked);
    system.metadata = Some(r#"{"ip_absent":true}"#.to_owned());
    let folder = std::env::temp_dir().join(format!("agora-places-{}", full.log_id));
    let place = json!({ "country": { "iso_code": "NO" } });
    let file = mmdb::database(&folder, "Country", "203.0.113.0".parse().unwrap(), &place);
    let countries = Countries::open(&CountriesArgs { geoip_city_file: Some(file) }).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let located = store(&world).await.locating(countries);
    located.write(&[full.clone(), system.clone()]).await.unwrap();
    let shown = world.get_as(&security, &format!("{ROUTE}/{}", full.log_id)).await.ok();
    let object = shown.as_object().unwrap();
    assert_eq!(object.len(), 25, "{object:?}");
    assert_eq!(shown["user_id"], Uuid::from_u128(1).to_string());
    assert_eq!(shown["ip_address"], "203.0.113.0");
    assert_eq!(shown["geolocation"], json!({ "country": "NO" }));
    assert_eq!(shown["additional_headers"]["accept"], "text/html");
    assert_eq!(shown["payload_hash"], "07".repeat(32));
    assert_eq!(shown["threat_indicators"][0], "unknown_route");
    assert_eq!(shown["metadata"]["rule"], "PST-01");
    assert_eq!(shown["device_fingerprint"].as_str().unwrap().len(), 32);
    assert_eq!(shown["anonymized"], false);
    let of_system = world.get_as(&security, &format!("{ROUTE}/{}", system.log_id)).await.ok();
    assert_eq!((&of_system["ip_address"], &of_system["user_id"]), (&"::".into(), &Value::Null));
    assert_eq!(of_system["metadata"]["ip_absent"], true);
    assert_eq!(of_system["geolocation"], Value::Null);

    let vault = world.database.vault();
    let kari = Subject::from(Uuid::from_u128(1));
    vault.destroy(&kari, &[PersonalCategory::Network]).await.unwrap();
    let world = world.another_instance();
    let shown = world.get_as(&security, &format!("{ROUTE}/{}", full.log_id)).await.ok();
    assert_eq!(shown["anonymized"], true);
    for field in [
        "user_id",
        "session_id",
        "ip_address",
        "user_agent",
        "geolocation",
        "device_fingerprint",
        "referrer",
        "additional_headers",
    ] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
    assert_eq!(shown["endpoint"], "/v1/posts/{id}", "the row stays");
    let path = format!("user={}", Uuid::from_u128(1));
    assert_eq!(found(&world, &security, &path).await.len(), 0);
    assert_eq!(found(&world, &security, "ip=203.0.113.0").await.len(), 0, "nor by its address");
    let verdict = world.get_as(&security, &format!("{ROUTE}/integrity")).await.ok();
    assert_eq!((&verdict["intact"], &verdict["entries"]), (&true.into(), &1.into()));
}

#[tokio::test]
async fn sal_01_sal_03_wrong_filters_are_named() {
    let world = World::new().await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    for wrong in [
        "type=login",
        "result=OK",
        "retention=FOREVER",
        "risk_min=101",
        "risk_min=-1",
        "ip=1.2.3",
        "ip=010.0.0.1",
        "user=7",
        "from=yesterday",
        "session=a%20b",
    ] {
        let problem = world.get_as(&auditor, &format!("{ROUTE}?{wrong}")).await.problem(400);
        let name = wrong.split('=').next().unwrap();
        assert_eq!(problem["errors"][0]["pointer"], format!("/query/{name}"), "{wrong}");
    }
    world.get_as(&auditor, &format!("{ROUTE}/7")).await.problem(400);
    world.get_as(&auditor, &format!("{ROUTE}/{}", Uuid::from_u128(7))).await.problem(404);
    world.get_as(&auditor, &format!("{ROUTE}/integrity?day=today")).await.problem(400);
}

#[tokio::test]
async fn sal_11_an_export_has_all_entries_a_line_each() {
    let world = World::new().await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let at = clock::now() - TimeDelta::hours(1);
    let entries: Vec<Entry> =
        (0..1_203_u32).map(|it| entry(at - TimeDelta::seconds(it.into()), it.into())).collect();
    store(&world).await.write(&entries).await.unwrap();
    let reply = world.get_as(&auditor, &format!("{ROUTE}/export?type=API_ACCESS")).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> =
        reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wanted: Vec<_> = entries.iter().map(|it| it.log_id.to_string()).collect();
    assert_eq!(ids(&lines), wanted);
}

/// Every request of the read API is told of, with who sent it.
#[tokio::test]
async fn sal_05_each_request_is_told_of_with_who_sent_it() {
    let world = World::new().await;
    let (told, audit) = world.told();
    let member = world.member(None).await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    told.get_as(&member, "/v1/me").await;
    told.get_as(&member, "/v1/audit-log").await.problem(403);
    told.get("/v1/me").await.problem(401);
    told.get("/v1/nothing").await.problem(404);
    told.send(Request::get("/v1/me").header("authorization", "Bearer x")).await.problem(401);
    audit.flush().await;
    let mut seen = found(&world, &auditor, "type=API_ACCESS").await;
    seen.reverse();
    let facts: Vec<_> = seen
        .iter()
        .map(|it| (it["response_code"].as_u64().unwrap(), it["event_result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        facts[1..],
        [(403, "BLOCKED"), (401, "FAILURE"), (404, "FAILURE"), (401, "FAILURE")]
    );
    for (entry, user) in seen.iter().zip([true, true, false, false, false]) {
        let wanted = if user { Value::from(member.id().to_string()) } else { Value::Null };
        assert_eq!(entry["user_id"], wanted, "{entry}");
        assert_eq!(entry["ip_address"], crate::world::CLIENT);
    }
    assert_eq!(seen[1]["metadata"]["rule"], "ROL-01");
    assert_eq!(seen[1]["endpoint"], "/v1/audit-log");
}

#[tokio::test]
async fn rel_08_an_entry_is_of_at_most_one_user_and_its_address_leads_to_what_is_known_of_it() {
    let world = World::new().await;
    let security = world.admin(&[AdminScope::Security]).await;
    let (known, guest) = (entry(clock::now(), 0), {
        let mut entry = entry(clock::now(), 1);
        entry.person.user = None;
        entry
    });
    store(&world).await.write(&[known.clone(), guest.clone()]).await.unwrap();
    let of_user = world.get_as(&security, &format!("{ROUTE}/{}", known.log_id)).await.ok();
    assert_eq!(of_user["user_id"], known.person.user.unwrap().to_string());
    let of_guest = world.get_as(&security, &format!("{ROUTE}/{}", guest.log_id)).await.ok();
    assert_eq!(of_guest["user_id"], Value::Null);
    // Nothing was ever observed of it: that is what the reputation says.
    let address = of_guest["ip_address"].as_str().unwrap();
    let reputation = world.get_as(&security, &format!("/v1/ip-reputation/{address}")).await;
    reputation.problem(404);
}
