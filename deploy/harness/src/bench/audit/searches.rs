//! How fast millions of entries of the security audit log are searched by each documented filter.

use std::time::{Duration, Instant};

use agora_domain::security::audit::{AuditEventType, AuditResult, RiskScore};
use agora_event_store::{
    Vault,
    security_audit::{Entry, Person, Store, packs::kind_number},
};
use agora_service::clock;
use chrono::TimeDelta;
use indicatif::HumanCount;
use sqlx::PgPool;
use tokio::time::sleep;

use super::AuditOptions;
use crate::{
    agora::{Commands, Reads},
    bench::{Failure, peers, report::Report},
    load,
    scene::Stack,
};

/// Entries that are nobody's: found by time, type, result and risk, as they would be. Of 500 that come within a
/// quarter of a second the first of each partition has a client, to which the others refer. What is in packs
/// is in one, as if it had been written together.
const FILL: &str = "
    WITH made AS MATERIALIZED (
        SELECT e.*, second + g % 500 * interval '500 microseconds' AS recorded_at,
            md5(g::text)::uuid AS log_id, hashint8extended(g % 100000, 1) AS user_key,
            hashint8extended(g % 200000, 2) AS ip_key, hashint8extended(g % 200000, 3) AS session_key,
            CASE WHEN g = first THEN decode(repeat('ab', 200), 'hex') END AS sealed,
            CASE WHEN g > first THEN second + first % 500 * interval '500 microseconds' END AS sealed_at,
            CASE WHEN g > first THEN md5(first::text)::uuid END AS sealed_in
        FROM (
            SELECT g, block, second, g - g % 500 + CASE WHEN g % 50 = 0 THEN 0 ELSE 1 END AS first
            FROM generate_series($1::bigint, $1 + 499999, 500) block
            CROSS JOIN LATERAL (SELECT date_trunc('second', now() - random() * $2 * interval '1 day'
                + block * interval '0')) s (second)
            CROSS JOIN generate_series(block, block + 499) g) e
    ), rows AS (
        INSERT INTO log.security_audit (recorded_at, log_id, retention_category, event_type, event_result,
            segment, user_key, ip_key, session_key, endpoint, http_method, response_code,
            request_size_bytes, response_size_bytes, processing_time_ms, risk_score, sealed,
            sealed_in_recorded_at, sealed_in_log_id)
        SELECT recorded_at, log_id, 'SECURITY',
            (CASE WHEN g % 100 = 0 THEN 'LOGIN' ELSE 'API_ACCESS' END)::log.security_event_type, 'BLOCKED',
            1, user_key, ip_key, session_key, '/v1/commands/cast-vote', 'POST', 200, 120, 300, 2, 60,
            sealed, sealed_at, sealed_in
        FROM made WHERE g % 50 = 0
    )
    INSERT INTO log.security_audit_packs (day, segment, part, first_at, first_log_id, last_at, found_by,
        acts, act_numbers, recorded_ats, log_ids, user_keys, ip_keys, session_keys, request_sizes_bytes,
        response_sizes_bytes, processing_times_ms, payload_hashes, sealed_texts, sealed_in_recorded_ats,
        sealed_in_log_ids)
    SELECT (min(recorded_at) AT TIME ZONE 'UTC')::date, 1000000 + block / 500, 0, min(recorded_at),
        (array_agg(log_id ORDER BY g))[1], max(recorded_at),
        array_agg(log.security_audit_track(user_key, ip_key, session_key)) || $3::bigint,
        ARRAY[
            ROW('API_ACCESS', 'SUCCESS', '/v1/commands/cast-vote', 'POST', 200, 0, NULL, NULL, NULL),
            ROW('API_ACCESS', 'FAILURE', '/v1/commands/cast-vote', 'POST', 200, 40, NULL, NULL, NULL)
        ]::log.security_audit_act[],
        array_agg(CASE WHEN g % 20 = 0 THEN 2 ELSE 1 END::smallint ORDER BY g),
        array_agg(recorded_at ORDER BY g), array_agg(log_id ORDER BY g), array_agg(user_key ORDER BY g),
        array_agg(ip_key ORDER BY g), array_agg(session_key ORDER BY g),
        array_agg(120::bigint ORDER BY g), array_agg(300::bigint ORDER BY g), array_agg(2 ORDER BY g),
        array_agg(sha256(g::text::bytea) ORDER BY g), array_agg(sealed ORDER BY g),
        array_agg(sealed_at ORDER BY g), array_agg(sealed_in ORDER BY g)
    FROM made WHERE g % 50 > 0 GROUP BY block";

