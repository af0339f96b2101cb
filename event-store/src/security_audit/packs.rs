//! Packs: the entries that are kept for operations, nearly all of which are accesses, stand together as they were
//! written: one row of the database, an array for each of its columns, instead of a row and entries of indexes for
//! each (ADR 24, ADR 25).

use agora_domain::security::audit::{AuditEventType, AuditResult, RetentionCategory};
use chrono::{DateTime, TimeDelta, Utc};
use foldhash::{HashMap, HashSet};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use self::columns::Columns;
use super::{
    Row,
    chain::bounds,
    marks::{kind, track},
    row::Made,
    sealing::LeafName,
};

mod columns;

/// Entries of one pack at most: who looks for one of them reads all.
const ENTRIES_MAX: usize = 500;
/// The longest time between its first and its last entry, in milliseconds. Who looks for a moment, or goes back
/// from one, knows by it which packs may hold something.
pub const SPAN_MS: i64 = 250;

/// Whether the entries of a leaf are written in packs. Those that were written before ADR 24 are not.
pub fn are_of(leaf: LeafName) -> bool {
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
    /// In their order, each once.
    found_by: Vec<i64>,
}

impl Head {
    /// Of a pack whose first entry this is.
    fn of<T: AsRef<str>, B>((segment, part): (i32, i16), first: &Row<T, B>) -> Self {
        let found_by = numbers(first).collect();
        let (first_at, first_log_id) = (first.recorded_at, first.log_id);
        Self { segment, part, first_at, first_log_id, last_at: first_at, found_by }
    }

    /// The next entry of it, in the order of their times and ids.
    fn add<T: AsRef<str>, B>(&mut self, row: &Row<T, B>) {
        self.last_at = row.recorded_at;
        self.found_by.extend(numbers(row));
    }

    /// As it is stored, once all entries are added.
    fn ended(mut self) -> Self {
        self.found_by.sort_unstable();
        self.found_by.dedup();
        self
    }

    /// Whether an entry may still be in it.
    fn reaches(&self, at: DateTime<Utc>) -> bool {
        at - self.first_at <= TimeDelta::milliseconds(SPAN_MS)
    }
}

/// A pack that is to be written.
pub(super) struct Pack<'e> {
    head: Head,
    columns: Columns<'e>,
}

/// Makes rows of a leaf, in the order of their times and ids, the packs of a segment.
pub(super) fn of<'e>(segment: i32, rows: impl Iterator<Item = Made<'e>>) -> Vec<Pack<'e>> {
    let (mut rows, mut packs) = (rows.peekable(), Vec::new());
    for part in 0.. {
        let Some(first) = rows.next() else { break };
        let mut head = Head::of((segment, part), &first);
        let mut columns = Columns::with_capacity(ENTRIES_MAX.min(1 + rows.size_hint().0));
        columns.push(first);
        while columns.len() < ENTRIES_MAX
            && let Some(row) = rows.next_if(|row| head.reaches(row.recorded_at))
        {
            head.add(&row);
            columns.push(row);
        }
        packs.push(Pack { head: head.ended(), columns });
    }
    packs
}

/// Writes packs of a leaf.
pub(super) async fn insert(
    connection: &mut PgConnection,
    leaf: LeafName,
    packs: &[Pack<'_>],
) -> Result<(), sqlx::Error> {
    for Pack { head, columns } in packs {
        columns.insert(connection, leaf.day, head).await?;
    }
    Ok(())
}

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
    sqlx::query_as(&format!(
        "WITH asked AS MATERIALIZED (
             SELECT * FROM unnest($4::timestamptz[], $5::uuid[]) AS w (recorded_at, log_id))
         SELECT e.recorded_at, e.log_id, e.sealed
         FROM unnest($2::timestamptz[], $3::timestamptz[]) AS s (from_at, to_at)
         CROSS JOIN LATERAL (
             SELECT recorded_at, log_id, sealed FROM log.security_audit_packed
             WHERE day = $1 AND last_at >= s.from_at
               AND first_at BETWEEN s.from_at - interval '{SPAN_MS} milliseconds' AND s.to_at OFFSET 0) e
         WHERE (e.recorded_at, e.log_id) IN (SELECT recorded_at, log_id FROM asked)"
    ))
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

/// A pack that is there, and what the database says of how much is in it.
#[derive(FromRow)]
struct Stored {
    #[sqlx(flatten)]
    head: Head,
    entries: i32,
    /// Whether each of its acts is some entry's.
    has_no_other_act: bool,
}

impl Stored {
    /// Whether it has these entries, and nothing else.
    fn holds(&self, rows: &[Row]) -> bool {
        let Some(first) = rows.first() else { return false };
        let mut made = Head::of((self.head.segment, self.head.part), first);
        rows[1..].iter().for_each(|row| made.add(row));
        self.head.reaches(self.head.last_at)
            && made.ended() == self.head
            && usize::try_from(self.entries) == Ok(rows.len())
            && self.has_no_other_act
    }
}

/// An entry of a pack, and which.
#[derive(FromRow)]
struct InPack {
    segment: i32,
    part: i16,
    #[sqlx(flatten)]
    row: Row,
}

/// The entries of some segments' packs, and the segments of which some are not found by what they are, or in whose
/// packs is something else, too.
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
    let stored: Vec<Stored> = sqlx::query_as(
        "SELECT segment, part, first_at, first_log_id, last_at, found_by,
                coalesce(cardinality(log_ids), cardinality(entries)) AS entries,
                acts IS NULL OR cardinality(acts) =
                    (SELECT count(DISTINCT number) FROM unnest(act_numbers) number) AS has_no_other_act
         FROM log.security_audit_packs WHERE day = $1 AND segment BETWEEN $2 AND $3",
    )
    .bind(leaf.day)
    .bind(first)
    .bind(last)
    .fetch_all(&mut *connection)
    .await?;
    let statement = format!(
        "SELECT segment, part, {} FROM log.security_audit_packed
         WHERE day = $1 AND segment BETWEEN $2 AND $3 ORDER BY recorded_at, log_id",
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
    let holds = |pack: &Stored| {
        made.get(&(pack.head.segment, pack.head.part)).is_some_and(|rows| pack.holds(rows))
    };
    let lost = stored.iter().filter(|pack| !holds(pack)).map(|pack| pack.head.segment).collect();
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
