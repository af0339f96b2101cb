//! The table's rows: an entry as it is stored, and how it gets there.

use agora_domain::security::audit::RetentionCategory;
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{
    Entry,
    clients::SealedIn,
    sealing::{Indexes, LeafName, Personal},
};
use crate::copy::CopyData;

/// The columns of a [`Row`].
pub(super) const COLUMNS: &str = "log_id, recorded_at, retention_category::text AS retention_category,
    event_type::text AS event_type, event_result::text AS event_result, user_key, ip_key, session_key,
    endpoint, http_method, response_code, request_size_bytes, response_size_bytes, processing_time_ms,
    risk_score, threat_indicators, metadata, payload_hash, case_id, sealed, sealed_in_recorded_at,
    sealed_in_log_id";

/// Bytes that go to Postgres together: a buffer that stays in the processor's cache on both sides.
const SENT_AT_ONCE: usize = 128 << 10;

/// An entry as it is stored; its texts and bytes are its own, or an [`Entry`]'s.
#[derive(Clone, Debug, FromRow)]
pub struct Row<T = String, B = Vec<u8>> {
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
    pub payload_hash: Option<B>,
    pub case_id: Option<Uuid>,
    pub(super) sealed: Option<B>,
    pub(super) sealed_in_recorded_at: Option<DateTime<Utc>>,
    pub(super) sealed_in_log_id: Option<Uuid>,
}

impl Row {
    /// What a statement must select to get rows.
    pub const COLUMNS: &'static str = COLUMNS;
}

impl<T: AsRef<str>, B> Row<T, B> {
    pub(super) fn leaf(&self) -> LeafName {
        // Columns of an enum of the same words.
        let category =
            self.retention_category.as_ref().parse().unwrap_or(RetentionCategory::Operational);
        LeafName { day: self.recorded_at.date_naive(), category }
    }

    /// The entry that it refers to for what is personal in it.
    pub(super) fn sealed_in(&self) -> Option<SealedIn> {
        let (recorded_at, log_id) = (self.sealed_in_recorded_at?, self.sealed_in_log_id?);
        Some(SealedIn { recorded_at, log_id })
    }
}

/// What is made of an entry that is to be written.
pub(super) type Made<'e> = Row<&'e str, &'e [u8]>;

impl<'e> Made<'e> {
    pub(super) fn of(entry: &'e Entry, (indexes, personal): &'e (Indexes, Personal)) -> Self {
        let (sealed, sealed_in) = match personal {
            Personal::Erased => (None, None),
            Personal::Sealed(text) => (Some(text.as_slice()), None),
            Personal::In(sealed_in) => (None, Some(sealed_in)),
        };
        let size = |bytes: Option<u64>| bytes.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
        let indicators = &entry.threat_indicators;
        Self {
            log_id: entry.log_id,
            recorded_at: entry.recorded_at,
            retention_category: entry.retention.as_str(),
            event_type: entry.event_type.as_str(),
            event_result: entry.result.as_str(),
            user_key: indexes.user,
            ip_key: indexes.ip,
            session_key: indexes.session,
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
            payload_hash: entry.payload_hash.as_ref().map(<[u8; 32]>::as_slice),
            case_id: entry.case_id,
            sealed,
            sealed_in_recorded_at: sealed_in.map(|it| it.recorded_at),
            sealed_in_log_id: sealed_in.map(|it| it.log_id),
        }
    }
}

/// Copies rows into the table: half of what it costs to insert them.
pub(super) async fn copy<'e>(
    connection: &mut PgConnection,
    segment: i32,
    rows: impl Iterator<Item = Made<'e>>,
) -> Result<(), sqlx::Error> {
    const COPY: &str = "COPY log.security_audit (segment, log_id, recorded_at, retention_category,
        event_type, event_result, user_key, ip_key, session_key, endpoint, http_method, response_code,
        request_size_bytes, response_size_bytes, processing_time_ms, risk_score, threat_indicators,
        metadata, payload_hash, case_id, sealed, sealed_in_recorded_at, sealed_in_log_id)
        FROM STDIN (FORMAT binary)";
    let mut copying = connection.copy_in_raw(COPY).await?;
    let mut data = CopyData::new((512 * rows.size_hint().0).min(2 * SENT_AT_ONCE));
    for row in rows {
        data.row(23);
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
        data.value(row.payload_hash)?;
        data.value(row.case_id)?;
        data.value(row.sealed)?;
        data.value(row.sealed_in_recorded_at)?;
        data.value(row.sealed_in_log_id)?;
        if data.bytes().len() >= SENT_AT_ONCE {
            copying.send(data.bytes()).await?;
            data.sent();
        }
    }
    data.end();
    copying.send(data.bytes()).await?;
    copying.finish().await?;
    Ok(())
}

/// Inserts rows that are not there yet; says which.
pub(super) async fn insert_missing(
    connection: &mut PgConnection,
    segment: i32,
    rows: &[Made<'_>],
) -> Result<Vec<Uuid>, sqlx::Error> {
    macro_rules! column {
        ($field:ident) => {
            rows.iter().map(|row| row.$field).collect::<Vec<_>>()
        };
    }
    let indicators: Vec<_> = rows.iter().map(|row| row.threat_indicators.as_deref()).collect();
    sqlx::query_scalar(
        "INSERT INTO log.security_audit (segment, log_id, recorded_at, retention_category, event_type,
             event_result, user_key, ip_key, session_key, endpoint, http_method, response_code,
             request_size_bytes, response_size_bytes, processing_time_ms, risk_score,
             threat_indicators, metadata, payload_hash, case_id, sealed, sealed_in_recorded_at,
             sealed_in_log_id)
         SELECT $1, log_id, recorded_at, $4::text::log.retention_category,
                event_type::log.security_event_type, event_result::log.security_event_result,
                user_key, ip_key, session_key, endpoint, http_method, response_code, request_size,
                response_size, processing_time, risk_score, indicators, metadata, payload_hash,
                case_id, sealed, sealed_in_recorded_at, sealed_in_log_id
         FROM unnest($2::uuid[], $3::timestamptz[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
                     $9::bigint[], $10::text[], $11::text[], $12::smallint[], $13::bigint[],
                     $14::bigint[], $15::integer[], $16::smallint[], $17::text[], $18::text[],
                     $19::bytea[], $20::uuid[], $21::bytea[], $22::timestamptz[], $23::uuid[])
              AS r (log_id, recorded_at, event_type, event_result, user_key, ip_key, session_key,
                    endpoint, http_method, response_code, request_size, response_size,
                    processing_time, risk_score, indicators, metadata, payload_hash, case_id, sealed,
                    sealed_in_recorded_at, sealed_in_log_id)
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
    .bind(indicators)
    .bind(column!(metadata))
    .bind(column!(payload_hash))
    .bind(column!(case_id))
    .bind(column!(sealed))
    .bind(column!(sealed_in_recorded_at))
    .bind(column!(sealed_in_log_id))
    .fetch_all(connection)
    .await
}
