//! CRD: mails arrive, their tokens work, and nothing that fails loses or doubles one.

use std::time::Duration;

use agora_command_api::Settings;
use agora_domain::{
    Actor,
    identity::credential::Credential,
    process_managers::mail::{MailKind, SendMail},
    site::configuration::{Configuration, ConfigurationCommand, SetConfiguration},
};
use agora_event_store::{Unit, log::Draft, testing::eventually};
use agora_process_managers::processes::Process;
use mailin::response;
use serde_json::json;
use uuid::Uuid;

use crate::{
    smtp_server::SmtpServer,
    world::{PASSWORD, World},
};

const OLA: &str = "ola@example.org";
const KARI: &str = "kari@example.org";
const NEW: &str = "another uncommon phrase of words";

async fn request_reset(world: &World, email: &str) {
    let body = json!({ "email": email });
    world.accepted(world.send(None, "request-password-reset", body).await);
}

/// Has registrations wait for a mail, without an admin.
pub async fn require_confirmation(world: &World) {
    let key = "registration_requires_confirmation";
    let loaded = world.app.log.load::<Configuration>(key).await.unwrap();
    let set = SetConfiguration {
        new_id: Uuid::now_v7().into(),
        key: key.parse().unwrap(),
        value: "true".parse().unwrap(),
        actor: Actor::SYSTEM,
    };
    let events =
        agora_domain::Decide::decide(&*loaded.state, ConfigurationCommand::Set(set)).unwrap();
    let draft = Draft {
        loaded: &loaded,
        events,
        event_ids: &mut Uuid::now_v7,
        metadata: r#"{"actor":"system:00000000-0000-0000-0000-000000000000"}"#,
        client_address: None,
    };
    let mut unit = Unit::default();
    world.app.log.draft(&mut unit, draft).await.unwrap();
    world.app.log.append(unit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_12_crd_10_a_forgotten_password_is_set_anew_with_the_token_of_a_mail() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    world.register(OLA).await;
    let running = world.run(Some(&server));
    // Nobody is written to at an address that has no account.
    request_reset(&world, "nobody@example.org").await;
    request_reset(&world, OLA).await;
    let mail = server.wait_for(OLA, 1).await.remove(0);
    assert_eq!(mail.header("Subject"), "Set a new password");
    let token = mail.token();
    // Neither the token nor the address stands in the log or in what the process keeps.
    for table in ["log.events", "process.wake_ups", "log.claims"] {
        let hits: i64 = sqlx::query_scalar(&format!(
            "SELECT count(*) FROM {table} t
             WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0"
        ))
        .bind(&token[43..])
        .bind(OLA)
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
        assert_eq!(hits, 0, "{table}");
    }
    let body = json!({ "token": token, "password": NEW });
    world.accepted(world.send(None, "reset-password", body).await);
    assert!(world.log_in(OLA, NEW).await.is_some());
    assert!(world.log_in(OLA, PASSWORD).await.is_none());
    let notice = server.wait_for(OLA, 2).await.remove(1);
    assert_eq!(notice.header("Subject"), "Your password was reset");
    world.settled().await;
    assert_eq!(server.mails().len(), 2, "{:?}", server.mails());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_09_a_mail_decides_about_a_registration_where_the_reply_does_not() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    world.register(OLA).await;
    require_confirmation(&world).await;
    let running = world.run(Some(&server));
    world.register(KARI).await;
    world.register("OLA@example.org").await;
    let taken = server.wait_for("OLA@example.org", 1).await.remove(0);
    assert_eq!(taken.header("Subject"), "You have an account already");
    assert!(!taken.text.lines().any(|line| line.len() == 86), "no token");
    let token = server.wait_for(KARI, 1).await.remove(0).token();
    assert!(world.log_in(KARI, PASSWORD).await.is_none());
    let body = json!({ "token": token, "password": PASSWORD });
    world.accepted(world.send(None, "confirm-email", body).await);
    assert!(world.log_in(KARI, PASSWORD).await.is_some());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_10_a_change_of_address_is_confirmed_by_the_new_and_told_to_the_old() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    world.register(OLA).await;
    let session = world.log_in(OLA, PASSWORD).await.unwrap();
    let running = world.run(Some(&server));
    let body = json!({ "email": KARI, "password": PASSWORD });
    world.accepted(world.send(Some(&session), "change-email", body).await);
    let asked = server.wait_for(OLA, 1).await.remove(0);
    assert_eq!(asked.header("Subject"), "A new e-mail address was asked for");
    let token = server.wait_for(KARI, 1).await.remove(0).token();
    world.accepted(world.send(None, "confirm-email", json!({ "token": token })).await);
    assert!(world.log_in(KARI, PASSWORD).await.is_some());
    let told = server.wait_for(OLA, 2).await.remove(1);
    assert_eq!(told.header("Subject"), "Your e-mail address was changed");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_10_a_mail_that_is_refused_for_now_waits_and_keeps_no_other() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    for email in [OLA, KARI, "gone@example.org"] {
        world.register(email).await;
    }
    server.refuse(OLA, response::Response::custom(451, "try ola@example.org later".to_owned()));
    server.refuse("gone@example.org", response::NO_MAILBOX);
    let running = world.run(Some(&server));
    for email in [OLA, "gone@example.org", KARI] {
        request_reset(&world, email).await;
    }
    server.wait_for(KARI, 1).await;
    // What has no mailbox is given up; what was refused for now waits.
    eventually("one waits", || async { world.waiting().await == 1 }).await;
    let attempts: i32 = sqlx::query_scalar("SELECT attempts FROM process.wake_ups")
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(attempts, 1);
    server.refuse_nobody();
    world.hurry().await;
    server.wait_for(OLA, 1).await;
    world.settled().await;
    assert!(server.mails_to("gone@example.org").is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_10_no_mail_is_lost_while_the_server_is_away() {
    let world = World::new().await;
    for email in [OLA, KARI] {
        world.register(email).await;
        request_reset(&world, email).await;
    }
    // Nobody listens there.
    let running = world.run_with(Some("smtp://127.0.0.1:9".to_owned()));
    eventually("both wait", || async {
        let tried: i64 =
            sqlx::query_scalar("SELECT count(*) FROM process.wake_ups WHERE attempts > 0")
                .fetch_one(&world.database.pool)
                .await
                .unwrap();
        tried == 2
    })
    .await;
    running.stop().await;
    let server = SmtpServer::start().await;
    let running = world.run(Some(&server));
    world.hurry().await;
    for email in [OLA, KARI] {
        server.wait_for(email, 1).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_10_a_replay_doubles_no_file_and_a_second_mail_is_known_as_the_same() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    world.register(OLA).await;
    request_reset(&world, OLA).await;
    let forget = || async {
        sqlx::query("DELETE FROM process.checkpoints WHERE process = 'mail'")
            .execute(&world.database.pool)
            .await
            .unwrap();
    };
    let files = || {
        let folder = std::fs::read_dir(world.home.join("mail")).unwrap();
        let mut files: Vec<String> =
            folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        files.sort();
        files
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let running = world.run(None);
        world.settled().await;
        running.stop().await;
        forget().await;
        seen.push(files());
    }
    assert_eq!(seen[0].len(), 1);
    assert_eq!(seen[0], seen[1]);
    for _ in 0..2 {
        let running = world.run(Some(&server));
        world.settled().await;
        running.stop().await;
        forget().await;
    }
    let mails = server.mails_to(OLA);
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert_eq!(mails[0].text, mails[1].text, "token and date, too");
    std::fs::remove_dir_all(&world.home).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_12_a_mail_whose_token_has_expired_is_given_up() {
    let settings = Settings { password_reset_seconds: 0, ..Settings::default() };
    let (world, server) = (World::with(settings).await, SmtpServer::start().await);
    world.register(OLA).await;
    request_reset(&world, OLA).await;
    let running = world.run(Some(&server));
    world.settled().await;
    assert!(server.mails().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_10_a_graceful_stop_doubles_no_mail() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    world.register(OLA).await;
    request_reset(&world, OLA).await;
    server.delay(Duration::from_secs(1));
    let running = world.run(Some(&server));
    // The server has it, and the process does not know yet.
    server.wait_for(OLA, 1).await;
    running.stop().await;
    assert_eq!(world.waiting().await, 0);
    let running = world.run(Some(&server));
    world.settled().await;
    running.stop().await;
    assert_eq!(server.mails_to(OLA).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_12_no_mail_carries_a_token_that_is_void_already() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    world.register(OLA).await;
    let session = world.log_in(OLA, PASSWORD).await.unwrap();
    let id = world.app.credential_of(&OLA.parse().unwrap()).await.unwrap().unwrap().to_string();
    let behind = world.behind().await;
    behind.log.load::<Credential>(&id).await.unwrap();
    // It cannot connect anew either, which would have it forget what it knows; others need not.
    for pool in [behind.log.pool(), world.app.log.pool(), &world.database.pool] {
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(pool.acquire().await.unwrap());
        }
    }
    sqlx::query("UPDATE pg_database SET datallowconn = false WHERE datname = current_database()")
        .execute(&world.database.pool)
        .await
        .unwrap();
    behind.log.load::<Credential>(&id).await.unwrap();
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    world.accepted(world.send(Some(&session), "change-password", body).await);
    let body = json!({ "email": OLA });
    let asked = world.accepted(world.send(None, "request-password-reset", body).await);
    let event_id: Uuid = asked["events"][0]["event_id"].as_str().unwrap().parse().unwrap();
    let mail_id = MailKind::ResetPassword.mail_id(event_id);
    let process = world.process(Some(server.url()));
    process.send(&behind, SendMail { mail_id }, event_id).await.unwrap();
    let token = server.wait_for(OLA, 1).await.remove(0).token();
    let body = json!({ "token": token, "password": PASSWORD });
    world.accepted(world.send(None, "reset-password", body).await);
}
