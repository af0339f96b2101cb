//! ROL-01: every command and every read route as every role. What the code's table says is held
//! against a table that is written by hand ([`table`]), and both against what both APIs answer. A
//! refusal appends nothing and leaves one security record.

mod reads;
mod scene;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use agora_command_api::permission::{Matrix, Roles};
use agora_domain::{
    identity::values::AdminScope,
    permissions::{COMMANDS, READS},
};
use serde_json::json;

use crate::common::{Answer, Record, World, examples};
pub use scene::Scene;
pub use table::TABLE;
use table::{ORG_USERS, ROLES, Row};

impl Row {
    fn commands(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied().filter(|name| !name.starts_with('/'))
    }

    fn reads(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied().filter(|name| name.starts_with('/'))
    }

    pub fn lets(&self, letter: char) -> bool {
        self.may.contains(letter) || (self.is_as_member(letter) && self.may.contains('m'))
    }

    /// Whose the thing is stops it.
    fn stops(&self, letter: char) -> bool {
        self.not_theirs.contains(letter)
            || (self.is_as_member(letter) && self.not_theirs.contains('m'))
    }

    /// Whether it is a member whose organization changes nothing here.
    fn is_as_member(&self, letter: char) -> bool {
        ORG_USERS.contains(letter)
            && !self.may.contains(letter)
            && !self.not_theirs.contains(letter)
    }
}

impl World {
    async fn records_count(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM log.security_records")
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }

    async fn records_after(&self, count: i64) -> Vec<Record> {
        sqlx::query_as(
            "SELECT kind, result, actor_id, action, rule, status, occurrences
             FROM log.security_records ORDER BY recorded_at, id OFFSET $1",
        )
        .bind(count)
        .fetch_all(&self.database.pool)
        .await
        .unwrap()
    }
}

/// What was refused left nothing in the log, and one record of who was refused what, and why.
async fn check_refusal(world: &World, before: (u64, i64), action: &str, answer: &Answer) {
    let problem = answer.problem(answer.status);
    assert_eq!(world.head().await, before.0, "{action} appended nothing");
    let records = world.records_after(before.1).await;
    let [record] = &records[..] else { panic!("{action}: {records:?}") };
    assert!(matches!(record.result.as_str(), "FAILURE" | "BLOCKED"), "{record:?}");
    assert_eq!((record.occurrences, record.action.as_str()), (1, action));
    assert_eq!(record.status, i32::from(answer.status));
    assert_eq!(record.rule.as_deref(), problem["rule"].as_str());
}

/// What holds of the answer that a role gets.
fn judge(row: &Row, letter: char, name: &str, answer: &Answer, found: &mut Vec<String>) {
    let status = answer.status;
    let refused = matches!(status, 401 | 403 | 404);
    // Who shows nothing that holds may yet log in; who is known may not; and of what is another's it
    // is not told that it is there.
    let as_told = if row.lets(letter) {
        !refused && status < 500
    } else {
        match letter {
            'g' | 'd' | 'z' => status == 401,
            _ => status == 403 || (status == 404 && row.stops(letter)),
        }
    };
    if !as_told {
        found.push(format!("{name} as {letter} ({}): {status} {}", row.what, answer.text));
    }
}

#[test]
fn rol_01_the_code_s_table_is_the_one_written_by_hand() {
    let mut expected = BTreeMap::new();
    for row in TABLE {
        for name in row.names {
            assert!(expected.insert(*name, row).is_none(), "{name} stands twice");
        }
    }
    let code: BTreeMap<&str, Roles> = COMMANDS.iter().chain(READS.iter()).copied().collect();
    let names: BTreeSet<&&str> = expected.keys().collect();
    assert_eq!(names, code.keys().collect(), "every command and read stands in both");
    for (name, row) in &expected {
        for letter in ROLES.chars() {
            let mut roles = scene::roles(letter);
            if letter == 's' && name.starts_with('/') {
                // Who is suspended reads on as a member (MEM-05).
                roles = roles.and(Roles::MEMBER);
            }
            let passes = row.lets(letter) || row.stops(letter);
            assert_eq!(code[name].include(roles), passes, "{name} as {letter}: {}", row.what);
        }
    }
}

#[test]
fn rol_01_every_command_and_route_that_is_served_stands_in_the_table() {
    let listed = |reads: bool| -> BTreeSet<String> {
        let names = TABLE.iter().flat_map(|row| row.names);
        names.filter(|name| name.starts_with('/') == reads).map(ToString::to_string).collect()
    };
    assert_eq!(listed(false), examples().into_keys().collect());
    let paths = agora_read_api::http::description().paths.paths;
    assert_eq!(listed(true), paths.into_keys().collect());
}

