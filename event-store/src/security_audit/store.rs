//! The table: entries are written in groups, each leaf's as a segment of its chain.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use agora_service::geoip::Countries;
use chrono::NaiveDate;
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, error::DatabaseError, pool::PoolConnection,
};
use uuid::Uuid;

use super::{
    AuditError, Entry,
    chain::{self, EntryHash},
    clients::Clients,
    marks::Marks,
    packs,
    row::{Made, copy, insert_missing},
    sealing::{Keys, LeafName, Sealed},
};
use crate::{Vault, vault::Key};

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
    New,
    /// Those that are not there yet.
    Missing,
}

/// Entries that are written together, with what is sealed of them.
struct SealedGroup<'e> {
    entries: &'e [Entry],
    sealed: Sealed,
    /// What its references are of: see [`Known`].
    history: u64,
    /// The places of each leaf's entries.
    leaves: BTreeMap<LeafName, Vec<usize>>,
}

impl<'e> SealedGroup<'e> {
    fn new(entries: &'e [Entry], sealed: Sealed, history: u64) -> Self {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        // In the order of the primary key, each goes behind the one before it without a search.
        order.sort_unstable_by_key(|place| (entries[*place].recorded_at, entries[*place].log_id));
        let mut leaves: BTreeMap<LeafName, Vec<usize>> = BTreeMap::new();
        for place in order {
            leaves.entry(LeafName::of(&entries[place])).or_default().push(place);
        }
        Self { entries, sealed, history, leaves }
    }

    /// Made one by one: thousands of rows of 400 bytes are no longer in the processor's cache when they are sent.
    fn rows<'g>(&'g self, places: &'g [usize]) -> impl Iterator<Item = Made<'g>> {
        places.iter().map(|place| Made::of(&self.entries[*place], &self.sealed.entries[*place]))
    }
}

/// What a segment's MAC is made of, and what is to be marked of its rows.
#[derive(Default)]
struct Seen {
    hashes: Vec<EntryHash>,
    known: Arc<Marks>,
    marks: Marks,
    scratch: Vec<u8>,
}

impl Seen {
    /// One that is written, or was there already.
    fn add(&mut self, row: &Made<'_>, is_new: bool) {
        if is_new {
            self.hashes.push(chain::entry_hash(row, &mut self.scratch));
        }
        self.marks.add_unknown(row, &self.known);
    }
}

/// Marks that a process remembers to have been written.
const MARKS_MAX: usize = 100_000;

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
    marks: BTreeMap<LeafName, Arc<Marks>>,
    clients: Clients,
    /// Counts how often it turned out that another database has taken the place of the one that was known.
    history: u64,
}

impl Known {
    fn remember(&mut self, written: Vec<Written>, group: SealedGroup<'_>) {
        if group.history == self.history {
            self.clients.extend(group.sealed.clients);
        }
        if self.marks.values().map(|marks| marks.len()).sum::<usize>() > MARKS_MAX {
            self.marks.clear();
        }
        for Written { leaf, end, marks } in written {
            // Numbers only grow, whoever comes first with them.
            if self.ends.get(&leaf).is_none_or(|seen| seen.0 <= end.0) {
                self.ends.insert(leaf, end);
            }
            Arc::make_mut(self.marks.entry(leaf).or_default()).extend(marks);
        }
    }

    /// Nothing that may have been in a database that was replaced.
    fn forget_what_is_there(&mut self) {
        self.days.clear();
        self.marks.clear();
        self.clients.forget();
        self.history += 1;
    }
}

/// Why a group was not written.
#[derive(Debug, thiserror::Error)]
enum NotWritten {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// It refers to entries that may not be there: the database has another history than the one that this
    /// process knows.
    #[error("the database was replaced")]
    OtherHistory,
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

    /// Writes entries that are new, in one transaction. A group that is there already, as it is, stays so; who
    /// may have written some of it before uses [`Self::write_again`].
    ///
    /// # Errors
    /// Where the database or the vault cannot be used. Then none was written, or they were before.
    pub async fn write(&self, entries: &[Entry]) -> Result<(), AuditError> {
        self.write_by(Way::New, entries).await
    }

    /// As [`Self::write`], for who may have written some of them before; these stay as they are.
    pub async fn write_again(&self, entries: &[Entry]) -> Result<(), AuditError> {
        self.write_by(Way::Missing, entries).await
    }

