//! Security records: refusals, logins, reads of the audit log. Written in groups into an
//! append-only table of their own, and there before the reply goes out.
//!
//! Equal records of one group are written as one with a count, so that a flood of refusals costs
//! one row. While Postgres is away they are kept in a local file and written when it is back.

mod spill;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use agora_domain::{Actor, PersonalCategory, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::{
    Vault,
    seal::{self, Context},
};
use spill::Spill;

/// `aggregate_type` in the associated data of a record's sealed address.
pub const RECORD: &str = "security_record";
/// The field's name there.
pub const IP_ADDRESS: &str = "ip_address";

const QUEUE: usize = 8_192;
const GROUP_MAX: usize = 1_000;
/// How often partitions are prepared.
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    Success,
    Failure,
    Blocked,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Blocked => "BLOCKED",
        }
    }
}

/// What happened, without its time and id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecurityRecord {
    /// `refusal`, `login`, `login_failed`, `audit_read`.
    pub kind: &'static str,
    pub outcome: Outcome,
    pub actor: Option<Actor>,
    /// The command's name or the route's template.
    pub action: String,
    pub rule: Option<&'static str>,
    /// The HTTP status that was answered.
    pub status: u16,
    /// The client's address in the clear; sealed before it is written.
    pub client_address: Option<String>,
}

/// A record as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    id: Uuid,
    recorded_at: DateTime<Utc>,
    kind: String,
    result: String,
    actor_kind: Option<String>,
    actor_id: Option<Uuid>,
    action: String,
    rule: Option<String>,
    status: i32,
    ip_address: Option<String>,
    occurrences: i64,
}

type Waiting = (SecurityRecord, oneshot::Sender<()>);

/// The way to the writing task. Cheap to clone.
#[derive(Clone)]
pub struct SecurityLog {
    records: mpsc::Sender<Waiting>,
}

impl SecurityLog {
    /// Starts the writing task. `spill` is the file that keeps records while Postgres is away.
    pub fn start(pool: PgPool, vault: Vault, spill: Option<PathBuf>) -> Self {
        let (records, queue) = mpsc::channel(QUEUE);
        let writer = Writer { pool, vault, spill: spill.map(Spill::new) };
        tokio::spawn(writer.run(queue));
        Self { records }
    }

    /// Writes a record; returns when it is stored (in Postgres, or in the spill file).
    pub async fn write(&self, record: SecurityRecord) {
        let (done, is_done) = oneshot::channel();
        if self.records.send((record, done)).await.is_ok() {
            // Dropped unanswered only when the process goes down.
            let _ = is_done.await;
        }
    }
}

struct Writer {
    pool: PgPool,
    vault: Vault,
    spill: Option<Spill>,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Waiting>) {
        // Apart from the writing: whatever keeps the partitions waiting must keep nobody else.
        let housekeeping = tokio::spawn(prepare_for_ever(self.pool.clone()));
        while let Some(first) = queue.recv().await {
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && let Ok(next) = queue.try_recv()
            {
                group.push(next);
            }
            self.write(group).await;
        }
        housekeeping.abort();
    }

    async fn write(&self, group: Vec<Waiting>) {
        let mut counted: HashMap<SecurityRecord, i64> = HashMap::new();
        let mut waiting = Vec::with_capacity(group.len());
        for (record, done) in group {
            *counted.entry(record).or_default() += 1;
            waiting.push(done);
        }
        let mut rows = Vec::with_capacity(counted.len());
        for (record, occurrences) in counted {
            rows.push(self.row(record, occurrences).await);
        }
        if let Err(error) = self.store(&rows).await {
            tracing::error!(%error, records = rows.len(), "security records could not be stored");
            match &self.spill {
                Some(spill) => {
                    metrics::counter!("agora_security_records_spilled")
                        .increment(rows.len() as u64);
                    spill.keep(&rows).await;
                }
                None => {
                    metrics::counter!("agora_security_records_lost").increment(rows.len() as u64);
                }
            }
        }
        for done in waiting {
            // The caller may have gone; the record is stored all the same.
            let _ = done.send(());
        }
    }

    async fn row(&self, record: SecurityRecord, occurrences: i64) -> Row {
        #[expect(clippy::disallowed_methods, reason = "records get their id and time here")]
        let (id, recorded_at) = (Uuid::now_v7(), Utc::now());
        let ip_address = match &record.client_address {
            Some(address) => {
                let subject = record
                    .actor
                    .filter(|actor| actor.has_account())
                    .map_or_else(|| Subject::day(recorded_at.date_naive()), Actor::subject);
                self.sealed_address(id, &subject, address).await
            }
            None => None,
        };
        Row {
            id,
            recorded_at,
            kind: record.kind.to_owned(),
            result: record.outcome.as_str().to_owned(),
            actor_kind: record.actor.map(|actor| actor.kind.as_str().to_owned()),
            actor_id: record.actor.map(|actor| actor.id),
            action: record.action,
            rule: record.rule.map(str::to_owned),
            status: i32::from(record.status),
            ip_address,
            occurrences,
        }
    }

    /// Sealed, or left out where the vault is away: an address is never stored in the clear.
    async fn sealed_address(&self, id: Uuid, subject: &Subject, address: &str) -> Option<String> {
        let id = id.to_string();
        let context =
            Context { aggregate_type: RECORD, aggregate_id: &id, sequence: 0, field: IP_ADDRESS };
        seal::seal_text(&self.vault, &context, subject, PersonalCategory::Network, address)
            .await
            .inspect_err(|error| tracing::error!(%error, "an address could not be sealed"))
            .ok()
    }

    async fn store(&self, rows: &[Row]) -> Result<(), sqlx::Error> {
        if let Some(spill) = &self.spill
            && let Some(kept) = spill.kept().await
        {
            insert(&self.pool, &kept).await?;
            spill.clear().await;
        }
        insert(&self.pool, rows).await
    }
}

/// Makes the coming days' partitions, now and every hour.
async fn prepare_for_ever(pool: PgPool) {
    let mut hours = tokio::time::interval(HOUSEKEEPING);
    loop {
        hours.tick().await;
        let prepared = sqlx::query("SELECT log.prepare_security_records()").execute(&pool).await;
        if let Err(error) = prepared {
            tracing::warn!(%error, "could not prepare partitions; the default one takes the records");
        }
    }
}

async fn insert(pool: &PgPool, rows: &[Row]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO log.security_records (id, recorded_at, kind, result, actor_kind, actor_id,
                                           action, rule, status, ip_address, occurrences)
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
                              $6::uuid[], $7::text[], $8::text[], $9::integer[], $10::text[],
                              $11::bigint[])
         ON CONFLICT DO NOTHING",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.recorded_at))
    .bind(column(rows, |row| row.kind.clone()))
    .bind(column(rows, |row| row.result.clone()))
    .bind(column(rows, |row| row.actor_kind.clone()))
    .bind(column(rows, |row| row.actor_id))
    .bind(column(rows, |row| row.action.clone()))
    .bind(column(rows, |row| row.rule.clone()))
    .bind(column(rows, |row| row.status))
    .bind(column(rows, |row| row.ip_address.clone()))
    .bind(column(rows, |row| row.occurrences))
    .execute(pool)
    .await?;
    Ok(())
}

fn column<T>(rows: &[Row], value: impl Fn(&Row) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
