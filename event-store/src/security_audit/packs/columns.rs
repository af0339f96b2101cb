//! A pack as it is written: an array for each column, and what happened, the same in many of its entries, once.

use chrono::{DateTime, NaiveDate, Utc};
use foldhash::HashMap;
use sqlx::{
    Arguments, Encode, PgConnection, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgHasArrayType, PgTypeInfo, types::PgRecordEncoder},
};
use uuid::Uuid;

use super::{super::row::Made, Head};

/// Bytes of an entry as it is sent, roughly, so that they are not moved from buffer to buffer.
const ENTRY_BYTES: usize = 200;

const INSERT: &str =
    "INSERT INTO log.security_audit_packs (day, segment, part, first_at, first_log_id, last_at, found_by,
    acts, act_numbers, recorded_ats, log_ids, user_keys, ip_keys, session_keys, request_sizes_bytes,
    response_sizes_bytes, processing_times_ms, payload_hashes, sealed_texts, sealed_in_recorded_ats,
    sealed_in_log_ids)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";

/// A column of values that not every entry has.
type Maybe<T> = Vec<Option<T>>;

/// The entries of a pack, column by column.
pub(super) struct Columns<'e> {
    acts: Vec<Act<'e>>,
    /// Which of `acts` is which, counted from 1 as the arrays of Postgres are.
    numbers: HashMap<Act<'e>, i16>,
    act_numbers: Vec<i16>,
    recorded_ats: Vec<DateTime<Utc>>,
    log_ids: Vec<Uuid>,
    user_keys: Maybe<i64>,
    ip_keys: Maybe<i64>,
    session_keys: Maybe<i64>,
    request_sizes_bytes: Maybe<i64>,
    response_sizes_bytes: Maybe<i64>,
    processing_times_ms: Maybe<i32>,
    payload_hashes: Maybe<&'e [u8]>,
    sealed_texts: Maybe<&'e [u8]>,
    sealed_in_recorded_ats: Maybe<DateTime<Utc>>,
    sealed_in_log_ids: Maybe<Uuid>,
}

