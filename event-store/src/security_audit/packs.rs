//! Packs: the entries that are kept for operations, nearly all of which are accesses, stand together as they were
//! written: one row of the database, its entries an array, instead of a row and entries of indexes for each
//! (ADR 24).

use agora_domain::security::audit::{AuditEventType, AuditResult, RetentionCategory};
use chrono::{DateTime, TimeDelta, Utc};
use foldhash::{HashMap, HashSet};
use sqlx::{
    Arguments, Encode, FromRow, PgConnection, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgHasArrayType, PgTypeInfo, types::PgRecordEncoder},
};
use uuid::Uuid;

use super::{
    Row,
    chain::bounds,
    marks::{kind, track},
    row::Made,
    sealing::LeafName,
};

/// Entries of one pack at most: who looks for one of them reads all.
const ENTRIES_MAX: usize = 500;
/// The longest time between its first and its last entry, in milliseconds. Who looks for a moment, or goes back
/// from one, knows by it which packs may hold something.
pub const SPAN_MS: i64 = 250;

/// Whether the entries of a leaf are written in packs. Those that were written before ADR 24 are not.
pub(super) fn are_of(leaf: LeafName) -> bool {
    leaf.category == RetentionCategory::Operational
}

/// By what the packs of a kind are found (ADR 22); none of the ordinary one, which is in nearly all.
pub fn kind_number(event_type: AuditEventType, result: AuditResult, risk: i16) -> Option<i64> {
    let is_ordinary =
        (event_type, result, risk) == (AuditEventType::ApiAccess, AuditResult::Success, 0);
    // Stored: a number stays what it is, a new word gets a new one.
    let event_type = match event_type {
        AuditEventType::Login => 1,
        AuditEventType::Logout => 2,
        AuditEventType::ApiAccess => 3,
        AuditEventType::DataExport => 4,
        AuditEventType::ConsentChange => 5,
        AuditEventType::SecurityIncident => 6,
        AuditEventType::AdminAction => 7,
    };
    let result = match result {
        AuditResult::Success => 1,
        AuditResult::Failure => 2,
        AuditResult::Blocked => 3,
        AuditResult::Suspicious => 4,
    };
    (!is_ordinary).then_some((event_type << 16) | (result << 8) | i64::from(risk))
}

/// By what the pack of an entry is found: its track (ADR 21), as `log.security_audit_track` makes it, and its kind.
fn numbers<T: AsRef<str>, B>(row: &Row<T, B>) -> impl Iterator<Item = i64> {
    let track = track(row).map(|keys| keys.into_iter().flatten().fold(0, |all, key| all ^ key));
    let kind = kind(row).and_then(|(of, result, risk)| kind_number(of, result, risk));
    track.into_iter().chain(kind)
}

/// What stands beside the entries of a pack.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
struct Head {
    segment: i32,
    part: i16,
    first_at: DateTime<Utc>,
    first_log_id: Uuid,
    last_at: DateTime<Utc>,
    /// In their order.
    found_by: Vec<i64>,
}

impl Head {
    /// Of the entries of a pack, in the order of their times and ids.
    fn of<T: AsRef<str>, B>(
        (segment, part): (i32, i16),
        first: &Row<T, B>,
        rows: &[Row<T, B>],
    ) -> Self {
        let found_by: HashSet<i64> = rows.iter().flat_map(numbers).collect();
        let mut found_by: Vec<i64> = found_by.into_iter().collect();
        found_by.sort_unstable();
        Self {
            segment,
            part,
            first_at: first.recorded_at,
            first_log_id: first.log_id,
            last_at: rows.last().unwrap_or(first).recorded_at,
            found_by,
        }
    }
}

/// An entry as `log.security_audit_entry`.
struct Packed<'p, 'e>(&'p Made<'e>);

const ENTRY_TYPE: &str = "log.security_audit_entry";

impl Type<Postgres> for Packed<'_, '_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name(ENTRY_TYPE)
    }
}

impl PgHasArrayType for Packed<'_, '_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of(ENTRY_TYPE)
    }
}

impl Encode<'_, Postgres> for Packed<'_, '_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let row = self.0;
        let mut record = PgRecordEncoder::new(buffer);
        record.encode(row.recorded_at)?;
        record.encode(row.log_id)?;
        record.encode(row.event_type)?;
        record.encode(row.event_result)?;
        record.encode(row.user_key)?;
        record.encode(row.ip_key)?;
        record.encode(row.session_key)?;
        record.encode(row.endpoint)?;
        record.encode(row.http_method)?;
        record.encode(row.response_code)?;
        record.encode(row.request_size_bytes)?;
        record.encode(row.response_size_bytes)?;
        record.encode(row.processing_time_ms)?;
        record.encode(row.risk_score)?;
        record.encode(row.threat_indicators.as_deref())?;
        record.encode(row.metadata)?;
        record.encode(row.payload_hash)?;
        record.encode(row.case_id)?;
        record.encode(row.sealed)?;
        record.encode(row.sealed_in_recorded_at)?;
        record.encode(row.sealed_in_log_id)?;
        record.finish();
        Ok(IsNull::No)
    }
}

