//! The binary, as an operator uses it.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, process::Output, sync::OnceLock};

use agora_event_store::testing::{NATS_URL, eventually};
use agora_service::clock::new_id;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{scene::Scene, story::*};

fn projectors(scene: &Scene) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_projectors"));
    let stream = format!("T{}", new_id().simple());
    command
        .env("DATABASE_URL", scene.db.url_as("agora_projector"))
        .env("AGORA_VAULT_URL", &scene.db.url)
        .env("AGORA_MASTER_KEY_FILE", master_key_file())
        .env("NATS_URL", std::env::var(NATS_URL).unwrap())
        .env("AGORA_NATS_STREAM", &stream)
        .env("AGORA_NATS_SUBJECTS", stream)
        .env("AGORA_PROJECTORS_ADDR", "127.0.0.1:0")
        .kill_on_drop(true);
    command
}

/// As in `TestDatabase::master_keys`.
fn master_key_file() -> PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let file = std::env::temp_dir().join(format!("agora-projectors-{}.key", new_id()));
        let digits: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(&file, format!("test:{digits}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    });
    file.clone()
}

async fn output(scene: &Scene, arguments: &[&str]) -> Output {
    projectors(scene).args(arguments).output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn status_shows_each_projection() {
    let scene = Scene::with_story(60, 150).await;
    scene.project().await;
    let shown = output(&scene, &["status", "--json"]).await;
    let status: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(status["head"], 150);
    let all = status["projections"].as_array().unwrap();
    assert_eq!(all.len(), agora_projectors::projections::ALL.len());
    for projection in all {
        assert_eq!(
            (&projection["position"], &projection["lag_events"], &projection["state"]),
            (&json!(150), &json!(0), &json!("running"))
        );
    }
    let table = text(&output(&scene, &["status"]).await.stdout);
    assert!(table.contains("post_scores          running"), "{table}");
}

#[tokio::test]
async fn a_rebuild_says_by_its_exit_code_whether_the_tables_were_the_same() {
    let scene = Scene::with_story(61, 200).await;
    scene.project().await;
    let same = output(&scene, &["rebuild", "--all", "--verify"]).await;
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    assert!(text(&same.stdout).contains("rows the same as before"));

    sqlx::query("UPDATE read.members SET status = 'suspended', updated_at = now()")
        .execute(&scene.db.pool)
        .await
        .unwrap();
    let members = scene.rows("SELECT id FROM members").await.len();
    let differs = output(&scene, &["rebuild", "members", "posts", "--verify"]).await;
    assert_eq!(differs.status.code(), Some(3));
    let told = text(&differs.stderr);
    assert_eq!(told.matches("differs in").count(), members, "{told}");
    assert!(text(&differs.stdout).contains("posts "), "the others are swapped all the same");

    let wrong = output(&scene, &["rebuild", "gadgets"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("post_scores"), "it says which there are");
}

async fn projected(scene: &Scene, position: i64) {
    eventually("projected", async || scene.served("posts").await == position).await;
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

#[tokio::test]
async fn a_process_that_is_asked_to_stop_writes_its_checkpoints() {
    let mut scene = Scene::with_story(62, 150).await;
    let mut child = projectors(&scene).arg("run").spawn().unwrap();
    projected(&scene, 150).await;
    scene.append([member_registered(500)]).await;
    projected(&scene, 151).await;
    signal(&child, "-TERM");
    assert!(child.wait().await.unwrap().success());
    let behind = scene.rows("SELECT * FROM read.checkpoints WHERE position < 151").await;
    assert!(behind.is_empty(), "{behind:?}");
}

#[tokio::test]
async fn a_process_that_is_killed_again_and_again_applies_everything_once() {
    let mut scene = Scene::new().await;
    let told = tell(63, 6_000);
    for chunk in told.chunks(1_000) {
        let mut child = projectors(&scene).arg("run").spawn().unwrap();
        scene.append(chunk.to_vec()).await;
        let after = i64::try_from(scene.head()).unwrap() - 900;
        eventually("it is at work", async || scene.served("posts").await >= after).await;
        signal(&child, "-KILL");
        child.wait().await.unwrap();
    }
    let child = projectors(&scene).arg("run").spawn().unwrap();
    projected(&scene, 6_000).await;
    drop(child);
    let plain = Scene::with_story(63, 6_000).await;
    plain.project().await;
    assert_eq!(scene.content().await, plain.content().await);
}
