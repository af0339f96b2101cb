//! Each documented filter of the security audit log goes by an index, in the order of the list (SAL-11).

use agora_domain::security::audit::{AuditEventType, AuditResult, RetentionCategory, RiskScore};
use agora_event_store::security_audit::LeafName;
use agora_read_api::{
    rows::PlaceInTime,
    security_audit::{Kind, Leaf, Search},
};
use agora_service::clock;
use chrono::{DateTime, Days, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::world::World;

/// Rows of ten days; one in a thousand is something else than an access that succeeded.
const GROW: &str = "
    SELECT log.prepare_security_audit((current_date - n)::date) FROM generate_series(0, 9) n;
    INSERT INTO log.security_audit (recorded_at, log_id, retention_category, event_type, event_result,
        segment, user_key, ip_key, session_key, risk_score, sealed)
    SELECT current_date::timestamp AT TIME ZONE 'UTC' - (g % 9) * interval '1 day'
               - (g / 9) * interval '100 milliseconds' + interval '1 hour',
           gen_random_uuid(), 'OPERATIONAL',
           (CASE WHEN g % 1000 = 1 THEN 'LOGIN' ELSE 'API_ACCESS' END)::log.security_event_type,
           (CASE WHEN g % 1000 = 2 THEN 'FAILURE' ELSE 'SUCCESS' END)::log.security_event_result,
           1, g % 20000, g % 20000, g % 20000, CASE WHEN g % 1000 = 3 THEN 70 ELSE 0 END, 'x'
    FROM generate_series(1, 200000) g;
    ANALYZE log.security_audit";

/// The first is that of the keys that are searched for: of three equal keys, the same.
const TRACKS: [i64; 3] = [77, 78, 79];

/// One of each that an entry in a thousand is of, and one that none is.
fn kinds(way: &str) -> Option<Vec<Kind>> {
    let kind = |event_type: &str, result: &str, risk| Kind {
        event_type: event_type.to_owned(),
        result: result.to_owned(),
        risk,
    };
    match way {
        "type" => Some(vec![kind("LOGIN", "SUCCESS", 0), kind("LOGIN", "FAILURE", 40)]),
        "result" => Some(vec![kind("API_ACCESS", "FAILURE", 0)]),
        "risk" | "some risk" => {
            Some(vec![kind("API_ACCESS", "SUCCESS", 70), kind("API_ACCESS", "BLOCKED", 60)])
        }
        _ => None,
    }
}

fn look(plan: &Value, way: &str, scanned: &mut usize) {
    let node = plan["Node Type"].as_str().unwrap();
    let relation = plan["Relation Name"].as_str().unwrap_or_default();
    let rows = plan["Actual Rows"].as_f64().unwrap() * plan["Actual Loops"].as_f64().unwrap();
    let removed = plan["Rows Removed by Filter"].as_f64().unwrap_or_default();
    assert!(rows + removed <= 1_000.0, "{way}: {node} {relation} gave {rows}, dropped {removed}");
    if relation.starts_with("security_audit_operational") {
        *scanned += 1;
        // A leaf of today that is empty may be scanned.
        assert!(node != "Seq Scan" || rows + removed == 0.0, "{way}: a scan of {relation}");
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        look(part, way, scanned);
    }
}

#[tokio::test]
async fn sal_11_every_filter_goes_by_an_index() {
    let world = World::new().await;
    sqlx::raw_sql(GROW).execute(&world.database.pool).await.unwrap();
    let search = Search::default;
    let ways = [
        ("time", search()),
        ("user at one address", Search { user: Some(Uuid::nil()), ..search() }),
        ("user", Search { user: Some(Uuid::nil()), ..search() }),
        ("address", Search { address: Some("203.0.113.9".parse().unwrap()), ..search() }),
        ("session", Search { session: Some("x".to_owned()), ..search() }),
        ("type", Search { event_type: Some(AuditEventType::Login), ..search() }),
        ("access", Search { event_type: Some(AuditEventType::ApiAccess), ..search() }),
        ("result", Search { result: Some(AuditResult::Failure), ..search() }),
        ("success", Search { result: Some(AuditResult::Success), ..search() }),
        ("risk", Search { risk_min: Some(RiskScore::try_from(60).unwrap()), ..search() }),
        ("some risk", Search { risk_min: Some(RiskScore::try_from(5).unwrap()), ..search() }),
    ];
    let today = clock::now().date_naive();
    let start = PlaceInTime::start();
    for (way, search) in ways {
        let leaves: Vec<Leaf> = (0..7)
            .map(|day| Leaf {
                name: LeafName {
                    day: today - Days::new(day),
                    category: RetentionCategory::Operational,
                },
                address: search.address.map(|_| 77),
                session: search.session.as_ref().map(|_| 77),
                tracks: match way {
                    "user at one address" => Some(TRACKS[..1].to_vec()),
                    "user" | "address" | "session" => Some(TRACKS.to_vec()),
                    _ => None,
                },
                kinds: kinds(way),
            })
            .collect();
        let statement = format!("EXPLAIN (ANALYZE, FORMAT JSON) {}", search.statement(&leaves));
        let plan: Value = sqlx::query_scalar(&statement)
            .persistent(false)
            .bind(None::<DateTime<Utc>>)
            .bind(None::<DateTime<Utc>>)
            .bind(start.0)
            .bind(start.1)
            .bind(21_i64)
            .bind(search.user.map(|_| 77_i64))
            .fetch_one(&world.reads)
            .await
            .unwrap();
        let mut scanned = 0;
        look(&plan[0]["Plan"], way, &mut scanned);
        assert_eq!(scanned, 7, "{way}");
    }
}
