//! Searches of entries that stand in packs (ADR 24): the heads of packs that may hold something first, the newest
//! before the others, then what is in them, until there is enough.

use std::collections::VecDeque;

use agora_event_store::security_audit::{
    Row,
    packs::{self, SPAN_MS},
};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Leaf, Search};
use crate::rows::PlaceInTime;

/// Packs that are opened together: at first where nearly all hold something and where few entries of each do, and
/// at most. Each next time it is four times as many.
const AT_ONCE: usize = 4;
const AT_ONCE_OF_FEW: usize = 16;
const AT_ONCE_MAX: usize = 1_024;

/// Packs that have a track or a kind are found by a bitmap.
const BITMAPS: &str = "SELECT set_config('enable_bitmapscan', $1, true)";

/// The newest of some rows, in the order of a page.
pub(super) fn newest(mut rows: Vec<Row>, limit: usize) -> Vec<Row> {
    rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.recorded_at, row.log_id)));
    rows.truncate(limit);
    rows
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
        // With a condition all of a leaf's packs that have it are found first, and then brought into order.
        let apart = if is_by_time { "" } else { "OFFSET 0" };
        let heads_of = format!(
            "SELECT first_at, first_log_id FROM (
                 SELECT first_at, first_log_id FROM log.security_audit_packs p
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
        let (mut found, mut at_once) =
            (Vec::new(), if is_by_time { AT_ONCE } else { AT_ONCE_OF_FEW });
        // One that begins later than that place holds nothing before it.
        let mut next = (before.0, Uuid::max());
        // Where they are found by a bitmap, that is made for many at once.
        let (mut heads, mut is_all) = (VecDeque::new(), false);
        loop {
            if heads.is_empty() && !is_all {
                let asked = if is_by_time { at_once } else { AT_ONCE_MAX };
                let more: Vec<(DateTime<Utc>, Uuid)> = sqlx::query_as(&heads_of)
                    .persistent(false)
                    .bind(self.from)
                    .bind(self.to)
                    .bind(next.0)
                    .bind(next.1)
                    .bind(asked as i64)
                    .fetch_all(&mut *connection)
                    .await?;
                is_all = more.len() < asked;
                heads = more.into();
            }
            let opened = heads.drain(..at_once.min(heads.len())).collect::<Vec<_>>();
            let Some(last) = opened.last().copied() else { return Ok(found) };
            let (times, ids): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
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
            // What is in earlier packs is no later than this.
            let rest = last.0 + TimeDelta::milliseconds(SPAN_MS);
            if found.len() >= limit && found[limit - 1].recorded_at > rest {
                return Ok(found);
            }
            (next, at_once) = (last, (4 * at_once).min(AT_ONCE_MAX));
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
