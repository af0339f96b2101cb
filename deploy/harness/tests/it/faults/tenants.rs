//! Organizations that export at the same time, over two command APIs.

use agora_harness::{
    agora::{AgoraError, Commands, Reads, Session},
    client::Client,
    scene,
    stack::{Service, Shape, Stack},
};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Duration};
use uuid::Uuid;

/// So many ask at once, of whom five get what they ask for.
const ASKED: usize = 50;

struct Tenant {
    reporter: Session,
    report: Uuid,
}

/// An organization with a report of its own.
async fn tenant(stack: &Stack, admin: &mut Commands, member: &Session, run: &str) -> Tenant {
    let (told, name) = (stack.as_scene(), format!("Tenant of {}", member.id));
    let reporter = scene::reporter(&told, admin, run, member, &name).await.unwrap();
    let mut commands = Commands::new(&told.command_addr);
    commands.act_as(&reporter);
    let report: Value = serde_json::from_str(scene::REPORT).unwrap();
    let report = commands.send("create-report", &report).await.unwrap().aggregate_id;
    Tenant { reporter, report }
}

fn export_of(report: Uuid) -> Value {
    json!({ "kind": "statutory_report", "bufdir_report_id": report, "format": "JSON",
            "source": "MOBILE_ONE_CLICK" })
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_buf_10_buf_11_buf_15_fifty_at_once_on_two_instances_get_five_exports() {
    let shape = Shape { command_apis: 2, ..Shape::default() };
    let stack = Stack::start(shape).await.expect("the stack starts");
    let (told, run) = (stack.as_scene(), scene::run_suffix());
    let mut admin = Commands::new(&told.command_addr);
    admin.log_in(&told.admin_email, &told.admin_password).await.unwrap();
    let members = scene::members(&told, &run, 2, |_| None, || {}).await.unwrap();
    let ours = tenant(&stack, &mut admin, &members[0], &run).await;
    let theirs = tenant(&stack, &mut admin, &members[1], &run).await;

    let addresses: Vec<String> = stack
        .of(Service::CommandApi)
        .into_iter()
        .map(|index| stack.instances[index].address.clone())
        .collect();
    let mut asking = JoinSet::new();
    for number in 0..ASKED {
        let (address, token) = (addresses[number % 2].clone(), ours.reporter.token.clone());
        let body = export_of(ours.report);
        asking.spawn(async move {
            let mut client = Client::new(&address);
            client.set_token(Some(token));
            client.post("/v1/commands/request-export", &body, None).await.unwrap()
        });
    }
    let replies = asking.join_all().await;
    let accepted = replies.iter().filter(|reply| reply.head.status == 200).count();
    assert_eq!(accepted, 5);
    for refused in replies.iter().filter(|reply| reply.head.status != 200) {
        assert_eq!((refused.head.status, &refused.json()["rule"]), (429, &json!("BUF-10")));
        let wait = refused.head.retry_after.unwrap();
        assert!(wait > Duration::from_secs(50 * 60) && wait <= Duration::from_secs(3_600));
    }
    // Who is refused is in the history; another organization has room.
    let mut reads = Reads::new(&told.read_addr);
    reads.act_as(&ours.reporter);
    let pool = stack.pool().await.unwrap();
    let head: i64 =
        sqlx::query_scalar("SELECT max(position) FROM log.events").fetch_one(&pool).await.unwrap();
    let list = format!("/v1/exports?limit=100&min_position={head}&wait_ms=10000");
    let rows = reads.json(&list).await.unwrap()["items"].as_array().unwrap().clone();
    let limited = rows.iter().filter(|row| row["error_code"] == "RATE_LIMIT_EXCEEDED").count();
    assert_eq!((rows.len(), limited), (ASKED, ASKED - 5));
    let mut commands = Commands::new(&addresses[1]);
    commands.act_as(&theirs.reporter);
    commands.send("request-export", &export_of(theirs.report)).await.unwrap();

    // Of another's exports nothing is told (BUF-15).
    let one = rows[0]["id"].as_str().unwrap();
    reads.act_as(&theirs.reporter);
    for path in [
        format!("/v1/exports/{one}"),
        format!("/v1/exports/{one}/download"),
        format!("/v1/exports?report={}", ours.report),
    ] {
        assert_eq!(reads.get(&path).await.unwrap().head.status, 404, "{path}");
    }
    let foreign = commands.send("request-export", &export_of(ours.report)).await.unwrap_err();
    assert!(matches!(foreign, AgoraError::Refused { status: 404, .. }), "{foreign}");
}