const INSERT: &str =
    "INSERT INTO log.security_audit_packs (day, segment, part, first_at, first_log_id,
    last_at, found_by, entries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Writes rows of a leaf, in the order of their times and ids, as the packs of a segment.
pub(super) async fn insert(
    connection: &mut PgConnection,
    leaf: LeafName,
    segment: i32,
    mut rows: &[Made<'_>],
) -> Result<(), sqlx::Error> {
    let mut part = 0;
    while let Some(first) = rows.first() {
        let last_at = first.recorded_at + TimeDelta::milliseconds(SPAN_MS);
        let in_time = rows.partition_point(|row| row.recorded_at <= last_at);
        let (pack, rest) = rows.split_at(in_time.min(ENTRIES_MAX));
        let parameters = parameters(leaf, &Head::of((segment, part), first, pack), pack)?;
        sqlx::query_with(INSERT, parameters).execute(&mut *connection).await?;
        (rows, part) = (rest, part + 1);
    }
    Ok(())
}

/// The parameters of an `INSERT` of a pack.
fn parameters(leaf: LeafName, head: &Head, pack: &[Made<'_>]) -> Result<PgArguments, sqlx::Error> {
    let mut parameters = PgArguments::default();
    let entries: Vec<Packed<'_, '_>> = pack.iter().map(Packed).collect();
    parameters
        .add(leaf.day)
        .and_then(|()| parameters.add(head.segment))
        .and_then(|()| parameters.add(head.part))
        .and_then(|()| parameters.add(head.first_at))
        .and_then(|()| parameters.add(head.first_log_id))
        .and_then(|()| parameters.add(head.last_at))
        .and_then(|()| parameters.add(&head.found_by))
        .and_then(|()| parameters.add(entries))
        .map_err(sqlx::Error::Encode)?;
    Ok(parameters)
}

/// The table of a leaf's packs, where it has some.
pub fn table(leaf: LeafName) -> Option<String> {
    are_of(leaf).then(|| format!("log.security_audit_packs_{}", leaf.day.format("%Y%m%d")))
}

/// Behind packs `p` in a statement: their entries `e`, with all columns that those of the table have. What no
/// writer writes is left out: verification misses it, and nobody else stumbles over it.
pub const UNPACKED: &str = "CROSS JOIN LATERAL (
    SELECT 'OPERATIONAL' AS retention_category, e.* FROM unnest(p.entries) e
    WHERE e.recorded_at BETWEEN p.first_at AND p.last_at AND e.log_id IS NOT NULL
      AND e.event_type IS NOT NULL AND e.event_result IS NOT NULL) e";

/// An entry that was looked for.
#[derive(FromRow)]
pub(super) struct Found {
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) log_id: Uuid,
    pub(super) sealed: Option<Vec<u8>>,
}

/// Those of some entries that are in packs of a leaf. Each pack that may hold some is opened once.
pub(super) async fn find(
    connection: &mut PgConnection,
    leaf: LeafName,
    mut entries: Vec<(DateTime<Utc>, Uuid)>,
) -> Result<Vec<Found>, sqlx::Error> {
    entries.sort_unstable();
    let (from, to) = stretches(entries.iter().map(|(time, _)| *time));
    let (times, ids): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    let statement = format!(
        "WITH asked AS MATERIALIZED (
             SELECT * FROM unnest($4::timestamptz[], $5::uuid[]) AS w (recorded_at, log_id))
         SELECT e.recorded_at, e.log_id, e.sealed
         FROM unnest($2::timestamptz[], $3::timestamptz[]) AS s (from_at, to_at)
         CROSS JOIN LATERAL (
             SELECT p.first_at, p.last_at, p.entries FROM log.security_audit_packs p
             WHERE p.day = $1 AND p.last_at >= s.from_at
               AND p.first_at BETWEEN s.from_at - interval '{SPAN_MS} milliseconds' AND s.to_at OFFSET 0) p
         {UNPACKED} WHERE (e.recorded_at, e.log_id) IN (SELECT recorded_at, log_id FROM asked)"
    );
    sqlx::query_as(&statement)
        .bind(leaf.day)
        .bind(from)
        .bind(to)
        .bind(times)
        .bind(ids)
        .fetch_all(connection)
        .await
}

