//! The chain of a leaf: what was written together, with a MAC over it and over what came before. An entry
//! that is gone or was changed, and a group that is missing from the middle, break it (SAL-11).
//!
//! Groups that are missing from its end are noticed by who writes: each writer knows what it has seen last.
//! What was cut off while nobody wrote shows only against a copy that is kept elsewhere.

use std::collections::HashMap;

use agora_domain::security::audit::RetentionCategory;
use chrono::NaiveDate;
use foldhash::HashSet;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use sqlx::{FromRow, PgConnection, PgPool, Row as _};
use uuid::Uuid;

use super::{
    Row,
    clients::{self, SealedIn},
    marks::Marks,
    packs,
    sealing::LeafName,
};
use crate::vault::{Key, MasterKeys};

/// Groups that one look goes through at most.
pub const SEGMENTS_MAX: i64 = 500;

/// Groups whose entries are asked for at once: what was written a moment ago is in no index by segments yet, and
/// is looked through each time.
const SEGMENTS_AT_ONCE: i32 = 20;

const NOT_FOUND: &str = "there are entries that searches do not find";

/// What was found in a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The last segment that was looked at; 0 where there is none.
    pub segment: i32,
    /// The entries in the segments that were looked at, and up to there.
    pub entries: i64,
    pub total: i64,
    /// Whether there are more segments.
    pub goes_on: bool,
    /// The first segment that does not hold, and why.
    pub broken: Option<(i32, &'static str)>,
}

/// The key of chains: in no database.
pub fn key(masters: &MasterKeys) -> Key {
    masters.derive("security-audit/chain")
}

pub(super) type EntryHash = [u8; 32];

/// The MAC of a segment of so many entries, in whatever order they are read.
pub(super) fn mac(
    key: &Key,
    leaf: LeafName,
    (number, total): (i32, i64),
    before: &[u8],
    mut entries: Vec<EntryHash>,
) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_ref())
        .expect("HMAC takes keys of any length");
    let place = format!("agora/security-audit/segment/v1,{},{number},{total},", leaf.subject());
    mac.update(place.as_bytes());
    mac.update(&(before.len() as u64).to_be_bytes());
    mac.update(before);
    entries.sort_unstable();
    mac.update(entries.as_flattened());
    mac.finalize().into_bytes().into()
}

