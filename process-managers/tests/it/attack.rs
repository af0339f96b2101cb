//! A scripted attack on a command API behind a proxy, with everything on that answers it: guessed
//! passwords from many addresses, injections, a flood. It ends with incidents raised, addresses blocked,
//! honest clients served, and records that tell the story.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use agora_command_api::{
    bootstrap::{BootstrapAdmin, NewAdmin},
    commands::register_member::NewPassword,
    execute::{Caller, Conditions, execute},
    front, http,
};
use agora_domain::{identity::values::AdminScope, process_managers::detection::Thresholds};
use agora_event_store::{Opener, testing::eventually};
use agora_process_managers::detection;
use agora_projectors::{
    checkpoints,
    runner::applier::{Applier, Origin},
};
use agora_service::{config::HttpArgs, http::serve_behind};
use clap::Parser;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::world::{PASSWORD, World};

const THRESHOLDS: Thresholds = Thresholds {
    login_failures: 5,
    too_many: 50,
    flood: 50,
    patterns: 5,
    blocked: 20,
    login_failures_of_all: 30,
    flood_of_all: 1_000_000,
};
const ADMIN: &str = "admin@agora.example";
const HONEST: &str = "192.0.2.50";
const OPERATOR: &str = "192.0.2.51";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    http: HttpArgs,
}

/// A command API on loopback, which is the trusted proxy, with projector and detection.
struct Site {
    world: World,
    addr: SocketAddr,
    _stop: DropGuard,
}

/// Applies what comes to the read tables until it is stopped.
async fn project_for_ever(connect: PgConnectOptions, opener: Opener, stop: CancellationToken) {
    let options = checkpoints::live(connect);
    let mut applier = Applier::open(options.connect().await.unwrap(), opener).await.unwrap();
    let head = applier.head().await.unwrap();
    applier.check_history(head).await.unwrap();
    while !stop.is_cancelled() {
        let events = applier.read_log(2_000).await.unwrap();
        if events.is_empty() {
            applier.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        } else {
            applier.apply(&events, Origin::Log).await.unwrap();
        }
    }
}

impl Site {
    async fn start() -> Self {
        let (world, stop) = (World::new().await, CancellationToken::new());
        let arguments = Arguments::parse_from(["x", "--trusted-proxies", "127.0.0.1"]);
        let front = front::start(&world.app, &arguments.http);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let routes = http::routes(world.app.clone());
        tokio::spawn(serve_behind(front, listener, routes, stop.clone()));
        tokio::spawn(detection::run(world.app.clone(), THRESHOLDS, stop.clone()));
        let connect = world.database.connect_as("agora_projector");
        tokio::spawn(project_for_ever(connect, Opener::new(world.database.vault()), stop.clone()));
        Self { world, addr, _stop: stop.drop_guard() }
    }

    /// What a client of an address is answered: the status, and the body.
    async fn ask(
        &self,
        from: &str,
        target: &str,
        token: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let method = if target.starts_with("/v1/commands/") { "POST" } else { "GET" };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: agora\r\nX-Forwarded-For: 198.51.100.1, {from}\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let head = match token {
            "" => head.replace("Authorization: Bearer \r\n", ""),
            _ => head,
        };
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer[9..12].parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    async fn send(&self, from: &str, token: &str, command: &str, body: Value) -> (u16, Value) {
        self.ask(from, &format!("/v1/commands/{command}"), token, Some(body)).await
    }

    #[track_caller]
    fn accepted((status, body): (u16, Value)) -> Value {
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn log_in(&self, from: &str, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD });
        let reply = Self::accepted(self.send(from, "", "log-in", body).await);
        reply["result"]["token"].as_str().unwrap().to_owned()
    }

    async fn admin(&self) -> String {
        let admin = NewAdmin {
            email: ADMIN.parse().unwrap(),
            password: NewPassword::Given(PASSWORD.into()),
            display_name: None,
            scopes: vec![AdminScope::Global],
        };
        let caller = Caller::system(None);
        let made =
            execute(&self.world.app, &caller, &Conditions::default(), BootstrapAdmin(admin)).await;
        made.unwrap();
        self.log_in(OPERATOR, ADMIN).await
    }

