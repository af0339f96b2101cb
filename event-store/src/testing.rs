//! Databases for tests: each test has one of its own, cloned from a migrated template.

pub mod mmdb;

use std::{sync::Arc, time::Duration};

use sqlx::{
    Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::{EventLog, LogConfig, MasterKeys, Vault, migrate};

/// Names the superuser's URL of the test cluster.
pub const DATABASE_URL: &str = "AGORA_TEST_DATABASE_URL";
/// Names the URL of the test broker.
pub const NATS_URL: &str = "AGORA_TEST_NATS_URL";

const MASTER_KEY: &str = "test:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A fresh, migrated database with log, read tables and vault. It goes with this value, so that a
/// whole run of tests keeps the disk of a few; that of a test that failed stays to be looked at.
pub struct TestDatabase {
    /// The owner's pool.
    pub pool: PgPool,
    pub url: String,
    server: String,
    name: String,
}

impl TestDatabase {
    /// # Panics
    ///
    /// If the test cluster is not there: `deploy/test` starts one and sets the variable.
    #[expect(clippy::disallowed_methods, clippy::panic, reason = "it serves tests alone")]
    pub async fn new() -> Self {
        let server = std::env::var(DATABASE_URL)
            .unwrap_or_else(|_| panic!("set {DATABASE_URL}, or run deploy/test"));
        let mut connection =
            PgConnection::connect(&server).await.expect("the test cluster answers");
        let template = template(&server, &mut connection).await;
        let name = format!("agora_test_{}", Uuid::new_v4().simple());
        connection
            .execute(format!("CREATE DATABASE {name} TEMPLATE {template}").as_str())
            .await
            .expect("the template can be cloned");
        let url = in_database(&server, &name);
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(10))
            .connect(&url)
            .await
            .expect("the new database answers");
        Self { pool, url, server, name }
    }

    /// The URL for a connection that has only the rights of one role.
    pub fn url_as(&self, role: &str) -> String {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}options=-c%20role%3D{role}", self.url)
    }

    pub fn connect_as(&self, role: &str) -> PgConnectOptions {
        self.url_as(role).parse().expect("the URL was made here")
    }

    pub fn master_keys() -> MasterKeys {
        MasterKeys::parse(MASTER_KEY).expect("the constant is well formed")
    }

    pub fn vault(&self) -> Vault {
        Vault::new(self.pool.clone(), Self::master_keys())
    }

    /// A log on this database with the writer's rights.
    pub async fn log(&self) -> EventLog {
        EventLog::open(LogConfig::new(self.connect_as("agora_writer"), self.vault()))
            .await
            .expect("the log opens")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let (server, name) = (std::mem::take(&mut self.server), std::mem::take(&mut self.name));
        // The test's runtime may be the one that drops this, and must not wait for itself.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime of its own").block_on(async {
                let mut connection = PgConnection::connect(&server).await?;
                connection
                    .execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)").as_str())
                    .await
            })
        });
        dropped.join().expect("the thread ends by itself").expect("the database goes");
    }
}

/// A connection to the test broker.
///
/// # Panics
///
/// If the test broker is not there: `deploy/test` starts one and sets the variable.
pub async fn broker() -> async_nats::Client {
    let url = std::env::var(NATS_URL).expect("deploy/test starts a broker and names it");
    let address: async_nats::ServerAddr = url.parse().expect("the variable holds a URL");
    let options = async_nats::ConnectOptions::new();
    // The client itself does not look at what stands before the host's name.
    let options = match (address.username(), address.password()) {
        (Some(user), Some(password)) => {
            options.user_and_password(user.to_owned(), password.to_owned())
        }
        _ => options,
    };
    options.connect(address).await.expect("the test broker answers")
}

fn in_database(server: &str, name: &str) -> String {
    let (start, _) = server.rsplit_once('/').expect("the URL names a database");
    format!("{start}/{name}")
}

/// The template for the present migrations; made by the first test that needs it.
async fn template(server: &str, connection: &mut PgConnection) -> String {
    let name = format!("agora_template_{}", migrate::fingerprint());
    connection.execute("SELECT pg_advisory_lock(4711)").await.expect("the lock is granted");
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut *connection)
            .await
            .expect("the catalogue can be read");
    if !exists {
        let building = format!("{name}_building");
        for statement in
            [format!("DROP DATABASE IF EXISTS {building}"), format!("CREATE DATABASE {building}")]
        {
            connection.execute(statement.as_str()).await.expect("databases can be made");
        }
        let url = in_database(server, &building);
        migrate::database(&url).await.expect("the migrations run");
        migrate::vault(&url).await.expect("the vault's migrations run");
        connection
            .execute(format!("ALTER DATABASE {building} RENAME TO {name}").as_str())
            .await
            .expect("nobody is connected");
    }
    connection.execute("SELECT pg_advisory_unlock(4711)").await.expect("the lock was held");
    name
}

/// Waits until a condition holds.
///
/// # Panics
///
/// If it does not within ten seconds.
pub async fn eventually<F>(what: &str, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A log shared by a test's tasks.
pub type SharedLog = Arc<EventLog>;
