//! The migrations, embedded. They only move forward.

use sqlx::{
    Connection, PgConnection,
    migrate::{MigrateError, Migrator},
};

static EVENT_STORE: Migrator = sqlx::migrate!("../migrations/event_store");
static READ_MODELS: Migrator = sqlx::migrate!("../migrations/read_models");
static VAULT: Migrator = sqlx::migrate!("../migrations/vault");

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("cannot connect to migrate: {0}")]
    Connect(#[from] sqlx::Error),
    #[error("a migration failed: {0}")]
    Migrate(#[from] MigrateError),
}

/// Brings the log and the read tables of one database up to date.
pub async fn database(url: &str) -> Result<(), MigrationError> {
    let mut connection = PgConnection::connect(url).await?;
    for migrator in [&EVENT_STORE, &READ_MODELS] {
        run(migrator, &mut connection).await?;
    }
    Ok(())
}

/// Brings the vault up to date.
pub async fn vault(url: &str) -> Result<(), MigrationError> {
    let mut connection = PgConnection::connect(url).await?;
    run(&VAULT, &mut connection).await
}

/// The folders share a database and so the migrator's table: each knows its own numbers only.
async fn run(migrator: &Migrator, connection: &mut PgConnection) -> Result<(), MigrationError> {
    let migrator = Migrator {
        migrations: migrator.migrations.clone(),
        ignore_missing: true,
        ..Migrator::DEFAULT
    };
    Ok(migrator.run(connection).await?)
}

/// A short text that changes with any migration: names the tests' template database.
pub fn fingerprint() -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for migrator in [&EVENT_STORE, &READ_MODELS, &VAULT] {
        for migration in migrator.iter() {
            hash.update(&migration.checksum);
        }
    }
    hex::encode(&hash.finalize()[..8])
}