/// SHA-256 over everything that is stored of an entry, each part with its length. Of one that refers to another
/// (ADR 23) it is of the second version, which has the reference behind all else. `scratch` is a buffer that is
/// used from entry to entry; what is in it does not matter.
pub(super) fn entry_hash<T: AsRef<str>, B: AsRef<[u8]>>(
    row: &Row<T, B>,
    scratch: &mut Vec<u8>,
) -> EntryHash {
    let refers = row.sealed_in_recorded_at.is_some() || row.sealed_in_log_id.is_some();
    scratch.clear();
    scratch.extend_from_slice(match refers {
        false => b"agora/security-audit/entry/v1,",
        true => b"agora/security-audit/entry/v2,",
    });
    scratch.extend_from_slice(row.log_id.as_bytes());
    scratch.extend_from_slice(&row.recorded_at.timestamp_micros().to_be_bytes());
    let mut text = |text: Option<&[u8]>| match text {
        Some(text) => {
            scratch.extend_from_slice(&(text.len() as u64 + 1).to_be_bytes());
            scratch.extend_from_slice(text);
        }
        None => scratch.extend_from_slice(&0_u64.to_be_bytes()),
    };
    for word in [&row.retention_category, &row.event_type, &row.event_result] {
        text(Some(word.as_ref().as_bytes()));
    }
    for part in [&row.endpoint, &row.http_method] {
        text(part.as_ref().map(|it| it.as_ref().as_bytes()));
    }
    text(row.threat_indicators.as_deref().map(str::as_bytes));
    text(row.metadata.as_ref().map(|it| it.as_ref().as_bytes()));
    text(row.payload_hash.as_ref().map(AsRef::as_ref));
    text(row.sealed.as_ref().map(AsRef::as_ref));
    text(row.case_id.as_ref().map(|id| id.as_bytes().as_slice()));
    let numbers = [
        row.user_key,
        row.ip_key,
        row.session_key,
        row.response_code.map(i64::from),
        row.request_size_bytes,
        row.response_size_bytes,
        row.processing_time_ms.map(i64::from),
        row.risk_score.map(i64::from),
    ];
    for number in numbers {
        text(number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }
    if refers {
        let at = row.sealed_in_recorded_at.map(|at| at.timestamp_micros().to_be_bytes());
        text(at.as_ref().map(<[u8; 8]>::as_slice));
        text(row.sealed_in_log_id.as_ref().map(|id| id.as_bytes().as_slice()));
    }
    Sha256::digest(&scratch).into()
}

/// Goes through the chain of a leaf after a segment, at most [`SEGMENTS_MAX`] of them; as it is at one
/// moment, since what a writer adds meanwhile would look like entries of no segment.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn verify(
    pool: &PgPool,
    key: &Key,
    day: NaiveDate,
    category: RetentionCategory,
    after: i32,
) -> Result<Verdict, sqlx::Error> {
    let mut at_once = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let leaf = LeafName { day, category };
    let segments = sqlx::query(
        "SELECT number, entries, total, mac FROM log.security_audit_segments
         WHERE day = $1 AND retention_category = $2::text::log.retention_category AND number >= $3
         ORDER BY number LIMIT $4",
    )
    .bind(day)
    .bind(category.as_str())
    .bind(after)
    .bind(SEGMENTS_MAX + 2)
    .fetch_all(&mut *at_once)
    .await?;
    let mut verdict =
        Verdict { segment: after, entries: 0, total: 0, goes_on: false, broken: None };
    let (mut before, mut marks, mut referred): (Vec<u8>, Marks, HashSet<SealedIn>) =
        Default::default();
    let (mut scratch, mut lost) = (Vec::new(), HashSet::default());
    let mut ids: HashSet<Uuid> = HashSet::default();
    let (mut asked, mut found): (i32, HashMap<i32, Vec<Row>>) = (after, HashMap::new());
    for (index, segment) in segments.iter().enumerate() {
        let number: i32 = segment.try_get("number")?;
        let (entries, total): (i32, i64) = (segment.try_get("entries")?, segment.try_get("total")?);
        let stored: Vec<u8> = segment.try_get("mac")?;
        if number == after {
            (verdict.total, before) = (total, stored);
            continue;
        }
        if index as i64 > SEGMENTS_MAX {
            verdict.goes_on = true;
            break;
        }
        let fault = if number != verdict.segment + 1 {
            Some("a segment is missing before it")
        } else {
            if number > asked {
                asked = number.saturating_add(SEGMENTS_AT_ONCE - 1);
                // In this order, as they are made (`log.prepare_security_audit`).
                let packed;
                (packed, lost) = packs::of_segments(&mut at_once, leaf, number, asked).await?;
                found = rows_of(&mut at_once, leaf, number, asked).await?;
                for (segment, rows) in packed {
                    found.entry(segment).or_default().extend(rows);
                }
            }
            let rows = found.remove(&number).unwrap_or_default();
            rows.iter().for_each(|row| marks.add(row));
            let hashes = rows.iter().map(|row| entry_hash(row, &mut scratch)).collect();
            let made = mac(key, leaf, (number, total), &before, hashes);
            referred.extend(rows.iter().filter_map(Row::sealed_in));
            let count = rows.len() as i64;
            if count != i64::from(entries) || total != verdict.total + count {
                Some("its entries are not as many as were written")
            } else if made.as_slice() != stored {
                Some("an entry, or what is said of the segment, was changed")
            } else if !rows.iter().all(|row| ids.insert(row.log_id)) {
                Some("an entry is there twice")
            } else if lost.contains(&number) {
                Some(NOT_FOUND)
            } else {
                None
            }
        };
        if let Some(fault) = fault {
            verdict.broken = Some((number, fault));
            return Ok(verdict);
        }
        verdict.segment = number;
        verdict.entries += i64::from(entries);
        (verdict.total, before) = (total, stored);
    }
    if !verdict.goes_on && strays(&mut at_once, leaf, verdict.segment).await? {
        verdict.broken =
            Some((verdict.segment.saturating_add(1), "there are entries of no segment"));
    }
    if verdict.broken.is_none() && marks.is_any_missing(&mut at_once, leaf).await? {
        verdict.broken = Some((verdict.segment, NOT_FOUND));
    }
    if verdict.broken.is_none() && clients::is_any_missing(&mut at_once, leaf, referred).await? {
        let fault = "there are entries that refer to one in which their client is not sealed";
        verdict.broken = Some((verdict.segment, fault));
    }
    Ok(verdict)
}

#[derive(FromRow)]
struct InSegment {
    segment: i32,
    #[sqlx(flatten)]
    row: Row,
}

/// The entries of some segments, by their numbers.
async fn rows_of(
    connection: &mut PgConnection,
    leaf: LeafName,
    first: i32,
    last: i32,
) -> Result<HashMap<i32, Vec<Row>>, sqlx::Error> {
    let statement = format!(
        "SELECT segment, {} FROM log.security_audit
         WHERE retention_category = '{}' AND recorded_at >= $1 AND recorded_at < $2
           AND segment BETWEEN $3 AND $4",
        super::row::COLUMNS,
        leaf.category.as_str()
    );
    let (start, end) = bounds(leaf.day);
    let rows: Vec<InSegment> = sqlx::query_as(&statement)
        .bind(start)
        .bind(end)
        .bind(first)
        .bind(last)
        .fetch_all(connection)
        .await?;
    let mut found: HashMap<i32, Vec<Row>> = HashMap::new();
    for InSegment { segment, row } in rows {
        found.entry(segment).or_default().push(row);
    }
    Ok(found)
}

/// Whether there are entries of segments that come later, or of none.
async fn strays(
    connection: &mut PgConnection,
    leaf: LeafName,
    last: i32,
) -> Result<bool, sqlx::Error> {
    let statement = format!(
        "SELECT EXISTS (SELECT FROM log.security_audit
         WHERE retention_category = '{}' AND recorded_at >= $1 AND recorded_at < $2
           AND (segment > $3 OR segment < 1))",
        leaf.category.as_str()
    );
    let (start, end) = bounds(leaf.day);
    let asked = sqlx::query_scalar(&statement).bind(start).bind(end).bind(last);
    Ok(asked.fetch_one(&mut *connection).await?
        || packs::are_of(leaf) && packs::strays(connection, leaf, last).await?)
}

/// From when to when a day is.
pub fn bounds(day: NaiveDate) -> (chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>) {
    let start = day.and_time(chrono::NaiveTime::MIN).and_utc();
    (start, start + chrono::TimeDelta::days(1))
}

#[cfg(test)]
mod tests;
