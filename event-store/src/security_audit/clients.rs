//! Clients: what a client says of itself is the same from entry to entry, so it is sealed once for a partition,
//! in the first entry that has it, and others refer to that one (ADR 23).

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashSet};
use sha2::{Digest as _, Sha256};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{
    Entry, Person, Row, packs,
    sealing::{Indexes, LeafName},
};
use crate::vault::Key;

/// Clients that a process remembers, and those of a group.
const CLIENTS_MAX: usize = 100_000;

/// The entry in which a client is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SealedIn {
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) log_id: Uuid,
}

impl From<&Entry> for SealedIn {
    fn from(entry: &Entry) -> Self {
        Self { recorded_at: entry.recorded_at, log_id: entry.log_id }
    }
}

/// Where a client is sealed, and by what its entries are found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) indexes: Indexes,
    pub(super) sealed_in: SealedIn,
}

/// What a client says of itself, in a partition and under a person's key, as a hash under a key that is in no
/// other process: nothing of it is kept in memory.
pub(super) type ClientHash = [u8; 16];

/// Clients of which an entry is there.
pub(super) struct Clients {
    /// SHA-256 that has begun with this process's key.
    keyed: Sha256,
    sealed: HashMap<ClientHash, Client>,
}

impl Default for Clients {
    fn default() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a key of this process alone")]
        let key: [u8; 32] = rand::random();
        Self { keyed: Sha256::new_with_prefix(key), sealed: HashMap::default() }
    }
}

impl Clients {
    /// `scratch` is a buffer that is used from entry to entry; what is in it does not matter.
    pub(super) fn hash(
        &self,
        person: &Person,
        leaf: &Key,
        user: Option<&Key>,
        scratch: &mut Vec<u8>,
    ) -> ClientHash {
        scratch.clear();
        let mut part = |part: Option<&[u8]>| match part {
            Some(part) => {
                scratch.extend_from_slice(&(part.len() as u64 + 1).to_be_bytes());
                scratch.extend_from_slice(part);
            }
            None => scratch.extend_from_slice(&[0; 8]),
        };
        part(person.session.as_ref().map(|session| session.as_bytes().as_slice()));
        let address = person.ip.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        });
        part(address.as_ref().map(<[u8; 16]>::as_slice));
        part(person.kind.as_deref().map(str::as_bytes));
        for text in [&person.said.user_agent, &person.said.referrer, &person.said.headers] {
            part(text.as_deref().map(str::as_bytes));
        }
        let mut hash = self.keyed.clone();
        // With another key for the same partition or person, it is another client.
        hash.update(leaf.as_ref());
        hash.update([u8::from(user.is_some())]);
        if let Some(user) = user {
            hash.update(user.as_ref());
        }
        hash.update(scratch);
        let hash: [u8; 32] = hash.finalize().into();
        *hash.first_chunk().expect("it is longer")
    }

    pub(super) fn get(&self, hash: &ClientHash) -> Option<&Client> {
        self.sealed.get(hash)
    }

    pub(super) fn extend(&mut self, others: HashMap<ClientHash, Client>) {
        if self.sealed.len() > CLIENTS_MAX {
            self.forget();
        }
        self.sealed.extend(others);
    }

    pub(super) fn forget(&mut self) {
        self.sealed.clear();
    }
}

#[derive(FromRow)]
struct Text {
    /// Its number among those that are asked.
    leaf: i32,
    recorded_at: DateTime<Utc>,
    log_id: Uuid,
    sealed: Option<Vec<u8>>,
}

/// What is sealed in some entries.
type Texts = HashMap<(LeafName, SealedIn), Option<Vec<u8>>>;

/// The texts of some entries of each leaf, as far as they are there. The leaves have to be.
async fn texts_of(
    connection: &mut PgConnection,
    wanted: Vec<(LeafName, HashSet<SealedIn>)>,
) -> Result<Texts, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(Texts::default());
    }
    let mut texts = Texts::default();
    for (leaf, entries) in wanted.iter().filter(|(leaf, _)| packs::are_of(*leaf)) {
        let entries = entries.iter().map(|entry| (entry.recorded_at, entry.log_id)).collect();
        for found in packs::find(connection, *leaf, entries).await? {
            let sealed_in = SealedIn { recorded_at: found.recorded_at, log_id: found.log_id };
            texts.insert((*leaf, sealed_in), found.sealed);
        }
    }
    let (mut parts, mut leaves, mut times, mut ids) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (number, (leaf, entries)) in (0_i32..).zip(&wanted) {
        for SealedIn { recorded_at, log_id } in entries {
            leaves.push(number);
            times.push(*recorded_at);
            ids.push(*log_id);
        }
        // With a limit none of them is joined but by its key.
        parts.push(format!(
            "SELECT w.leaf, w.recorded_at, w.log_id, e.sealed
             FROM unnest($1::integer[], $2::timestamptz[], $3::uuid[]) AS w (leaf, recorded_at, log_id)
             CROSS JOIN LATERAL (SELECT sealed FROM {} e
                                 WHERE e.recorded_at = w.recorded_at AND e.log_id = w.log_id LIMIT 1) e
             WHERE w.leaf = {number}",
            leaf.table()
        ));
    }
    let found: Vec<Text> = sqlx::query_as(&parts.join(" UNION ALL "))
        // Another statement each day.
        .persistent(false)
        .bind(leaves)
        .bind(times)
        .bind(ids)
        .fetch_all(connection)
        .await?;
    texts.extend(found.into_iter().filter_map(|Text { leaf, recorded_at, log_id, sealed }| {
        let (leaf, _) = wanted.get(usize::try_from(leaf).ok()?)?;
        Some(((*leaf, SealedIn { recorded_at, log_id }), sealed))
    }));
    Ok(texts)
}

/// Fills in what is sealed in other entries, which rows refer to. In the transaction that has found the rows, so
/// that their partitions are still there.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn fill_in(connection: &mut PgConnection, rows: &mut [Row]) -> Result<(), sqlx::Error> {
    let mut wanted: HashMap<LeafName, HashSet<SealedIn>> = HashMap::default();
    for row in rows.iter() {
        if let Some(sealed_in) = row.sealed_in() {
            wanted.entry(row.leaf()).or_default().insert(sealed_in);
        }
    }
    let texts = texts_of(connection, wanted.into_iter().collect()).await?;
    for row in rows {
        if let Some(sealed_in) = row.sealed_in() {
            row.sealed = texts.get(&(row.leaf(), sealed_in)).cloned().flatten();
        }
    }
    Ok(())
}

/// Whether some of these entries of a leaf are not there, or nothing is sealed in them.
pub(super) async fn is_any_missing(
    connection: &mut PgConnection,
    leaf: LeafName,
    entries: HashSet<SealedIn>,
) -> Result<bool, sqlx::Error> {
    if entries.is_empty() {
        return Ok(false);
    }
    let count = entries.len();
    let texts = texts_of(connection, vec![(leaf, entries)]).await?;
    Ok(texts.values().flatten().count() < count)
}
