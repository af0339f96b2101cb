//! Reading the log in its order: ranges, and following it.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::Position;

/// An event as it stands in the log; personal values are sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    pub position: Position,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: u64,
    pub event_type: String,
    pub event_version: String,
    /// JSON, byte for byte as it was written and hashed.
    pub payload: String,
    /// A flat JSON object of strings, byte for byte as it was written and hashed.
    pub metadata: String,
    pub recorded_at: DateTime<Utc>,
}

impl RecordedEvent {
    pub(crate) fn bytes(&self) -> usize {
        self.payload.len() + self.metadata.len() + self.aggregate_id.len() + 256
    }

    /// The commitment that the log keeps beside the event (docs/entry-hash.md).
    pub fn entry_hash(&self) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        use std::fmt::Write;
        let sequence = self.sequence.to_string();
        let mut event_id = Uuid::encode_buffer();
        let event_id = self.event_id.hyphenated().encode_lower(&mut event_id);
        let recorded_at = rfc3339_micros(self.recorded_at);
        let mut entry = String::with_capacity(self.bytes());
        for part in [
            "agora/event/v1",
            event_id,
            &self.aggregate_type,
            &self.aggregate_id,
            &sequence,
            &self.event_type,
            &self.event_version,
            &self.payload,
            &self.metadata,
            &recorded_at,
        ] {
            // Writing to a string cannot fail.
            let _ = write!(entry, "{}:{part},", part.len());
        }
        Sha256::digest(entry).into()
    }
}

/// A time as the log writes it: RFC 3339, UTC, six decimals (ESX-15).
pub fn rfc3339_micros(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// What an auditor asks for. Empty means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub event_type: Option<String>,
    pub aggregate_type: Option<String>,
    pub aggregate_id: Option<String>,
    /// As in metadata: `member:<uuid>`.
    pub actor: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// The events after a position, oldest first, at most `limit`.
///
/// One statement is one snapshot, and positions are given in commit order, so nothing can appear
/// later between two events that were read together.
pub async fn range(
    connection: &mut PgConnection,
    after: Position,
    limit: usize,
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                event_version, payload::text AS payload, metadata::text AS metadata, recorded_at
         FROM log.events WHERE position > $1 ORDER BY position LIMIT $2",
    )
    .bind(to_db(after))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    rows.iter().map(recorded).collect()
}

/// As [`range`], of the events that match.
pub async fn filtered(
    connection: &mut PgConnection,
    after: Position,
    up_to: Position,
    limit: usize,
    filter: &EventFilter,
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    // One stream has an index of its own: the whole log is not looked through for it.
    let source = match (&filter.aggregate_type, &filter.aggregate_id) {
        (Some(_), Some(_)) => "log.stream($5, $6)",
        _ => "log.events",
    };
    let statement = format!(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                event_version, payload::text AS payload, metadata::text AS metadata, recorded_at
         FROM {source}
         WHERE position > $1 AND position <= $2
           AND ($4::text IS NULL OR event_type = $4)
           AND ($5::text IS NULL OR aggregate_type = $5)
           AND ($6::text IS NULL OR aggregate_id = $6)
           AND ($7::text IS NULL OR metadata ->> 'actor' = $7)
           AND ($8::timestamptz IS NULL OR recorded_at >= $8)
           AND ($9::timestamptz IS NULL OR recorded_at < $9)
         ORDER BY position LIMIT $3"
    );
    let rows = sqlx::query(&statement)
        .bind(to_db(after))
        .bind(to_db(up_to))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&filter.event_type)
        .bind(&filter.aggregate_type)
        .bind(&filter.aggregate_id)
        .bind(&filter.actor)
        .bind(filter.from)
        .bind(filter.to)
        .fetch_all(connection)
        .await?;
    rows.iter().map(recorded).collect()
}

/// The events of some types after a position and up to another, oldest first.
pub async fn of_types(
    connection: &mut PgConnection,
    after: Position,
    up_to: Position,
    limit: i64,
    event_types: &[String],
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                event_version, payload::text AS payload, metadata::text AS metadata, recorded_at
         FROM log.events
         WHERE position > $1 AND position <= $2 AND event_type = ANY ($4)
         ORDER BY position LIMIT $3",
    )
    .bind(to_db(after))
    .bind(to_db(up_to))
    .bind(limit)
    .bind(event_types)
    .fetch_all(connection)
    .await?;
    rows.iter().map(recorded).collect()
}

/// One event; none where the log does not have it.
pub async fn by_id(
    connection: &mut PgConnection,
    event_id: Uuid,
) -> Result<Option<RecordedEvent>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                event_version, payload::text AS payload, metadata::text AS metadata, recorded_at
         FROM log.events WHERE event_id = $1",
    )
    .bind(event_id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(recorded).transpose()
}

/// One stream from its beginning.
pub async fn stream(
    connection: &mut PgConnection,
    aggregate_type: &str,
    aggregate_id: &str,
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                event_version, payload::text AS payload, metadata::text AS metadata, recorded_at
         FROM log.stream($1, $2) ORDER BY sequence",
    )
    .bind(aggregate_type)
    .bind(aggregate_id)
    .fetch_all(connection)
    .await?;
    rows.iter().map(recorded).collect()
}

/// One event of a stream.
pub async fn at_sequence(
    connection: &mut PgConnection,
    aggregate_type: &str,
    aggregate_id: &str,
    sequence: u64,
) -> Result<Option<RecordedEvent>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                event_version, payload::text AS payload, metadata::text AS metadata, recorded_at
         FROM log.stream($1, $2) WHERE sequence = $3",
    )
    .bind(aggregate_type)
    .bind(aggregate_id)
    .bind(to_db(sequence))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(recorded).transpose()
}

/// The position of the newest event, 0 in an empty log.
pub async fn head(connection: &mut PgConnection) -> Result<Position, sqlx::Error> {
    let head: Option<i64> =
        sqlx::query_scalar("SELECT max(position) FROM log.events").fetch_one(connection).await?;
    Ok(from_db(head.unwrap_or(0)))
}

/// The log's present epoch: the identity of its history.
pub async fn epoch(connection: &mut PgConnection) -> Result<Uuid, sqlx::Error> {
    sqlx::query_scalar("SELECT epoch FROM log.epochs ORDER BY number DESC LIMIT 1")
        .fetch_one(connection)
        .await
}

pub(crate) fn recorded(row: &PgRow) -> Result<RecordedEvent, sqlx::Error> {
    Ok(RecordedEvent {
        position: from_db(row.try_get("position")?),
        event_id: row.try_get("event_id")?,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        sequence: from_db(row.try_get("sequence")?),
        event_type: row.try_get("event_type")?,
        event_version: row.try_get("event_version")?,
        payload: row.try_get("payload")?,
        metadata: row.try_get("metadata")?,
        recorded_at: row.try_get("recorded_at")?,
    })
}

/// Postgres has no unsigned integers; positions and sequences are never negative.
pub fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A position past what a `bigint` holds is after everything.
pub fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
