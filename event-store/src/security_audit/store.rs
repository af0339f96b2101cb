//! The table: entries are written in groups, each leaf's as a segment of its chain.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use agora_domain::security::audit::RetentionCategory;
use agora_service::{clock, geoip::Countries};
use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{
    Connection, FromRow, PgConnection, PgPool, Postgres, error::DatabaseError, pool::PoolConnection,
};
use uuid::Uuid;

use super::{
    AuditError, Entry, chain,
    marks::Marks,
    sealing::{self, LeafName, SealedEntry},
};
use crate::{Vault, copy::CopyData, vault::Key};

/// The columns of a [`Row`].
pub(super) const COLUMNS: &str = "log_id, recorded_at, retention_category::text AS retention_category,
    event_type::text AS event_type, event_result::text AS event_result, user_key, ip_key, session_key,
    endpoint, http_method, response_code, request_size_bytes, response_size_bytes, processing_time_ms,
    risk_score, threat_indicators, metadata, payload_hash, case_id, sealed";

/// An entry that is there already.
const UNIQUE_VIOLATION: &str = "23505";
/// What Postgres says of a row that no partition takes.
const CHECK_VIOLATION: &str = "23514";

/// A connection that is closed where what it does is given up halfway: sqlx does not know that the answer to a
/// `COPY` is still on its way, and would take it for the next statement's.
struct Whole {
    connection: PoolConnection<Postgres>,
    is_whole: bool,
}

impl Drop for Whole {
    fn drop(&mut self) {
        if !self.is_whole {
            self.connection.close_on_drop();
        }
    }
}

/// How rows come into the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// None of them is there: so it is, but where a group is written again.
    Copy,
    /// Those that are not there yet.
    Missing,
}

/// An entry as it is stored; its texts are its own, or an [`Entry`]'s.
#[derive(Clone, Debug, FromRow)]
pub struct Row<T = String> {
    pub log_id: Uuid,
    pub recorded_at: DateTime<Utc>,
    pub retention_category: T,
    pub event_type: T,
    pub event_result: T,
    pub(super) user_key: Option<i64>,
    pub(super) ip_key: Option<i64>,
    pub(super) session_key: Option<i64>,
    pub endpoint: Option<T>,
    pub http_method: Option<T>,
    pub response_code: Option<i16>,
    pub request_size_bytes: Option<i64>,
    pub response_size_bytes: Option<i64>,
    pub processing_time_ms: Option<i32>,
    pub risk_score: Option<i16>,
    pub threat_indicators: Option<String>,
    pub metadata: Option<T>,
    pub payload_hash: Option<Vec<u8>>,
    pub case_id: Option<Uuid>,
    pub(super) sealed: Option<Vec<u8>>,
}

impl Row {
    /// What a statement must select to get rows.
    pub const COLUMNS: &'static str = COLUMNS;
}

impl<T: AsRef<str>> Row<T> {
    pub(super) fn leaf(&self) -> LeafName {
        // Columns of an enum of the same words.
        let category =
            self.retention_category.as_ref().parse().unwrap_or(RetentionCategory::Operational);
        LeafName { day: self.recorded_at.date_naive(), category }
    }
}

impl<'e> Row<&'e str> {
    fn of(entry: &'e Entry, sealed: SealedEntry) -> Self {
        let size = |bytes: Option<u64>| bytes.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
        let indicators = &entry.threat_indicators;
        Self {
            log_id: entry.log_id,
            recorded_at: entry.recorded_at,
            retention_category: entry.retention.as_str(),
            event_type: entry.event_type.as_str(),
            event_result: entry.result.as_str(),
            user_key: sealed.user_key,
            ip_key: sealed.ip_key,
            session_key: sealed.session_key,
            endpoint: entry.endpoint.as_deref(),
            http_method: entry.http_method.as_deref(),
            // Nothing that the table refuses: one such entry would keep all after it waiting.
            response_code: entry
                .response_code
                .filter(|code| (100..=599).contains(code))
                .and_then(|code| i16::try_from(code).ok()),
            request_size_bytes: size(entry.request_size_bytes),
            response_size_bytes: size(entry.response_size_bytes),
            processing_time_ms: entry.processing_time_ms.and_then(|ms| i32::try_from(ms).ok()),
            risk_score: Some(i16::from(entry.risk_score.get())),
            threat_indicators: (!indicators.is_empty())
                .then(|| serde_json::Value::from(indicators.clone()).to_string()),
            metadata: entry.metadata.as_deref(),
            payload_hash: entry.payload_hash.map(|hash| hash.to_vec()),
            case_id: entry.case_id,
            sealed: sealed.sealed,
        }
    }
}