    /// Guesses passwords.
    async fn guess(&self, from: &str, times: usize) {
        // Of no account twice: nobody is kept out of their own.
        let whose = from.replace([':', '.'], "-");
        for number in 0..times {
            let email = format!("user-{number}-{whose}@agora.example");
            let body = json!({ "email": email, "password": "a guess of many" });
            assert_eq!(self.send(from, "", "log-in", body).await.0, 401);
        }
    }

    async fn is_blocked(&self, address: &str) -> bool {
        let (status, body) = self.ask(address, "/problems/IPR-08", "", None).await;
        status == 403 && body["rule"] == "IPR-08"
    }

    /// How many incidents there are of each type and way of detection.
    async fn incidents(&self) -> BTreeMap<(String, String), i64> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT incident_type, detection_method, count(*) FROM read.security_incidents
             GROUP BY 1, 2",
        )
        .fetch_all(&self.world.database.pool)
        .await
        .unwrap();
        rows.into_iter().map(|(what, how, count)| ((what, how), count)).collect()
    }

    async fn found(&self, what: &str, how: &str, count: i64) {
        let key = (what.to_owned(), how.to_owned());
        eventually(&format!("{what} {how} {count}"), || async {
            self.incidents().await.get(&key) == Some(&count)
        })
        .await;
    }

    async fn blocked(&self, addresses: &[&str]) {
        for address in addresses {
            eventually(&format!("{address} is blocked"), || async {
                self.is_blocked(address).await
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inc_12_ipr_08_a_scripted_attack_ends_with_incidents_blocks_and_honest_clients_served() {
    let site = Site::start().await;
    let admin = site.admin().await;
    let limit = json!({ "key": "rate_limit_address_write", "value": "60" });
    Site::accepted(site.send(OPERATOR, &admin, "set-configuration", limit).await);
    let category = json!({ "name": "databases", "description": "Of rows.", "display_order": 1 });
    let category = Site::accepted(site.send(OPERATOR, &admin, "create-category", category).await);
    let member = json!({ "email": "ola@agora.example", "password": PASSWORD });
    Site::accepted(site.send(HONEST, "", "register-member", member).await);
    let ola = site.log_in(HONEST, "ola@agora.example").await;
    let community = json!({
        "name": "sql-talk", "category_id": category["aggregate_id"], "description": "All about SQL.",
    });
    let community = Site::accepted(site.send(HONEST, &ola, "create-community", community).await);
    // What is said of attacks is no attack.
    let post = json!({
        "community_id": community["aggregate_id"], "title": "Why ' OR '1'='1 works",
        "body": "'; DROP TABLE posts; -- and <script>alert(1)</script>, explained",
    });
    for number in 0..6 {
        let mut post = post.clone();
        post["title"] = json!(format!("Why ' OR '1'='1 works, part {number}"));
        Site::accepted(site.send(HONEST, &ola, "create-post", post).await);
    }

    // Passwords are guessed from two addresses, and once each from many that do not stand out.
    site.guess("203.0.113.9", 5).await;
    site.guess("2001:db8:1:2::1", 3).await;
    site.guess("2001:db8:1:2::2", 2).await;
    for host in 100..120 {
        site.guess(&format!("203.0.113.{host}"), 1).await;
    }
    // Injections, in the query and in a field that takes no prose.
    for _ in 0..5 {
        site.ask("203.0.113.20", "/openapi.json?v=1%27%20or%20%271%27=%271", "", None).await;
        site.ask("203.0.113.21", "/docs?next=%3Cscript%3Ealert(1)%3C/script%3E", "", None).await;
        site.ask("203.0.113.22", "/.env", "", None).await;
        let body = json!({ "email": "x' union select 1,2 --", "password": "x" });
        site.send("203.0.113.23", "", "log-in", body).await;
    }
    // A flood within a bound: no more than a minute's requests do any work.
    let begun = Instant::now();
    let mut statuses: BTreeMap<u16, u32> = BTreeMap::new();
    for _ in 0..200 {
        let (status, _) = site.send("203.0.113.30", "", "cast-vote", json!({})).await;
        *statuses.entry(status).or_default() += 1;
    }
    let let_through = statuses.get(&401).copied().unwrap_or_default();
    let refilled = u32::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!(let_through <= 60 + refilled, "{statuses:?}");

    site.found("BRUTE_FORCE", "RATE_LIMITING", 3).await;
    site.found("SQL_INJECTION", "PATTERN_MATCHING", 2).await;
    site.found("XSS_ATTEMPT", "PATTERN_MATCHING", 1).await;
    site.found("SUSPICIOUS_BEHAVIOR", "PATTERN_MATCHING", 1).await;
    site.found("DDOS_ATTACK", "RATE_LIMITING", 1).await;
    let attackers = [
        "203.0.113.9",
        "2001:db8:1:2::1",
        "2001:db8:1:2::77",
        "203.0.113.20",
        "203.0.113.21",
        "203.0.113.22",
        "203.0.113.23",
        "203.0.113.30",
    ];
    site.blocked(&attackers).await;
    // Whoever goes on although it is blocked is an incident of its own.
    for _ in 0..25 {
        assert!(site.is_blocked("203.0.113.30").await);
    }
    site.found("SUSPICIOUS_BEHAVIOR", "REPUTATION_FILTER", 1).await;

    // Honest clients were never in doubt: neither who posts of SQL, nor a neighbour of an attacker.
    for honest in [HONEST, "203.0.113.200", "2001:db8:1:3::1", OPERATOR] {
        assert!(!site.is_blocked(honest).await, "{honest}");
    }
    let body = json!({ "community_id": community["aggregate_id"], "title": "After the attack",
                       "body": "We are still here." });
    Site::accepted(site.send(HONEST, &ola, "create-post", body).await);
    site.tells_the_story().await;
}

impl Site {
    /// INC-03, REL-07: each incident has its address with what is known of it, but for the one on the whole
    /// system, which has none. The records say what led to it.
    async fn tells_the_story(&self) {
        let pool = &self.world.database.pool;
        let (without_user, without_address, known): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE user_id IS NULL),
                    count(*) FILTER (WHERE address_id IS NULL),
                    count(*) FILTER (WHERE EXISTS (
                        SELECT FROM read.ip_reputation r WHERE r.id = address_id
                          AND (r.record->>'incident_count')::integer > 0
                          AND r.record->>'last_incident_at' IS NOT NULL))
             FROM read.security_incidents",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        assert_eq!((without_user, without_address, known), (9, 1, 8));
        let records: BTreeMap<String, i64> = sqlx::query_as::<_, (String, i64)>(
            "SELECT kind || ' ' || CASE kind WHEN 'suspicious' THEN action ELSE status::text END,
                    sum(occurrences)::bigint
             FROM log.security_records WHERE recorded_at > now() - interval '5 minutes' GROUP BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap()
        .into_iter()
        .collect();
        assert_eq!(records.get("login_failed 401"), Some(&30), "{records:?}");
        assert_eq!(records.get("suspicious sql_injection"), Some(&10), "{records:?}");
        assert_eq!(records.get("suspicious scripting"), Some(&5), "{records:?}");
        assert_eq!(records.get("suspicious scanner"), Some(&5), "{records:?}");
        assert!(records.contains_key("refusal 429") && records.contains_key("blocked 403"));
        // The platform's own acts are in its audit log, each block after the incident that led to it.
        let acts: Vec<String> = sqlx::query_scalar(
            "SELECT event_type FROM read.audit_log
             WHERE aggregate_type IN ('incident', 'ip_address') ORDER BY position",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let of = |name: &str| acts.iter().filter(|act| *act == name).count();
        assert_eq!((of("incident_detected"), of("ip_auto_blocked")), (9, 7), "{acts:?}");
        let first = |name: &str| acts.iter().position(|act| act == name);
        assert!(first("incident_detected") < first("ip_auto_blocked"), "{acts:?}");
    }
}
