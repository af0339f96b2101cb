//! The five ways to ask for statutory exports, on 1,000,000 rows: each in its order and in pages, without
//! reading or sorting more than it shows (BUF-23).

use agora_domain::{exports::export_job::ExportStatus, ids::BufdirReportId};
use agora_read_api::{
    exported::Chosen,
    routes::{audit_exports, export_queue, exports},
};
use agora_service::clock;
use serde_json::Value;
use sqlx::{Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use crate::world::World;

/// Of a thousand organizations, one of which has a tenth of all; over a year.
const GROW: &str = "
    SELECT read.make_month_partition('read', 'bufdir_export_logs', month::date)
    FROM generate_series('2025-01-01'::timestamp, '2025-12-01', '1 month') month;
    INSERT INTO read.bufdir_export_logs (id, bufdir_report_id, organization_id, exported_by_user_id,
        export_source, export_format, status, error_message, error_code, file_name, file_path,
        file_size_bytes, checksum_sha256, completed_at, triggered_at, expires_at, report_sequence,
        position, sequence)
    SELECT gen_random_uuid(), uuid(4000 + o.number % 5000), uuid(o.number), uuid(9000 + g % 700),
        'ADMIN_PORTAL', 'PDF', s.status,
        CASE WHEN s.status = 'failed' THEN 'Too many.' END,
        CASE WHEN s.status = 'failed' THEN 'RATE_LIMIT_EXCEEDED' END,
        CASE WHEN s.status = 'completed' THEN 'a.pdf' END,
        CASE WHEN s.status = 'completed' THEN 'exports/a.pdf' END,
        CASE WHEN s.status = 'completed' THEN 7 END,
        CASE WHEN s.status = 'completed' THEN '0f' END,
        CASE WHEN s.status <> 'pending' THEN t.at END, t.at, t.at + interval '2160 hours', 1, g, 1
    FROM generate_series(1, 1000000) g
    CROSS JOIN LATERAL (SELECT CASE WHEN g % 10 = 0 THEN 1 ELSE 2 + g % 999 END AS number) o
    CROSS JOIN LATERAL (SELECT '2025-01-01'::timestamptz + g * interval '31 seconds' AS at) t
    CROSS JOIN LATERAL (SELECT CASE g % 5000 WHEN 0 THEN 'pending' WHEN 1 THEN 'failed'
                               ELSE 'completed' END AS status) s;
    ANALYZE read.bufdir_export_logs";

/// An id made of a number, in SQL and here.
const UUID: &str = "
    CREATE FUNCTION pg_temp.uuid(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    AS $$ SELECT lpad(to_hex(number), 32, '0')::uuid $$";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Rows that any part of a plan gave, and the kinds of its parts that must not be there.
fn look(plan: &Value, way: &str, rows_max: f64) {
    let rows = plan["Actual Rows"].as_f64().unwrap() * plan["Actual Loops"].as_f64().unwrap();
    let removed = plan["Rows Removed by Filter"].as_f64().unwrap_or_default();
    let node = plan["Node Type"].as_str().unwrap();
    let relation = plan["Relation Name"].as_str().unwrap_or_default();
    assert!(rows + removed <= rows_max, "{way}: {node} {relation} gave {rows}, dropped {removed}");
    assert!(
        node != "Seq Scan" || !relation.starts_with("bufdir_export_logs_2025"),
        "{way}: a scan of {relation}"
    );
    for part in plan["Plans"].as_array().into_iter().flatten() {
        look(part, way, rows_max);
    }
}

async fn explained(world: &World, way: &str, query: Query<'_, Postgres, PgArguments>, rows: usize) {
    use sqlx::Row;
    let row = query.fetch_one(&world.reads).await.unwrap();
    let plans: Value = row.get(0);
    look(&plans[0]["Plan"], way, 1_500.0);
    let shown = plans[0]["Plan"]["Actual Rows"].as_f64().unwrap();
    assert!(shown >= rows as f64, "{way}: {shown} rows are not a part of a list of {rows}");
}

#[tokio::test]
async fn buf_23_each_of_the_five_ways_is_an_index_in_its_order_on_a_million_rows() {
    let world = World::new().await;
    let mut connection = world.database.pool.acquire().await.unwrap();
    sqlx::raw_sql(UUID).execute(&mut *connection).await.unwrap();
    let grow = GROW
        .replace("uuid(", "pg_temp.uuid(")
        .replace("gen_random_pg_temp.uuid(", "gen_random_uuid(");
    sqlx::raw_sql(&grow).execute(&mut *connection).await.unwrap();
    let now = clock::now();
    let explain = |statement: String| format!("EXPLAIN (ANALYZE, FORMAT JSON) {statement}");
    let report = Chosen { report: Some(BufdirReportId(id(4_001))), ..Chosen::default() };
    let user = Chosen { user: Some(id(9_010)), ..Chosen::default() };
    let failed = Chosen { status: Some(ExportStatus::Failed), ..Chosen::default() };
    // A page from the newest, and one from the middle.
    for before in ["9999-12-31T00:00:00Z", "2025-06-15T00:00:00Z"] {
        let before: chrono::DateTime<chrono::Utc> = before.parse().unwrap();
        for (way, chosen, organization) in
            [("organization", Chosen::default(), 1), ("report", report.clone(), 1)]
        {
            let statement = explain(exports::list_statement(&chosen));
            let query = sqlx::query(&statement).bind(now).bind(id(organization)).bind(before);
            let query = chosen.bind(query.bind(Uuid::max()).bind(21_i64));
            explained(&world, way, query, 21).await;
        }
        for (way, chosen) in
            [("all", Chosen::default()), ("user", user.clone()), ("failed", failed.clone())]
        {
            let statement = explain(audit_exports::list_statement(false, &chosen));
            let query = sqlx::query(&statement).bind(now).bind(None::<Uuid>).bind(before);
            let query = chosen.bind(query.bind(Uuid::max()).bind(21_i64));
            explained(&world, way, query, 21).await;
        }
    }
    for (way, expired, status) in
        [("pending", false, "pending"), ("completed", false, "completed"), ("expired", true, "x")]
    {
        let statement = explain(export_queue::list_statement(expired));
        let start = chrono::DateTime::<chrono::Utc>::UNIX_EPOCH;
        let query = sqlx::query(&statement).bind(now).bind(start).bind(Uuid::nil());
        explained(&world, way, query.bind(21_i64).bind(status), 21).await;
    }
}