/// Marks that a process remembers to have been written, and of how many days: of so young ones no retention
/// is ever over.
const MARKS_MAX: usize = 100_000;
const YOUNG_DAYS: u64 = 2;

/// The way to the table, with what this process knows of it. Who can begin again where a write fails uses it
/// directly; everybody else goes by [`super::SecurityAudit`].
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    vault: Vault,
    countries: Countries,
    chain_key: Key,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// Days whose leaves are there.
    days: HashSet<NaiveDate>,
    /// The end of each chain when this process saw it last: its segment's number and MAC.
    ends: BTreeMap<LeafName, (i32, Vec<u8>)>,
    marks: BTreeMap<LeafName, Marks>,
}

impl Known {
    fn remember(&mut self, written: Vec<Written>) {
        if self.marks.values().map(Marks::len).sum::<usize>() > MARKS_MAX {
            self.marks.clear();
        }
        for Written { leaf, end, marks } in written {
            self.ends.insert(leaf, end);
            self.marks.entry(leaf).or_default().extend(marks);
        }
    }

    /// Nothing that may have been in a database that was replaced.
    fn forget_what_is_there(&mut self) {
        self.days.clear();
        self.marks.clear();
    }
}

/// What is known of a leaf once its rows are committed.
struct Written {
    leaf: LeafName,
    /// Where its chain ends: the segment's number and MAC.
    end: (i32, Vec<u8>),
    /// Those that are new.
    marks: Marks,
}

impl Store {
    pub fn new(pool: PgPool, vault: Vault) -> Self {
        let chain_key = chain::key(vault.masters());
        Self { pool, vault, countries: Countries::default(), chain_key, known: Arc::default() }
    }

    /// Entries then say in which country their addresses are.
    #[must_use]
    pub fn locating(self, countries: Countries) -> Self {
        Self { countries, ..self }
    }

    /// Writes entries, in one transaction; those that are there already stay as they are.
    ///
    /// # Errors
    /// Where the database or the vault cannot be used. Then none was written, or they were before.
    pub async fn write(&self, entries: &[Entry]) -> Result<(), AuditError> {
        self.write_by(Way::Copy, entries).await
    }

    /// As [`Self::write`], for who may have written some of them before.
    pub async fn write_again(&self, entries: &[Entry]) -> Result<(), AuditError> {
        self.write_by(Way::Missing, entries).await
    }