    async fn write_by(&self, mut way: Way, entries: &[Entry]) -> Result<(), AuditError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut keys = Keys::find(&self.vault, entries).await?;
        let (mut prepared_anew, mut refers) = (false, true);
        loop {
            let group = self.seal(&mut keys, entries, refers && way == Way::New);
            self.prepare(group.leaves.keys()).await?;
            let error = match self.write_group(group, way).await {
                Ok(()) => return Ok(()),
                Err(NotWritten::OtherHistory) => {
                    refers = false;
                    continue;
                }
                Err(NotWritten::Database(error)) => error,
            };
            match error.as_database_error().and_then(DatabaseError::code).as_deref() {
                Some(UNIQUE_VIOLATION) if way == Way::New => way = Way::Missing,
                // No such partition: its retention is over and it was dropped meanwhile, or a restored
                // database has none yet.
                Some(CHECK_VIOLATION) if !prepared_anew => {
                    self.known().forget_what_is_there();
                    prepared_anew = true;
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// Where some may be there already, these may refer to others themselves: then none `refers` to any.
    fn seal<'e>(&self, keys: &mut Keys, entries: &'e [Entry], refers: bool) -> SealedGroup<'e> {
        let known = self.known();
        let sealed = keys.seal(entries, &self.countries, refers.then_some(&known.clients));
        SealedGroup::new(entries, sealed, known.history)
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

    async fn write_group(&self, group: SealedGroup<'_>, way: Way) -> Result<(), NotWritten> {
        let mut connection = Whole { connection: self.pool.acquire().await?, is_whole: false };
        let written = self.write_on(&mut connection.connection, &group, way).await;
        connection.is_whole = true;
        self.known().remember(written?, group);
        Ok(())
    }

    async fn write_on(
        &self,
        connection: &mut PgConnection,
        group: &SealedGroup<'_>,
        way: Way,
    ) -> Result<Vec<Written>, NotWritten> {
        let mut transaction = connection.begin().await?;
        let mut written = Vec::with_capacity(group.leaves.len());
        // In one order for all writers, since the end of each chain is held until the commit.
        for leaf in group.leaves.keys() {
            written.push(self.write_leaf(&mut transaction, group, *leaf, way).await?);
        }
        transaction.commit().await?;
        Ok(written)
    }

    /// Writes a leaf's rows as its next segment.
    async fn write_leaf(
        &self,
        connection: &mut PgConnection,
        group: &SealedGroup<'_>,
        leaf: LeafName,
        way: Way,
    ) -> Result<Written, NotWritten> {
        let (seen_before, seen_mac) = self.known().ends.get(&leaf).cloned().unwrap_or_default();
        let (last, total, before, now): (i32, i64, Vec<u8>, Option<Vec<u8>>) = sqlx::query_as(
            "SELECT e.number, e.total, e.mac,
                    (SELECT s.mac FROM log.security_audit_segments s
                     WHERE s.day = $2 AND s.retention_category = $1::text::log.retention_category
                       AND s.number = $3)
             FROM log.security_audit_end($1::text::log.retention_category, $2) e",
        )
        .bind(leaf.category.as_str())
        .bind(leaf.day)
        .bind(seen_before)
        .fetch_one(&mut *connection)
        .await?;
        if seen_before > 0 && (last < seen_before || now.as_ref() != Some(&seen_mac)) {
            // Another history than the one that this process knows: a backup, or a replica that was behind.
            self.known().forget_what_is_there();
        }
        if group.sealed.refers_back && group.history != self.known().history {
            return Err(NotWritten::OtherHistory);
        }
        if last < seen_before {
            metrics::counter!("agora_security_audit_truncated").increment(1);
            tracing::error!(
                leaf = leaf.subject().as_str(),
                last,
                seen = seen_before,
                "segments of the security audit log are gone from the end of a chain"
            );
        }
        // Not again a number that there was: what is missing stays missing.
        let mut number = last.max(seen_before) + 1;
        let rows = group.rows(&group.leaves[&leaf]);
        let mut seen = Seen { known: self.known_marks(leaf), ..Seen::default() };
        match (way, packs::are_of(leaf)) {
            (Way::New, true) => {
                let packs = packs::of(number, rows.inspect(|row| seen.add(row, true)));
                packs::insert(connection, leaf, &packs).await?;
            }
            (Way::New, false) => {
                copy(connection, number, rows.inspect(|row| seen.add(row, true))).await?;
            }
            (Way::Missing, true) => {
                let mut rows: Vec<Made<'_>> = rows.collect();
                let there = packs::there(connection, leaf, &rows).await?;
                // Should packs be there of which the chain does not know, their numbers stay theirs.
                number = number.max(packs::last_segment(connection, leaf).await? + 1);
                let is_new = |row: &Made<'_>| !there.contains(&row.log_id);
                rows.iter().for_each(|row| seen.add(row, is_new(row)));
                rows.retain(is_new);
                packs::insert(connection, leaf, &packs::of(number, rows.into_iter())).await?;
            }
            (Way::Missing, false) => {
                let rows: Vec<Made<'_>> = rows.collect();
                let new = insert_missing(connection, number, &rows).await?;
                let new: HashSet<Uuid> = new.into_iter().collect();
                rows.iter().for_each(|row| seen.add(row, new.contains(&row.log_id)));
            }
        }
        // Once rows are written, which keeps the leaf from being dropped, and while the end of its chain is
        // held, so that no two writers wait for each other's marks.
        let marks = seen.marks;
        marks.insert(connection, leaf).await?;
        if seen.hashes.is_empty() {
            let end = if last < seen_before { (seen_before, seen_mac) } else { (last, before) };
            return Ok(Written { leaf, end, marks });
        }
        let entries = i32::try_from(seen.hashes.len()).unwrap_or(i32::MAX);
        let total = total + i64::from(entries);
        let mac = chain::mac(&self.chain_key, leaf, (number, total), &before, seen.hashes);
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

    /// Those that this process has written, or found.
    fn known_marks(&self, leaf: LeafName) -> Arc<Marks> {
        let known = leaf.is_young().then(|| self.known().marks.get(&leaf).cloned());
        known.flatten().unwrap_or_default()
    }
}