/// From when to when some times are that come in their order, so far from each other that no pack is in two.
fn stretches(
    times: impl Iterator<Item = DateTime<Utc>>,
) -> (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) {
    let (mut from, mut to): (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) = Default::default();
    for time in times {
        match to.last_mut() {
            Some(to) if time - *to <= TimeDelta::milliseconds(2 * SPAN_MS) => *to = time,
            _ => {
                from.push(time);
                to.push(time);
            }
        }
    }
    (from, to)
}

/// Which of some rows of a leaf are there already, in packs or not.
pub(super) async fn there(
    connection: &mut PgConnection,
    leaf: LeafName,
    rows: &[Made<'_>],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let entries: Vec<(DateTime<Utc>, Uuid)> =
        rows.iter().map(|row| (row.recorded_at, row.log_id)).collect();
    let (times, ids): (Vec<_>, Vec<_>) = entries.iter().copied().unzip();
    let packed = find(connection, leaf, entries).await?;
    // Those of before packs.
    let in_rows: Vec<Uuid> = sqlx::query_scalar(
        "SELECT w.log_id FROM unnest($1::timestamptz[], $2::uuid[]) AS w (recorded_at, log_id)
         WHERE EXISTS (SELECT FROM log.security_audit e
                       WHERE e.retention_category = $3::text::log.retention_category
                         AND e.recorded_at >= $4 AND e.recorded_at < $5
                         AND e.recorded_at = w.recorded_at AND e.log_id = w.log_id)",
    )
    .bind(times)
    .bind(ids)
    .bind(leaf.category.as_str())
    .bind(bounds(leaf.day).0)
    .bind(bounds(leaf.day).1)
    .fetch_all(connection)
    .await?;
    Ok(packed.into_iter().map(|found| found.log_id).chain(in_rows).collect())
}

/// The last segment of which there are packs.
pub(super) async fn last_segment(
    connection: &mut PgConnection,
    leaf: LeafName,
) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT coalesce(max(segment), 0) FROM log.security_audit_packs WHERE day = $1",
    )
    .bind(leaf.day)
    .fetch_one(connection)
    .await
}

/// An entry of a pack, and which.
#[derive(FromRow)]
struct InPack {
    segment: i32,
    part: i16,
    #[sqlx(flatten)]
    row: Row,
}

/// The entries of some segments' packs, and the segments of which some are not found by what they are.
pub(super) async fn of_segments(
    connection: &mut PgConnection,
    leaf: LeafName,
    first: i32,
    last: i32,
) -> Result<(HashMap<i32, Vec<Row>>, HashSet<i32>), sqlx::Error> {
    let mut found: HashMap<i32, Vec<Row>> = HashMap::default();
    if !are_of(leaf) {
        return Ok((found, HashSet::default()));
    }
    let heads: Vec<Head> = sqlx::query_as(
        "SELECT segment, part, first_at, first_log_id, last_at, found_by FROM log.security_audit_packs
         WHERE day = $1 AND segment BETWEEN $2 AND $3",
    )
    .bind(leaf.day)
    .bind(first)
    .bind(last)
    .fetch_all(&mut *connection)
    .await?;
    let statement = format!(
        "SELECT p.segment, p.part, {} FROM log.security_audit_packs p {UNPACKED}
         WHERE p.day = $1 AND p.segment BETWEEN $2 AND $3 ORDER BY e.recorded_at, e.log_id",
        super::row::COLUMNS
    );
    let rows: Vec<InPack> = sqlx::query_as(&statement)
        .bind(leaf.day)
        .bind(first)
        .bind(last)
        .fetch_all(connection)
        .await?;
    let mut made: HashMap<(i32, i16), Vec<Row>> = HashMap::default();
    for InPack { segment, part, row } in rows {
        made.entry((segment, part)).or_default().push(row);
    }
    let holds = |head: &Head| {
        let place = (head.segment, head.part);
        let made = made.get(&place).map(|rows| Head::of(place, &rows[0], rows));
        let is_short = head.last_at - head.first_at <= TimeDelta::milliseconds(SPAN_MS);
        is_short && made.as_ref() == Some(head)
    };
    let lost = heads.iter().filter(|head| !holds(head)).map(|head| head.segment).collect();
    for ((segment, _), rows) in made {
        found.entry(segment).or_default().extend(rows);
    }
    Ok((found, lost))
}

/// Whether there are packs of segments that come later, or of none.
pub(super) async fn strays(
    connection: &mut PgConnection,
    leaf: LeafName,
    last: i32,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM log.security_audit_packs
                        WHERE day = $1 AND (segment > $2 OR segment < 1))",
    )
    .bind(leaf.day)
    .bind(last)
    .fetch_one(connection)
    .await
}