    async fn write_by(&self, mut way: Way, entries: &[Entry]) -> Result<(), AuditError> {
        if entries.is_empty() {
            return Ok(());
        }
        let sealed = sealing::seal(&self.vault, &self.countries, entries).await?;
        let mut sealed: Vec<(&Entry, SealedEntry)> = entries.iter().zip(sealed).collect();
        // In the order of the primary key, each goes behind the one before it without a search.
        sealed.sort_unstable_by_key(|(entry, _)| (entry.recorded_at, entry.log_id));
        let mut leaves: BTreeMap<LeafName, Vec<Row<&str>>> = BTreeMap::new();
        for (entry, sealed) in sealed {
            leaves.entry(LeafName::of(entry)).or_default().push(Row::of(entry, sealed));
        }
        self.prepare(leaves.keys()).await?;
        let mut prepared_anew = false;
        loop {
            let Err(error) = self.write_leaves(&leaves, way).await else { return Ok(()) };
            match error.as_database_error().and_then(DatabaseError::code).as_deref() {
                Some(UNIQUE_VIOLATION) if way == Way::Copy => way = Way::Missing,
                // No such partition: its retention is over and it was dropped meanwhile, or a restored
                // database has none yet.
                Some(CHECK_VIOLATION) if !prepared_anew => {
                    self.known().forget_what_is_there();
                    self.prepare(leaves.keys()).await?;
                    prepared_anew = true;
                }
                _ => return Err(error.into()),
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn prepare(&self, leaves: impl Iterator<Item = &LeafName>) -> Result<(), sqlx::Error> {
        for leaf in leaves {
            if !self.known().days.contains(&leaf.day) {
                sqlx::query("SELECT log.prepare_security_audit($1)")
                    .bind(leaf.day)
                    .execute(&self.pool)
                    .await?;
                self.known().days.insert(leaf.day);
            }
        }
        Ok(())
    }

    async fn write_leaves(
        &self,
        leaves: &BTreeMap<LeafName, Vec<Row<&str>>>,
        way: Way,
    ) -> Result<(), sqlx::Error> {
        let mut connection = Whole { connection: self.pool.acquire().await?, is_whole: false };
        let written = self.write_on(&mut connection.connection, leaves, way).await;
        connection.is_whole = true;
        self.known().remember(written?);
        Ok(())
    }

    async fn write_on(
        &self,
        connection: &mut PgConnection,
        leaves: &BTreeMap<LeafName, Vec<Row<&str>>>,
        way: Way,
    ) -> Result<Vec<Written>, sqlx::Error> {
        let mut transaction = connection.begin().await?;
        let mut written = Vec::with_capacity(leaves.len());
        // In one order for all writers, since the end of each chain is held until the commit.
        for (leaf, rows) in leaves {
            written.push(self.write_leaf(&mut transaction, (*leaf, rows), way).await?);
        }
        transaction.commit().await?;
        Ok(written)
    }

    /// Writes a leaf's rows as its next segment.
    async fn write_leaf(
        &self,
        connection: &mut PgConnection,
        (leaf, rows): (LeafName, &[Row<&str>]),
        way: Way,
    ) -> Result<Written, sqlx::Error> {
        let (seen, seen_mac) = self.known().ends.get(&leaf).cloned().unwrap_or_default();
        let (last, total, before, now): (i32, i64, Vec<u8>, Option<Vec<u8>>) = sqlx::query_as(
            "SELECT e.number, e.total, e.mac,
                    (SELECT s.mac FROM log.security_audit_segments s
                     WHERE s.day = $2 AND s.retention_category = $1::text::log.retention_category
                       AND s.number = $3)
             FROM log.security_audit_end($1::text::log.retention_category, $2) e",
        )
        .bind(leaf.category.as_str())
        .bind(leaf.day)
        .bind(seen)
        .fetch_one(&mut *connection)
        .await?;
        if last < seen {
            metrics::counter!("agora_security_audit_truncated").increment(1);
            tracing::error!(
                leaf = leaf.subject().as_str(),
                last,
                seen,
                "segments of the security audit log are gone from the end of a chain"
            );
        }
        if seen > 0 && now.as_ref() != Some(&seen_mac) {
            // Another history than the one that this process knows: a backup, or a replica that was behind.
            self.known().forget_what_is_there();
        }
        // Not again a number that there was: what is missing stays missing.
        let number = last.max(seen) + 1;
        let written: Vec<&Row<&str>> = match way {
            Way::Copy => {
                copy(connection, number, rows).await?;
                rows.iter().collect()
            }
            Way::Missing => {
                let new: HashSet<Uuid> =
                    insert_missing(connection, number, rows).await?.into_iter().collect();
                rows.iter().filter(|row| new.contains(&row.log_id)).collect()
            }
        };
        // Once rows are written, which keeps the leaf from being dropped, and while the end of its chain is
        // held, so that no two writers wait for each other's marks.
        let marks = self.new_marks(leaf, rows);
        marks.insert(connection, leaf).await?;
        if written.is_empty() {
            let end = if last < seen { (seen, seen_mac) } else { (last, before) };
            return Ok(Written { leaf, end, marks });
        }
        let entries = i32::try_from(written.len()).unwrap_or(i32::MAX);
        let total = total + i64::from(entries);
        let mac = chain::mac(&self.chain_key, leaf, (number, total), &before, written.into_iter());
        sqlx::query(
            "INSERT INTO log.security_audit_segments (day, retention_category, number, entries, total,
                 mac)
             VALUES ($1, $2::text::log.retention_category, $3, $4, $5, $6)",
        )
        .bind(leaf.day)
        .bind(leaf.category.as_str())
        .bind(number)
        .bind(entries)
        .bind(total)
        .bind(mac.as_slice())
        .execute(connection)
        .await?;
        Ok(Written { leaf, end: (number, mac.to_vec()), marks })
    }

    /// Those that this process does not know to be there.
    fn new_marks(&self, leaf: LeafName, rows: &[Row<&str>]) -> Marks {
        // Leaves of long ago may have been dropped, and made anew by others.
        let is_young = leaf.day >= clock::now().date_naive() - Days::new(YOUNG_DAYS);
        let marks = Marks::of(rows);
        match self.known().marks.get(&leaf).filter(|_| is_young) {
            Some(known) => marks.without(known),
            None => marks,
        }
    }
}

/// Copies rows into the table: half of what it costs to insert them.
async fn copy(
    connection: &mut PgConnection,
    segment: i32,
    rows: &[Row<&str>],
) -> Result<(), sqlx::Error> {
    const COPY: &str = "COPY log.security_audit (segment, log_id, recorded_at, retention_category,
        event_type, event_result, user_key, ip_key, session_key, endpoint, http_method, response_code,
        request_size_bytes, response_size_bytes, processing_time_ms, risk_score, threat_indicators,
        metadata, payload_hash, case_id, sealed) FROM STDIN (FORMAT binary)";
    let mut data = CopyData::new(rows.len() * 512);
    for row in rows {
        data.row(21);
        data.value(segment)?;
        data.value(row.log_id)?;
        data.value(row.recorded_at)?;
        data.value(row.retention_category)?;
        data.value(row.event_type)?;
        data.value(row.event_result)?;
        data.value(row.user_key)?;
        data.value(row.ip_key)?;
        data.value(row.session_key)?;
        data.value(row.endpoint)?;
        data.value(row.http_method)?;
        data.value(row.response_code)?;
        data.value(row.request_size_bytes)?;
        data.value(row.response_size_bytes)?;
        data.value(row.processing_time_ms)?;
        data.value(row.risk_score)?;
        data.value(row.threat_indicators.as_deref())?;
        data.value(row.metadata)?;
        data.value(row.payload_hash.as_deref())?;
        data.value(row.case_id)?;
        data.value(row.sealed.as_deref())?;
    }
    let mut copying = connection.copy_in_raw(COPY).await?;
    copying.send(data.finish()).await?;
    copying.finish().await?;
    Ok(())
}

/// Inserts rows that are not there yet; says which.
async fn insert_missing(
    connection: &mut PgConnection,
    segment: i32,
    rows: &[Row<&str>],
) -> Result<Vec<Uuid>, sqlx::Error> {
    macro_rules! column {
        ($field:ident) => {
            rows.iter().map(|row| row.$field).collect::<Vec<_>>()
        };
        (text $field:ident) => {
            rows.iter().map(|row| row.$field.as_deref()).collect::<Vec<_>>()
        };
    }
    sqlx::query_scalar(
        "INSERT INTO log.security_audit (segment, log_id, recorded_at, retention_category, event_type,
             event_result, user_key, ip_key, session_key, endpoint, http_method, response_code,
             request_size_bytes, response_size_bytes, processing_time_ms, risk_score,
             threat_indicators, metadata, payload_hash, case_id, sealed)
         SELECT $1, log_id, recorded_at, $4::text::log.retention_category,
                event_type::log.security_event_type, event_result::log.security_event_result,
                user_key, ip_key, session_key, endpoint, http_method, response_code, request_size,
                response_size, processing_time, risk_score, indicators, metadata, payload_hash,
                case_id, sealed
         FROM unnest($2::uuid[], $3::timestamptz[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
                     $9::bigint[], $10::text[], $11::text[], $12::smallint[], $13::bigint[],
                     $14::bigint[], $15::integer[], $16::smallint[], $17::text[], $18::text[],
                     $19::bytea[], $20::uuid[], $21::bytea[])
              AS r (log_id, recorded_at, event_type, event_result, user_key, ip_key, session_key,
                    endpoint, http_method, response_code, request_size, response_size,
                    processing_time, risk_score, indicators, metadata, payload_hash, case_id, sealed)
         ON CONFLICT DO NOTHING RETURNING log_id",
    )
    .bind(segment)
    .bind(column!(log_id))
    .bind(column!(recorded_at))
    .bind(rows.first().map(|row| row.retention_category))
    .bind(column!(event_type))
    .bind(column!(event_result))
    .bind(column!(user_key))
    .bind(column!(ip_key))
    .bind(column!(session_key))
    .bind(column!(endpoint))
    .bind(column!(http_method))
    .bind(column!(response_code))
    .bind(column!(request_size_bytes))
    .bind(column!(response_size_bytes))
    .bind(column!(processing_time_ms))
    .bind(column!(risk_score))
    .bind(column!(text threat_indicators))
    .bind(column!(metadata))
    .bind(column!(text payload_hash))
    .bind(column!(case_id))
    .bind(column!(text sealed))
    .fetch_all(connection)
    .await
}
