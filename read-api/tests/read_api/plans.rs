//! No route reads a growing table from end to end: all of them, on tables of many rows, watched by
//! Postgres' own count of what sequential scans have read.

use agora_domain::{
    content::vote::VoteState, exports::organization_membership::OrganizationRole,
    identity::values::AdminScope,
};
use agora_read_api::access::{READS, Roles};

use crate::world::{User, World};

/// Rows that each table grows to.
const ROWS: i64 = 6_000;
/// A table of less does not grow, and a scan that reads less may be the better plan.
const SCANNED_MAX: i64 = 2_000;

/// Copies a table's rows until there are [`ROWS`], each with values of its own in whatever is part
/// of a unique index, so that every table of every projection grows without being known here.
const GROW: &str = r#"
DO $$
DECLARE
    v_table   record;
    v_keys    text[];
    v_changed text;
    v_there   bigint;
BEGIN
    FOR v_table IN
        SELECT c.oid, n.nspname, c.relname FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname = 'read'
          AND c.relname IN (SELECT table_name FROM read.projection_tables)
    LOOP
        EXECUTE format('SELECT count(*) FROM %I.%I', v_table.nspname, v_table.relname) INTO v_there;
        CONTINUE WHEN v_there = 0;
        -- The columns of unique indexes, also where these index an expression.
        SELECT array_agg(DISTINCT a.attname::text) INTO v_keys
        FROM pg_index i
        JOIN pg_depend d ON d.objid = i.indexrelid AND d.refobjid = v_table.oid AND d.refobjsubid > 0
        JOIN pg_attribute a ON a.attrelid = v_table.oid AND a.attnum = d.refobjsubid
        WHERE i.indrelid = v_table.oid AND i.indisunique;
        -- Names are unique by their claims, not by an index; and nobody joins thousands.
        v_keys := coalesce(v_keys, '{}') || ARRAY(
            SELECT a.attname::text FROM pg_constraint k
            JOIN pg_attribute a ON a.attrelid = v_table.oid AND a.attnum = ANY (k.conkey)
            WHERE k.conrelid = v_table.oid AND k.contype IN ('p', 'u')
            UNION
            SELECT a.attname::text FROM pg_attribute a
            WHERE a.attrelid = v_table.oid AND a.attname IN ('name', 'memberuser_id', 'holder_id')
              AND NOT a.attisdropped);
        -- A column that may have only some values keeps the one it has.
        v_keys := ARRAY(
            SELECT DISTINCT name FROM unnest(v_keys) AS name
            WHERE NOT EXISTS (
                SELECT FROM pg_constraint k
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                WHERE k.conrelid = v_table.oid AND k.contype = 'c' AND a.attname = name));
        SELECT string_agg(format('%L, %s', k.name, CASE
                   WHEN t.typname = 'uuid' THEN 'gen_random_uuid()'
                   WHEN t.typname IN ('int4', 'int8', 'int2') THEN format('t.%I + 1000 + g', k.name)
                   WHEN t.typname IN ('timestamptz', 'date') THEN format('t.%I - g * interval ''1 hour''', k.name)
                   ELSE format('t.%I || ''-'' || g', k.name) END), ', ')
        INTO v_changed
        FROM (SELECT DISTINCT unnest(v_keys) AS name) k
        JOIN pg_attribute a ON a.attrelid = v_table.oid AND a.attname = k.name
        JOIN pg_type t ON t.oid = a.atttypid;
        EXECUTE format(
            'INSERT INTO %1$I.%2$I SELECT (jsonb_populate_record(t, jsonb_build_object(%3$s))).*
             FROM %1$I.%2$I t, generate_series(1, %4$s) g
             WHERE t.ctid = (SELECT ctid FROM %1$I.%2$I LIMIT 1)
             ON CONFLICT DO NOTHING',
            v_table.nspname, v_table.relname, v_changed, $rows);
        EXECUTE format('ANALYZE %I.%I', v_table.nspname, v_table.relname);
    END LOOP;
END
$$"#;

/// A row each of tables that nothing above fills: the first `$1` is the member.
const SEED: [&str; 2] = [
    "INSERT INTO read.processing_limits (limit_id, stream_id, limit_kind, user_id, user_kind,
         consent_type, purpose, since, updated_at, position, sequence)
     VALUES (gen_random_uuid(), 'x', 'OBJECTION', $1, 'member', 'ANALYTICS', 'x', now(), now(), 1, 1)",
    "INSERT INTO read.content_notices (notice_id, content_kind, content_id, community_id,
         notifier_kind, notifier_id, ground, explanation, created_at, position, sequence)
     VALUES (gen_random_uuid(), 'post', gen_random_uuid(), gen_random_uuid(), 'member', $1,
             'ILLEGAL_CONTENT', 'x', now(), 1, 1)",
];