#[tokio::test]
async fn rol_01_every_command_as_every_role() {
    let (mut scene, examples) = (Scene::new().await, examples());
    let mut found = Vec::new();
    for row in TABLE {
        for command in row.commands() {
            for letter in ROLES.chars() {
                let shows = scene.shows(letter).await;
                let body = scene.body(command, &examples[command], &shows).await;
                let before = (scene.world.head().await, scene.world.records_count().await);
                let answer = scene.world.request(Scene::call(command, &shows, body)).await;
                judge(row, letter, command, &answer, &mut found);
                if matches!(answer.status, 401 | 403 | 404) {
                    check_refusal(&scene.world, before, command, &answer).await;
                } else if answer.status == 200 {
                    scene.carried_out(command, letter).await;
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn rol_01_every_read_as_every_role() {
    let mut scene = Scene::new().await;
    let mut everybody = Vec::new();
    for letter in ROLES.chars() {
        everybody.push((letter, scene.shows(letter).await));
    }
    let mut paths = paths(&mut scene).await;
    let router = reads::serve(&scene.world).await;
    // To look into the log of accesses is an entry of it (SAL-12).
    let auditor = scene.shows('U').await;
    reads::get(&router, &auditor, "/v1/security-audit-logs").await;
    let entry: uuid::Uuid =
        sqlx::query_scalar("SELECT log_id FROM log.security_audit_entries LIMIT 1")
            .fetch_one(&scene.world.database.pool)
            .await
            .unwrap();
    paths.insert("security-audit", entry.to_string());
    let mut found = Vec::new();
    for row in TABLE {
        for route in row.reads() {
            let path = path(route, &paths);
            for (letter, shows) in &everybody {
                let before = (scene.world.head().await, scene.world.records_count().await);
                let answer = reads::get(&router, shows, &path).await;
                judge(row, *letter, route, &answer, &mut found);
                // A thing that is not there is no refusal.
                if matches!(answer.status, 401 | 403) {
                    check_refusal(&scene.world, before, route, &answer).await;
                }
                assert_eq!(scene.world.head().await, before.0, "{route}: a read appends nothing");
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What stands for the variables of routes: the author's post and comment, things of the site.
async fn paths(scene: &mut Scene) -> BTreeMap<&'static str, String> {
    let (post, comment) = (scene.thing("post_id").await, scene.thing("comment_id").await);
    let community_id = scene.thing("community_id").await;
    let name: String = sqlx::query_scalar(
        "SELECT payload->'CommunityCreated'->>'name' FROM log.events
         WHERE aggregate_type = 'community' AND aggregate_id = $1 AND sequence = 1",
    )
    .bind(community_id)
    .fetch_one(&scene.world.database.pool)
    .await
    .unwrap();
    BTreeMap::from([
        ("post", post),
        ("comment", comment),
        ("community", name),
        ("integration", scene.thing("integration_id").await),
        ("organization", scene.thing("organization_id").await),
        ("report", scene.thing("report_id").await),
        ("export", scene.thing("export_id").await),
        ("statutory", scene.thing("statutory").await),
        ("configuration", scene.thing("key").await),
        ("polic", scene.thing("policy").await),
        ("consent", scene.thing("consent").await),
        ("deletion", scene.thing("deletion_id").await),
        ("erasure", scene.thing("certificate").await),
        ("incident", scene.thing("incident_id").await),
        ("address", scene.thing("address").await),
    ])
}

/// A path of the route, about things that are there.
fn path(route: &str, paths: &BTreeMap<&'static str, String>) -> String {
    let kinds = [
        "comment",
        "communit",
        "integration",
        "configuration",
        "organization",
        "report",
        "export",
        "polic",
        "consent",
        "deletion",
        "erasure",
        "incident",
        "security-audit",
    ];
    let names = |kind: &&str| {
        ["/", "/data-"].iter().any(|before| route.contains(&format!("{before}{kind}")))
    };
    let kind = kinds.into_iter().find(names);
    let kind = match kind {
        // `/v1/posts/{id}/comments` is a post's.
        Some("comment") if !route.starts_with("/v1/comments") => "post",
        Some("communit") => "community",
        Some("export") if route == "/v1/exports/{id}" => "statutory",
        Some(kind) => kind,
        None => "post",
    };
    let path = ["{id}", "{name}", "{key}", "{version_number}"]
        .into_iter()
        .fold(route.to_owned(), |path, variable| path.replace(variable, &paths[kind]));
    path.replace("{type}", "post").replace("{address}", &paths["address"])
}

#[tokio::test]
async fn rol_01_a_command_that_is_in_no_table_is_nobodys() {
    let world = World::new().await;
    let admin = world.admin(&[AdminScope::Global]).await;
    for command in
        ["bootstrap-admin", "expire-session", "end-sessions", "seed-member", "", "../log-in"]
    {
        let answer = world.send(&admin, command, json!({})).await;
        answer.problem(404);
    }
    assert_eq!(Matrix::new().roles("no-such-command"), Roles::NOBODY);
}