/// What is found by the entries that [`FILL`] makes.
const MARK: &str = "
    WITH tracks AS (
        INSERT INTO log.security_audit_tracks (day, retention_category, user_key, ip_key, session_key)
        SELECT DISTINCT day, retention_category, user_key, ip_key, session_key
        FROM log.security_audit_packed ON CONFLICT DO NOTHING
    )
    INSERT INTO log.security_audit_kinds (day, retention_category, event_type, event_result, risk_score)
    SELECT DISTINCT day, 'OPERATIONAL'::log.retention_category, 'API_ACCESS'::log.security_event_type,
        k.result::log.security_event_result, k.risk::smallint
    FROM log.security_audit_packs
    CROSS JOIN (VALUES ('SUCCESS', 0), ('FAILURE', 40)) k (result, risk) ON CONFLICT DO NOTHING";

/// Fills the log, and reports how fast.
pub(super) async fn fill(
    options: &AuditOptions,
    pool: &PgPool,
    report: &mut Report,
) -> Result<(), Failure> {
    for day in 0..=options.audit_days {
        sqlx::query("SELECT log.prepare_security_audit((now() - $1 * interval '1 day')::date)")
            .bind(f64::from(day))
            .execute(pool)
            .await?;
    }
    let begun = Instant::now();
    let mut filled = 0;
    while filled < options.audit_rows {
        sqlx::query(FILL)
            .bind(i64::try_from(filled)?)
            .bind(f64::from(options.audit_days))
            .bind(kind_number(AuditEventType::ApiAccess, AuditResult::Failure, 40))
            .execute(pool)
            .await?;
        filled += 500_000;
    }
    sqlx::query(
        "SELECT log.mark_security_audit(day, retention_category) FROM log.security_audit_leaves",
    )
    .execute(pool)
    .await?;
    sqlx::query(MARK).execute(pool).await?;
    // What holds something has a chain; nobody verifies this one.
    sqlx::query(
        "INSERT INTO log.security_audit_segments (day, retention_category, number, entries, total, mac)
         SELECT day, retention_category, 1, 1, 1, sha256('') FROM log.security_audit_leaves
         WHERE retention_category IN ('OPERATIONAL', 'SECURITY') ON CONFLICT DO NOTHING",
    )
    .execute(pool)
    .await?;
    let rows = HumanCount(filled);
    report.line(
        &format!("security audit log filled with {rows} entries of {} days", options.audit_days),
        peers::per_second(filled as f64 / begun.elapsed().as_secs_f64()),
        "—",
        None,
    );
    Ok(())
}

/// Commits of so many seconds without a slow one are a disk that has nothing else to do; waited for at most.
const CALM: Duration = Duration::from_secs(5);
const CALM_WITHIN: Duration = Duration::from_secs(60);
const SLOW: Duration = Duration::from_millis(10);

/// Waits until the disk has taken what filled the log within minutes: a search leaves an entry itself, and no
/// commit of it is to wait for that.
async fn calm(pool: &PgPool, report: &mut Report) -> Result<(), Failure> {
    let (begun, mut slow) = (Instant::now(), Instant::now());
    while slow.elapsed() < CALM && begun.elapsed() < CALM_WITHIN {
        let committing = Instant::now();
        sqlx::query("SELECT pg_logical_emit_message(true, 'bench', '')").execute(pool).await?;
        if committing.elapsed() > SLOW {
            slow = Instant::now();
        }
        sleep(Duration::from_millis(20)).await;
    }
    let state = if slow.elapsed() < CALM { "not yet" } else { "calm" };
    report.line(
        "disk after the fill, before the searches",
        format!("{state} after {:.0} s", begun.elapsed().as_secs_f64()),
        "—",
        None,
    );
    Ok(())
}