struct Scene {
    world: World,
    member: User,
    reporter: User,
    auditor: User,
    root: User,
    organization: String,
    report: String,
    post: String,
    comment: String,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let (member, other) = (world.member(Some("Kari")).await, world.member(None).await);
        let root = world.admin(&[AdminScope::Global]).await;
        let auditor = world.admin(&[AdminScope::Auditor]).await;
        let community = world.community_of(&member, "rustaceans").await;
        world.join(&member, community).await;
        world.visit(&member, &[community]).await;
        let post = world.post(&member, community, "A post to be found").await;
        let comment = world.comment(&member, post, None, "A comment").await;
        world.comment(&member, post, Some((comment, 0)), "A reply").await;
        for voter in [&member, &other] {
            world.vote(voter, post, VoteState::Upvote).await;
            world.vote_on_comment(voter, comment, VoteState::Upvote).await;
        }
        let organization = world.organization("Barnas Hus").await;
        let reporter = world.org_user(organization, OrganizationRole::Reporter).await;
        let report = world.report(&reporter, organization, "2025-01").await;
        world.project().await;
        for seed in SEED {
            sqlx::query(seed).bind(member.id()).execute(&world.database.pool).await.unwrap();
        }
        let grow = GROW.replace("$rows", &ROWS.to_string());
        sqlx::raw_sql(&grow).execute(&world.database.pool).await.unwrap();
        Self {
            world,
            member,
            reporter,
            auditor,
            root,
            organization: organization.to_string(),
            report: report.report_id.to_string(),
            post: post.to_string(),
            comment: comment.to_string(),
        }
    }

    /// A path of a route that leads to something.
    fn path(&self, route: &str) -> String {
        let id = match route {
            route if route.contains("comments/{id}") => &self.comment,
            route if route.contains("organizations/{id}") => &self.organization,
            route if route.contains("reports/{id}") => &self.report,
            _ => &self.post,
        };
        route
            .replace("{name}", "rustaceans")
            .replace("{id}", id)
            .replace("{type}", "post")
            .replace("{key}", "enable_voting")
            .replace("{version_number}", "v1")
            .replace("{address}", "203.0.113.9")
    }

    async fn ask(&self, route: &str, query: &str) {
        let (_, roles) = READS.iter().find(|(listed, _)| *listed == route).unwrap();
        let user = match roles {
            roles if roles.include(Roles::MEMBER) => &self.member,
            roles if roles.include(Roles::GLOBAL_ADMIN) => &self.root,
            roles if roles.include(Roles::ORG_USER) => &self.reporter,
            roles if roles.include(Roles::AUDITOR) => &self.auditor,
            _ => &self.root,
        };
        let path = match route {
            // It wants to be told what is asked.
            "/v1/consents/check" => {
                let rest = query.replace('?', "&");
                format!("{route}?user={}&type=COOKIES&purpose=x{rest}", self.member.id())
            }
            _ => format!("{}{query}", self.path(route)),
        };
        let reply = self.world.get_as(user, &path).await;
        assert!(matches!(reply.status.as_u16(), 200 | 404), "{path}: {}", reply.body);
    }

    /// What sequential scans have read so far, by table.
    async fn scanned(&self) -> Vec<(String, i64)> {
        // Sessions tell what they did after ten idle seconds, or when they are asked.
        let mut asked = Vec::new();
        for _ in 0..self.world.reads.size() {
            let mut connection = self.world.reads.acquire().await.unwrap();
            // The second is sent when the first has ended, and told what the session did.
            for statement in ["SELECT pg_stat_force_next_flush()", "SELECT 1"] {
                sqlx::query(statement).execute(&mut *connection).await.unwrap();
            }
            asked.push(connection);
        }
        sqlx::query_as(
            "SELECT s.schemaname || '.' || s.relname, s.seq_tup_read
             FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
             WHERE s.schemaname IN ('read', 'log') AND c.reltuples > $1 ORDER BY 1",
        )
        .bind(SCANNED_MAX)
        .fetch_all(&self.world.database.pool)
        .await
        .unwrap()
    }
}

fn grown(before: &[(String, i64)], after: &[(String, i64)]) -> Vec<String> {
    let grown = before.iter().zip(after).filter(|((_, then), (_, now))| now - then > SCANNED_MAX);
    grown.map(|(_, (table, _))| table.clone()).collect()
}

/// The orders and windows that a route's description lists: each is a query of its own.
fn queries(description: &serde_json::Value, route: &str) -> Vec<String> {
    let mut queries = vec![String::new()];
    let parameters = description["paths"][route]["get"]["parameters"].as_array();
    for parameter in parameters.into_iter().flatten().filter(|it| it["in"] == "query") {
        let name = parameter["name"].as_str().unwrap_or_default();
        if name == "q" {
            queries = vec!["?q=found".to_owned()];
        }
        for value in parameter["schema"]["enum"].as_array().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            // A window goes with the orders that have one.
            let orders: &[&str] =
                if name == "window" { &["sort=top&", "sort=controversial&"] } else { &[""] };
            queries.extend(orders.iter().map(|order| format!("?{order}{name}={value}")));
        }
    }
    queries
}

#[tokio::test]
async fn no_route_scans_a_table_that_grows() {
    let scene = Scene::new().await;
    let description = scene.world.get("/openapi.json").await.ok();
    let before = scene.scanned().await;
    let routes: Vec<&str> = READS.iter().map(|(route, _)| *route).collect();
    let asked: Vec<(&str, String)> = routes
        .iter()
        .filter(|route| !route.starts_with("/v1/live"))
        .flat_map(|route| queries(&description, route).into_iter().map(|query| (*route, query)))
        .collect();
    for (route, query) in &asked {
        scene.ask(route, query).await;
    }
    let after = scene.scanned().await;
    if grown(&before, &after).is_empty() {
        // Nor was it that scans cannot be seen.
        let scan = "SELECT count(*) FROM read.posts WHERE title || '' = 'x'";
        sqlx::query(scan).execute(&scene.world.reads).await.unwrap();
        // What a session did may be told a moment later.
        agora_event_store::testing::eventually("the scan is seen", || async {
            grown(&after, &scene.scanned().await) == ["read.posts"]
        })
        .await;
        return;
    }
    // Which one was it? Again, one at a time.
    let mut guilty = Vec::new();
    let mut before = after;
    for (route, query) in &asked {
        scene.ask(route, query).await;
        let after = scene.scanned().await;
        for table in grown(&before, &after) {
            guilty.push(format!("{route}{query} scans {table}"));
        }
        before = after;
    }
    panic!("{}", guilty.join("\n"));
}
