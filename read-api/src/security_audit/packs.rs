//! Searches of entries that stand in packs (ADR 24): the heads of packs that may hold something first, the newest
//! before the others, then what is in them, until there is enough.

use std::collections::VecDeque;

use agora_event_store::security_audit::{
    Row,
    packs::{self, SPAN_MS},
};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{Leaf, Search};
use crate::rows::PlaceInTime;

/// Packs that are opened first where each holds few of what is asked for.
const AT_ONCE_OF_FEW: usize = 16;
/// Heads that are read at first beyond those that a page needs at most, where nothing but time says which packs may
/// hold something: enough to see that no other pack matters. Each next time it is four times as many, up to the most
/// that are read at once.
const HEADS_BEYOND: usize = 32;
const HEADS_MAX: usize = 1_024;
/// From the first entry of a pack to its last one, at most.
const SPAN: TimeDelta = TimeDelta::milliseconds(SPAN_MS);

/// Packs that have a track or a kind are found by a bitmap.
const BITMAPS: &str = "SELECT set_config('enable_bitmapscan', $1, true)";

/// The newest of some rows, in the order of a page.
pub(super) fn newest(mut rows: Vec<Row>, limit: usize) -> Vec<Row> {
    rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.recorded_at, row.log_id)));
    rows.truncate(limit);
    rows
}

/// What stands beside the entries of a pack.
#[derive(FromRow)]
struct Head {
    first_at: DateTime<Utc>,
    first_log_id: Uuid,
    last_at: DateTime<Utc>,
    /// About how many entries of it are asked for.
    expected: i32,
}

impl Search {
    /// The newest entries before a place in the packs of some leaves, of which the newest day is first.
    pub(super) async fn packed(
        &self,
        connection: &mut PgConnection,
        leaves: &[Leaf],
        before: PlaceInTime,
        limit: usize,
        user_key: Option<i64>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let mut found = Vec::new();
        if !leaves.iter().any(|leaf| packs::are_of(leaf.name)) {
            return Ok(found);
        }
        sqlx::query(BITMAPS).bind("on").execute(&mut *connection).await?;
        for leaf in leaves {
            if found.len() >= limit {
                break;
            }
            let missing = limit - found.len();
            found.extend(self.packed_in(connection, leaf, before, missing, user_key).await?);
        }
        sqlx::query(BITMAPS).bind("off").execute(connection).await?;
        Ok(found)
    }

    async fn packed_in(
        &self,
        connection: &mut PgConnection,
        leaf: &Leaf,
        before: PlaceInTime,
        limit: usize,
        user_key: Option<i64>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        if !packs::are_of(leaf.name) {
            return Ok(Vec::new());
        }
        let found_by = leaf.found_by();
        let is_by_time = found_by.is_empty();
        // With a condition all of a leaf's packs that have it are found first, and then brought into order. Where that
        // is made by a bitmap, it is made for many at once.
        let (apart, mut asked) =
            if is_by_time { ("", limit + HEADS_BEYOND) } else { ("OFFSET 0", HEADS_MAX) };
        // Of all entries a pack has as many as it has; of a pack of records that is not known unless it is read.
        let is_of_all = is_by_time && self.user.is_none() && !self.is_by_leaf();
        let (expected, mut wanted) = if is_of_all {
            ("coalesce(cardinality(act_numbers), 100)", limit)
        } else {
            ("1", AT_ONCE_OF_FEW)
        };
        let heads_of = format!(
            "SELECT * FROM (
                 SELECT first_at, first_log_id, last_at, {expected} AS expected
                 FROM log.security_audit_packs p
                 WHERE day = '{}' AND first_at <= $3 AND (first_at, first_log_id) < ($3, $4)
                   AND ($1::timestamptz IS NULL OR first_at >= $1 - interval '{SPAN_MS} milliseconds')
                   AND ($2::timestamptz IS NULL OR first_at < $2) {found_by} {apart}) p
             ORDER BY first_at DESC, first_log_id DESC LIMIT $5",
            leaf.name.day
        );
        let entries_of = format!(
            "SELECT {} FROM unnest($7::timestamptz[], $8::uuid[]) AS w (first_at, first_log_id)
             CROSS JOIN LATERAL (
                 SELECT * FROM log.security_audit_packed e
                 WHERE e.day = '{}' AND e.first_at = w.first_at AND e.first_log_id = w.first_log_id
                   AND {}{}{} OFFSET 0) e
             ORDER BY recorded_at DESC, log_id DESC LIMIT $5",
            Row::COLUMNS,
            leaf.name.day,
            self.conditions(),
            leaf.keys(),
            self.kind()
        );
        let mut found: Vec<Row> = Vec::new();
        // One that begins later than that place holds nothing before it.
        let mut next = (before.0, Uuid::max());
        let (mut heads, mut is_all) = (VecDeque::new(), false);
        loop {
            if heads.is_empty() {
                if is_all {
                    return Ok(found);
                }
                let more: Vec<Head> = sqlx::query_as(&heads_of)
                    .persistent(false)
                    .bind(self.from)
                    .bind(self.to)
                    .bind(next.0)
                    .bind(next.1)
                    .bind(asked as i64)
                    .fetch_all(&mut *connection)
                    .await?;
                is_all = more.len() < asked;
                next = more.last().map_or(next, |head| (head.first_at, head.first_log_id));
                asked = (4 * asked).min(HEADS_MAX);
                heads = more.into();
            }
            // Once there are enough, only what is as late as the last of them matters.
            let last = found.get(limit - 1).map(|row| row.recorded_at);
            let (mut times, mut ids, mut expected) = (Vec::new(), Vec::new(), 0);
            while expected < wanted
                && let Some(head) = heads.pop_front()
            {
                if last.is_some_and(|last| head.first_at + SPAN < last) {
                    // Nor is anything in earlier ones.
                    heads.clear();
                    is_all = true;
                } else if last.is_none_or(|last| head.last_at >= last) {
                    times.push(head.first_at);
                    ids.push(head.first_log_id);
                    expected += usize::try_from(head.expected).unwrap_or(0);
                }
            }
            if times.is_empty() {
                continue;
            }
            let entries: Vec<Row> = sqlx::query_as(&entries_of)
                .persistent(false)
                .bind(self.from)
                .bind(self.to)
                .bind(before.0)
                .bind(before.1)
                .bind(limit as i64)
                .bind(user_key)
                .bind(times)
                .bind(ids)
                .fetch_all(&mut *connection)
                .await?;
            found.extend(entries);
            found = newest(found, limit);
            wanted = wanted.saturating_mul(4);
        }
    }
}

/// The statement for an entry of about a time, `$1`, on the day `$3`, by its id, `$2`.
pub(super) fn by_id() -> String {
    let columns = Row::COLUMNS;
    let of_time =
        "recorded_at >= $1 AND recorded_at < $1 + interval '1 millisecond' AND log_id = $2";
    format!(
        "SELECT {columns} FROM log.security_audit WHERE {of_time}
         UNION ALL
         SELECT {columns} FROM log.security_audit_packed
         WHERE day = $3 AND first_at >= $1 - interval '{SPAN_MS} milliseconds'
           AND first_at < $1 + interval '1 millisecond' AND last_at >= $1 AND {of_time}"
    )
}