/// Measures and reports them.
pub(super) async fn all(
    options: &AuditOptions,
    stack: &Stack,
    pool: &PgPool,
    vault: Vault,
    report: &mut Report,
) -> Result<(), Failure> {
    let (user, session) = (clock::new_id(), clock::new_id());
    let store = Store::new(pool.clone(), vault);
    for number in 0..400_u32 {
        let hours = i64::from(number) * i64::from(options.audit_days) * 24 / 400;
        let begun = clock::now() - TimeDelta::hours(hours);
        // One among others of its moment, each with a client of its own.
        let group: Vec<Entry> = (0..100_u32)
            .map(|place| {
                let is_wanted = place == 50;
                let at = begun + TimeDelta::milliseconds(place.into());
                let result = if is_wanted { AuditResult::Suspicious } else { AuditResult::Success };
                let mut entry = Entry::at(at, AuditEventType::ApiAccess, result);
                entry.person.ip = Some(std::net::Ipv4Addr::from(100 * number + place).into());
                if is_wanted {
                    entry.risk_score = RiskScore::try_from(95).unwrap_or_default();
                    entry.person = Person {
                        user: Some(user),
                        kind: Some("member".into()),
                        session: Some(session),
                        ip: "198.51.100.77".parse().ok(),
                        ..Person::default()
                    };
                }
                entry
            })
            .collect();
        store.write(&group).await?;
    }
    sqlx::query("VACUUM (ANALYZE) log.security_audit").execute(pool).await?;
    sqlx::query("VACUUM (ANALYZE) log.security_audit_packs").execute(pool).await?;
    sqlx::query("VACUUM (ANALYZE) log.security_audit_tracks").execute(pool).await?;
    sqlx::query("CHECKPOINT").execute(pool).await?;
    calm(pool, report).await?;

    let mut admin = Commands::new(&stack.command_addr);
    let session_of = admin.log_in(&stack.admin_email, &stack.admin_password).await?;
    let mut reads = Reads::new(&stack.read_addr);
    reads.act_as(&session_of);
    let ago = |days: u32| {
        let at = clock::now() - TimeDelta::days(days.into());
        at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let from_to =
        format!("from={}&to={}", ago(options.audit_days / 2 + 1), ago(options.audit_days / 2));
    for (named, filter) in [
        ("without a filter", String::new()),
        ("by user", format!("user={user}")),
        ("by address", "ip=198.51.100.77".to_owned()),
        ("by an address that is nowhere", "ip=198.51.100.78".to_owned()),
        ("by session", format!("session={session}")),
        ("by a rare type", "type=LOGIN".to_owned()),
        ("by a type that is nowhere", "type=DATA_EXPORT".to_owned()),
        ("by a frequent result", "result=BLOCKED".to_owned()),
        ("by a result that some have", "result=FAILURE".to_owned()),
        ("by a rare result", "result=SUSPICIOUS".to_owned()),
        ("by a frequent risk", "risk_min=50".to_owned()),
        ("by a rare risk", "risk_min=90".to_owned()),
        ("by time", from_to),
        ("by user, type and risk", format!("user={user}&type=API_ACCESS&risk_min=90")),
    ] {
        let mut times = load::histogram();
        for _ in 0..options.audit_searches {
            let begun = Instant::now();
            let page = reads.json(&format!("/v1/security-audit-logs?limit=50&{filter}")).await?;
            let found = page["items"].as_array().map_or(0, Vec::len);
            if found != if named.contains("nowhere") { 0 } else { 50 } {
                return Err(format!("{found} entries were found {named}").into());
            }
            times.saturating_record(begun.elapsed().as_micros() as u64);
        }
        let [p50, p99] = [0.5, 0.99].map(|it| times.value_at_quantile(it) as f64 / 1_000.0);
        report.line(
            &format!("search of {} security audit entries {named}", HumanCount(options.audit_rows)),
            format!("p50 {p50:.1} ms, p99 {p99:.1} ms"),
            "p99 < 50 ms",
            Some(p99 < 50.0),
        );
    }
    Ok(())
}
