//! The binary itself: it starts, is ready, serves, and ends when it is asked to.

use std::{os::unix::fs::PermissionsExt, process::Stdio, time::Duration};

use agora_event_store::testing::{NATS_URL, TestDatabase, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

/// As in `TestDatabase::master_keys`.
const MASTER_KEY: &str = "test:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

async fn get(addr: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: agora\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.ok()?;
    Some(reply)
}

#[tokio::test]
async fn the_binary_serves_until_it_is_asked_to_stop() {
    let database = TestDatabase::new().await;
    let folder = std::env::temp_dir().join(format!("agora-read-api-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let key_file = folder.join("master.key");
    std::fs::write(&key_file, MASTER_KEY).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let addr = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_read-api"))
        .arg("serve")
        .env("AGORA_READ_ADDR", &addr)
        .env("DATABASE_URL", database.url_as("agora_reader"))
        .env("AGORA_VAULT_URL", &database.url)
        .env("AGORA_MASTER_KEY_FILE", &key_file)
        .env("NATS_URL", std::env::var(NATS_URL).expect("deploy/test sets it"))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("it is ready", || async {
        get(&addr, "/readyz").await.is_some_and(|reply| reply.starts_with("HTTP/1.1 200"))
    })
    .await;
    let categories = get(&addr, "/v1/categories").await.unwrap();
    assert!(categories.starts_with("HTTP/1.1 200"), "{categories}");
    assert!(categories.contains("agora-position: 0"), "{categories}");
    assert!(get(&addr, "/metrics").await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&addr, "/nothing").await.unwrap().contains("application/problem+json"));
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait()).await;
    assert!(ended.expect("it ends in time").unwrap().success());
    std::fs::remove_dir_all(folder).unwrap();
}
