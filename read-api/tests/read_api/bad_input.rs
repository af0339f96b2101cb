//! Every route with parameters that are wrong: each answered by a problem document that names the
//! parameter, none by a 500.

use agora_domain::{
    exports::organization_membership::OrganizationRole, identity::values::AdminScope,
};
use agora_read_api::access::{READS, Roles};
use axum::http::{Method, Request};
use serde_json::Value;

use crate::world::{Reply, User, World};

struct Walk {
    world: World,
    member: User,
    reporter: User,
    auditor: User,
    root: User,
}

impl Walk {
    async fn new() -> Self {
        let world = World::new().await;
        let member = world.member(None).await;
        let root = world.admin(&[AdminScope::Global]).await;
        let auditor = world.admin(&[AdminScope::Auditor]).await;
        let community = world.community_of(&member, "rustaceans").await;
        for number in 0..3 {
            world.post(&member, community, &format!("Post number {number}")).await;
        }
        let organization = world.organization("Barnas Hus").await;
        let reporter = world.org_user(organization, OrganizationRole::Reporter).await;
        world.project().await;
        Self { world, member, reporter, auditor, root }
    }

    /// As somebody who may.
    async fn get(&self, route: &str, path: &str) -> Reply {
        let (_, roles) = READS.iter().find(|(listed, _)| *listed == route).unwrap();
        let user = match roles {
            roles if roles.include(Roles::GLOBAL_ADMIN) => &self.root,
            roles if roles.include(Roles::MEMBER) => &self.member,
            roles if roles.include(Roles::ORG_USER) => &self.reporter,
            _ => &self.auditor,
        };
        self.world.get_as(user, path).await
    }
}

/// A well-formed path of a route; where it has an id, of nothing.
fn well_formed(route: &str) -> String {
    route
        .replace("{name}", "rustaceans")
        .replace("{id}", "00000000-0000-7000-8000-000000000000")
        .replace("{type}", "post")
        .replace("{key}", "nothing.here")
        .replace("{version_number}", "v0.0")
        .replace("{address}", "203.0.113.9")
}

/// A path with a query; a search is told what to search for, where the query does not.
pub fn with_query(path: &str, query: &str) -> String {
    let q = if path.starts_with("/v1/search/") && !query.starts_with("q=") { "q=rye&" } else { "" };
    format!("{path}?{q}{query}")
}

/// More words than a search takes.
const LONG: &str = "a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q+r+s+t+u+v+w+x+y+z+1+2+3+4+5+6+7";

/// More than any token has.
const LONG_TOKEN: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
);

/// What is wrong for each of the parameters that the description knows.
fn wrong_values(name: &str) -> &'static [&'static str] {
    match name {
        "limit" => &["0", "-1", "x", "", "1.5", "%00", "99999999999999999999", "+1", "1%20"],
        "after" | "min_position" => &["-1", "x", "", "1.5", "99999999999999999999"],
        "wait_ms" => &["-1", "10001", "x", ""],
        "cursor" => &["x", "", "AAAA", "%00", "eyJhIjoxfQ", "%F0%9F%92%A9"],
        "q" => &["", "%20", "%00", "a%1Bb", "%E2%80%AEx", LONG],
        "community" => &["x", "", "a%20b%20c", "%00"],
        "scope" => &["members", "", "POSTS", "%00"],
        "days" => &["0", "366", "-1", "x", "", "1.5"],
        "sort" => &["hottest", "", "NEW", "%00"],
        "window" => &["hour", "", "DAY", "%00"],
        "status" => &["open", "", "DRAFT", "%00"],
        "severity" => &["high", "", "WORST", "%00"],
        "ip" | "source_ip" => &["x", "", "1.2.3", "010.0.0.1", "fe80::1%25eth0", "%00"],
        "session" => &["", "a%20b", "%00"],
        "result" => &["success", "", "DONE", "%00"],
        "retention" => &["security", "", "FOREVER", "%00"],
        "risk_min" => &["-1", "101", "x", "", "1.5"],
        "day" => &["today", "", "2026-13-01", "-4714-01-01", "%2B12026-01-01", "%00"],
        "period" => &["x", "", "2025-Q5", "2025-13", "%00", "%D9%A2%D9%A0%D9%A2%D9%A5"],
        "open" => &["yes", "", "1", "TRUE", "%00"],
        "expired" => &["yes", "", "1", "TRUE", "%00"],
        "due" => &["soon", "", "OPEN", "%00"],
        "token" => &["", LONG_TOKEN],
        "organization_id" | "report" | "user" | "user_id" => {
            &["x", "", "00000000000070008000000000000000", "%00"]
        }
        "category_id" => &["x", "", "00000000000070008000000000000000", "%00"],
        "as_of" => &["yesterday", "", "-1", "2026-13-01T00:00:00Z", "99999999999999999999", "%00"],
        "from" | "to" | "since" => &["yesterday", "", "1", "2026-02-30T00:00:00Z", "%00"],
        "actor" => &["root", "", "member:1", "robot:00000000-0000-7000-8000-000000000000", "%00"],
        "type" => &["%00", "", "x%20y", "%27%3B--"],
        "purpose" => &["%00", "", "a%40b", "%20a", LONG_TOKEN],
        "policy_version" => &["%00", "", "a%20b", ".1", "current", LONG_TOKEN],
        "aggregate_type" => &["nothing", "", "%00"],
        "aggregate_id" => &["%00", "", "a%20b"],
        other => panic!("say what is wrong for `{other}`"),
    }
}

