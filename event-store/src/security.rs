//! Security records: refusals, logins, reads of the audit log. Written in groups into an
//! append-only table of their own, and there before the reply goes out.
//!
//! Equal records of one group are written as one with a count, so that a flood of refusals costs
//! one row.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use agora_domain::{Actor, PersonalCategory, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    Vault,
    records::{Kind, Records, Sealer},
};

/// `aggregate_type` in the associated data of a record's sealed address.
pub const RECORD: &str = "security_record";
/// The field's name there.
pub const IP_ADDRESS: &str = "ip_address";

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
    /// `refusal`, `login`, `login_failed`, `audit_read`, `blocked`.
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

/// The way to the writing task. Cheap to clone.
#[derive(Clone)]
pub struct SecurityLog(Records<Security>);

impl SecurityLog {
    /// Starts the writing task. `spill` is the file that keeps records while Postgres is away.
    pub fn start(pool: PgPool, vault: Vault, spill: Option<PathBuf>) -> Self {
        Self(Records::start(Security, pool, vault, spill))
    }

    /// Writes a record; returns when it is stored (in Postgres, or in the spill file).
    pub async fn write(&self, record: SecurityRecord) {
        self.write_times(record, 1).await;
    }

    /// As [`Self::write`], of something that happened so often.
    pub async fn write_times(&self, record: SecurityRecord, times: u64) {
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        if times > 0 {
            self.0.write((record, times)).await;
        }
    }
}

struct Security;

impl Kind for Security {
    /// What happened, and how often.
    type Record = (SecurityRecord, i64);
    type Row = Row;

    const NAME: &'static str = "security records";
    const SPILLED: &'static str = "agora_security_records_spilled";
    const LOST: &'static str = "agora_security_records_lost";
    const GATHER: Duration = Duration::ZERO;

    async fn rows(&self, group: Vec<(SecurityRecord, i64)>, sealer: &Sealer) -> Vec<Row> {
        let mut counted: HashMap<SecurityRecord, i64> = HashMap::new();
        for (record, times) in group {
            let sum = counted.entry(record).or_default();
            *sum = sum.saturating_add(times);
        }
        let mut rows = Vec::with_capacity(counted.len());
        for (record, occurrences) in counted {
            rows.push(Row::of(record, occurrences, sealer).await);
        }
        rows
    }

    async fn insert(&self, pool: &PgPool, rows: &[Row]) -> Result<(), sqlx::Error> {
        insert(pool, rows).await
    }

    async fn keep_house(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT log.prepare_security_records()").execute(pool).await.map(|_| ())
    }
}

impl Row {
    async fn of(record: SecurityRecord, occurrences: i64, sealer: &Sealer) -> Self {
        #[expect(clippy::disallowed_methods, reason = "records get their id and time here")]
        let (id, recorded_at) = (Uuid::now_v7(), Utc::now());
        let ip_address = match &record.client_address {
            Some(address) => {
                let subject = record
                    .actor
                    .filter(|actor| actor.has_account())
                    .map_or_else(|| Subject::day(recorded_at.date_naive()), Actor::subject);
                let key = (&subject, PersonalCategory::Network);
                sealer.seal((RECORD, id), IP_ADDRESS, key, address).await
            }
            None => None,
        };
        Self {
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
