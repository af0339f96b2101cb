//! A command API over HTTP and its process of mails, on a database that only this test has.

use std::{path::PathBuf, time::Duration};

use agora_command_api::{App, Settings, http};
use agora_event_store::{
    EventLog, LogConfig,
    security::SecurityLog,
    testing::{TestDatabase, eventually},
};
use agora_process_managers::{
    mail::{MailArgs, Mailer},
    processes::mail::SendMails,
    runner,
};
use agora_service::client_address::ClientAddress;
use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::smtp_server::{Arrived, SmtpServer};

pub const PASSWORD: &str = "an uncommon phrase of words";

pub struct World {
    pub database: TestDatabase,
    pub app: App,
    pub home: PathBuf,
    router: Router,
}

/// A process that runs until it is stopped.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let database = TestDatabase::new().await;
        let log = database.log().await;
        let security = SecurityLog::start(log.pool().clone(), database.vault(), None);
        let app = App::new(log, security, settings);
        let router = agora_service::http::complete(http::routes(app.clone()));
        let home = std::env::temp_dir().join(format!("agora-test-{}", Uuid::new_v4()));
        Self { database, app, home, router }
    }

    /// Another instance that never learns in time what others write.
    pub async fn behind(&self) -> App {
        let connect = self.database.connect_as("agora_writer");
        let config = LogConfig::new(connect, self.database.vault());
        let log = EventLog::open(LogConfig { patience: Duration::ZERO, ..config }).await.unwrap();
        let security = SecurityLog::start(log.pool().clone(), self.database.vault(), None);
        App::new(log, security, Settings::default())
    }

    pub fn run(&self, server: Option<&SmtpServer>) -> Running {
        self.run_with(server.map(SmtpServer::url))
    }

    pub fn process(&self, smtp_url: Option<String>) -> SendMails {
        let mail_from = "Agora <no-reply@agora.example>".parse().unwrap();
        let arguments = MailArgs { smtp_url, mail_from, site_url: None, home: self.home.clone() };
        SendMails { mailer: Mailer::new(&arguments).unwrap() }
    }

    pub fn run_with(&self, smtp_url: Option<String>) -> Running {
        let process = self.process(smtp_url);
        let stop = CancellationToken::new();
        let task = tokio::spawn(runner::run(process, self.app.clone(), stop.clone()));
        Running { stop, task }
    }

    pub async fn send(&self, token: Option<&str>, command: &str, body: Value) -> (u16, Value) {
        let mut request = Request::post(format!("/v1/commands/{command}"))
            .header("content-type", "application/json")
            .extension(ClientAddress::of("203.0.113.77".parse().unwrap()));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[track_caller]
    pub fn accepted(&self, (status, body): (u16, Value)) -> Value {
        assert_eq!(status, 200, "{body}");
        body
    }

    pub async fn register(&self, email: &str) -> Value {
        let body = json!({ "email": email, "password": PASSWORD });
        self.accepted(self.send(None, "register-member", body).await)
    }

    /// The session's token.
    pub async fn log_in(&self, email: &str, password: &str) -> Option<String> {
        let body = json!({ "email": email, "password": password });
        let (status, body) = self.send(None, "log-in", body).await;
        (status == 200).then(|| body["result"]["token"].as_str().unwrap().to_owned())
    }

    /// Wake-ups that wait.
    pub async fn waiting(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM process.wake_ups WHERE process = 'mail'")
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }

    /// Lets what waits after a failure have its turn now.
    pub async fn hurry(&self) {
        sqlx::query("UPDATE process.wake_ups SET at = clock_timestamp()")
            .execute(&self.database.pool)
            .await
            .unwrap();
    }

    /// Waits until the process has taken in the whole log and sent everything.
    pub async fn settled(&self) {
        eventually("everything is sent", || async {
            let settled: bool = sqlx::query_scalar(
                "SELECT NOT EXISTS (SELECT FROM process.wake_ups WHERE process = 'mail')
                    AND coalesce((SELECT position FROM process.checkpoints WHERE process = 'mail'), 0)
                        = (SELECT max(position) FROM log.events)",
            )
            .fetch_one(&self.database.pool)
            .await
            .unwrap();
            settled
        })
        .await;
    }
}

impl SmtpServer {
    /// The mails to an address, once there are so many.
    pub async fn wait_for(&self, address: &str, count: usize) -> Vec<Arrived> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let mails = self.mails_to(address);
            if mails.len() >= count {
                return mails;
            }
            assert!(tokio::time::Instant::now() < deadline, "{address} got {mails:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