#[tokio::test]
async fn esx_05_every_wrong_parameter_of_every_route_is_named() {
    let walk = Walk::new().await;
    let description = walk.world.get("/openapi.json").await.ok();
    let mut tried = 0;
    for (route, _) in READS.iter() {
        let path = well_formed(route);
        let operation = &description["paths"][route]["get"];
        for parameter in operation["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] != "query" {
                continue;
            }
            for value in wrong_values(name) {
                let reply = walk.get(route, &with_query(&path, &format!("{name}={value}"))).await;
                assert_eq!(reply.status, 400, "{path}?{name}={value}: {}", reply.body);
                let problem = reply.problem(400);
                assert_eq!(problem["errors"][0]["pointer"], format!("/query/{name}"), "{problem}");
                assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
                tried += 1;
            }
            let valid = "1";
            let twice = with_query(&path, &format!("{name}={valid}&{name}={valid}"));
            let twice = walk.get(route, &twice).await;
            twice.problem(400);
        }
        for unknown in ["limti=3", "offset=3", "a%20b=1", "%00=1", "=", "x%5B%5D=1"] {
            walk.get(route, &with_query(&path, unknown)).await.problem(400);
        }
        let header = Request::get(&path)
            .header("authorization", format!("Bearer {}", walk.member.token))
            .header("agora-min-position", "soon");
        let reply = walk.world.send(header).await;
        assert!([400, 403].contains(&reply.status.as_u16()), "{route}: {}", reply.body);
    }
    assert!(tried > 200);
}

#[tokio::test]
async fn esx_05_every_malformed_path_is_a_problem() {
    let walk = Walk::new().await;
    let wrong = [
        "x",
        "%00",
        "%FF",
        "a%2Fb",
        "%E2%80%AE",
        "..%2F..",
        &"9".repeat(5_000),
        "'%20OR%201=1--",
        "00000000000070008000000000000000",
        "{00000000-0000-7000-8000-000000000000}",
    ];
    for (route, _) in READS.iter().filter(|(route, _)| route.contains('{')) {
        for wrong in &wrong {
            let parts = ["{name}", "{id}", "{type}", "{key}", "{version_number}", "{address}"];
            for part in parts.iter().filter(|part| route.contains(**part)) {
                let path = well_formed(&route.replace(part, wrong));
                let reply = walk.get(route, &path).await;
                assert!(
                    [400, 404].contains(&reply.status.as_u16()),
                    "{path}: {} {}",
                    reply.status,
                    reply.body
                );
                reply.problem(reply.status.as_u16());
                assert!(!reply.body.contains("OR 1=1"), "nothing is repeated");
            }
        }
        let unknown = well_formed(&route.replace("{name}", "nobody-here"));
        walk.get(route, &unknown).await.problem(404);
    }
    // An id of the wrong kind is the id of nothing.
    walk.world.get(&format!("/v1/posts/{}", walk.member.id())).await.problem(404);
}

#[tokio::test]
async fn esx_06_a_changed_or_carried_over_cursor_is_refused() {
    let walk = Walk::new().await;
    let feed = "/v1/communities/rustaceans/posts";
    let list = walk.world.get(&format!("{feed}?limit=1")).await.ok();
    let cursor = list["next"].as_str().unwrap();
    walk.world.get(&format!("{feed}?limit=1&cursor={cursor}")).await.ok();
    for index in 0..cursor.len() {
        let mut changed = cursor.to_owned().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        if changed != cursor {
            let reply = walk.world.get(&format!("{feed}?cursor={changed}")).await;
            assert_eq!(reply.problem(400)["errors"][0]["pointer"], "/query/cursor");
        }
    }
    for other in [
        format!("{feed}?sort=top"),
        "/v1/communities?limit=5".into(),
        "/v1/categories?limit=5".into(),
    ] {
        let separator = if other.contains('?') { '&' } else { '?' };
        walk.world.get(&format!("{other}{separator}cursor={cursor}")).await.problem(400);
    }
}

#[tokio::test]
async fn esx_05_what_is_not_there_is_a_problem_too() {
    let walk = Walk::new().await;
    walk.world.get("/v1/nothing").await.problem(404);
    walk.world.get("/v1/posts/").await.problem(404);
    let reply = walk.world.method(Method::POST, "/v1/categories").await;
    assert_eq!(reply.problem(405)["type"], "/problems/method-not-allowed");
    assert!(reply.header("allow").contains("GET"));
    for (length, status) in [(8_000, 400), (60_000, 414)] {
        let long = format!("/v1/categories?cursor={}", "a".repeat(length));
        walk.world.get(&long).await.problem(status);
    }
    let several = walk.world.get("/v1/communities?limit=0&wait_ms=x&nope=1").await.problem(400);
    let errors: Vec<&Value> = several["errors"].as_array().unwrap().iter().collect();
    assert_eq!(errors.len(), 3, "all at once");
}