impl<'e> Columns<'e> {
    pub(super) fn with_capacity(entries: usize) -> Self {
        Self {
            acts: Vec::new(),
            numbers: HashMap::default(),
            act_numbers: Vec::with_capacity(entries),
            recorded_ats: Vec::with_capacity(entries),
            log_ids: Vec::with_capacity(entries),
            user_keys: Vec::with_capacity(entries),
            ip_keys: Vec::with_capacity(entries),
            session_keys: Vec::with_capacity(entries),
            request_sizes_bytes: Vec::with_capacity(entries),
            response_sizes_bytes: Vec::with_capacity(entries),
            processing_times_ms: Vec::with_capacity(entries),
            payload_hashes: Vec::with_capacity(entries),
            sealed_texts: Vec::with_capacity(entries),
            sealed_in_recorded_ats: Vec::with_capacity(entries),
            sealed_in_log_ids: Vec::with_capacity(entries),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.log_ids.len()
    }

    pub(super) fn push(&mut self, row: Made<'e>) {
        self.recorded_ats.push(row.recorded_at);
        self.log_ids.push(row.log_id);
        self.user_keys.push(row.user_key);
        self.ip_keys.push(row.ip_key);
        self.session_keys.push(row.session_key);
        self.request_sizes_bytes.push(row.request_size_bytes);
        self.response_sizes_bytes.push(row.response_size_bytes);
        self.processing_times_ms.push(row.processing_time_ms);
        self.payload_hashes.push(row.payload_hash);
        self.sealed_texts.push(row.sealed);
        self.sealed_in_recorded_ats.push(row.sealed_in_recorded_at);
        self.sealed_in_log_ids.push(row.sealed_in_log_id);
        let act = Act::of(row);
        let number = match self.numbers.get(&act) {
            Some(number) => *number,
            None => {
                self.acts.push(act.clone());
                // A pack has no more acts than entries, which are 500 at most.
                let number = i16::try_from(self.acts.len()).unwrap_or(i16::MAX);
                self.numbers.insert(act, number);
                number
            }
        };
        self.act_numbers.push(number);
    }

    /// Writes the pack that they are.
    pub(super) async fn insert(
        &self,
        connection: &mut PgConnection,
        day: NaiveDate,
        head: &Head,
    ) -> Result<(), sqlx::Error> {
        let parameters = self.parameters(day, head).map_err(sqlx::Error::Encode)?;
        sqlx::query_with(INSERT, parameters).execute(connection).await?;
        Ok(())
    }

    fn parameters(&self, day: NaiveDate, head: &Head) -> Result<PgArguments, BoxDynError> {
        let mut all = PgArguments::default();
        all.reserve(21, ENTRY_BYTES * self.len());
        all.add(day)?;
        all.add(head.segment)?;
        all.add(head.part)?;
        all.add(head.first_at)?;
        all.add(head.first_log_id)?;
        all.add(head.last_at)?;
        all.add(&head.found_by)?;
        all.add(&self.acts)?;
        all.add(&self.act_numbers)?;
        all.add(&self.recorded_ats)?;
        all.add(&self.log_ids)?;
        all.add(some(&self.user_keys))?;
        all.add(some(&self.ip_keys))?;
        all.add(some(&self.session_keys))?;
        all.add(some(&self.request_sizes_bytes))?;
        all.add(some(&self.response_sizes_bytes))?;
        all.add(some(&self.processing_times_ms))?;
        all.add(some(&self.payload_hashes))?;
        all.add(some(&self.sealed_texts))?;
        all.add(some(&self.sealed_in_recorded_ats))?;
        all.add(some(&self.sealed_in_log_ids))?;
        Ok(all)
    }
}

/// The column, where some entry has a value.
fn some<T>(column: &Maybe<T>) -> Option<&Maybe<T>> {
    column.iter().any(Option::is_some).then_some(column)
}

/// What happened, as `log.security_audit_act`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Act<'e> {
    event_type: &'e str,
    event_result: &'e str,
    endpoint: Option<&'e str>,
    http_method: Option<&'e str>,
    response_code: Option<i16>,
    risk_score: Option<i16>,
    threat_indicators: Option<String>,
    metadata: Option<&'e str>,
    case_id: Option<Uuid>,
}

impl<'e> Act<'e> {
    fn of(row: Made<'e>) -> Self {
        Self {
            event_type: row.event_type,
            event_result: row.event_result,
            endpoint: row.endpoint,
            http_method: row.http_method,
            response_code: row.response_code,
            risk_score: row.risk_score,
            threat_indicators: row.threat_indicators,
            metadata: row.metadata,
            case_id: row.case_id,
        }
    }
}

const ACT: &str = "log.security_audit_act";

impl Type<Postgres> for Act<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name(ACT)
    }
}

impl PgHasArrayType for Act<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of(ACT)
    }
}

impl Encode<'_, Postgres> for Act<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let mut record = PgRecordEncoder::new(buffer);
        record.encode(Word { word: self.event_type, of: "log.security_event_type" })?;
        record.encode(Word { word: self.event_result, of: "log.security_event_result" })?;
        record.encode(self.endpoint)?;
        record.encode(self.http_method)?;
        record.encode(self.response_code)?;
        record.encode(self.risk_score)?;
        record.encode(self.threat_indicators.as_deref())?;
        record.encode(self.metadata)?;
        record.encode(self.case_id)?;
        record.finish();
        Ok(IsNull::No)
    }
}

/// A word of an enum of Postgres.
struct Word<'e> {
    word: &'e str,
    of: &'static str,
}

impl Type<Postgres> for Word<'_> {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Word<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.word.encode_by_ref(buffer)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_name(self.of))
    }
}
