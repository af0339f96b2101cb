//! Clients: what a client says of itself is the same from entry to entry, so it is sealed once for a partition,
//! in the first entry that has it, and others refer to that one (ADR 23).

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Entry, Person, sealing::Indexes};
use crate::vault::Key;

/// Clients that a process remembers.
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

/// Clients of which something was written that is there.
pub(super) struct Clients {
    key: Zeroizing<[u8; 32]>,
    sealed: HashMap<ClientHash, Client>,
}

impl Default for Clients {
    fn default() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a key of this process alone")]
        let key = Zeroizing::new(rand::random());
        Self { key, sealed: HashMap::default() }
    }
}

impl Clients {
    /// `scratch` is a buffer that is used from entry to entry; what is in it does not matter.
    pub(super) fn hash(
        &self,
        person: &Person,
        leaf: &Key,
        user: Option<&Key>,
        scratch: &mut Zeroizing<Vec<u8>>,
    ) -> ClientHash {
        scratch.clear();
        scratch.extend_from_slice(self.key.as_ref());
        // With another key for the same partition or person, it is another client.
        scratch.extend_from_slice(leaf.as_ref());
        let mut part = |part: Option<&[u8]>| match part {
            Some(part) => {
                scratch.extend_from_slice(&(part.len() as u64 + 1).to_be_bytes());
                scratch.extend_from_slice(part);
            }
            None => scratch.extend_from_slice(&[0; 8]),
        };
        part(user.map(|key| key.as_slice()));
        part(person.session.as_ref().map(|session| session.as_bytes().as_slice()));
        let address = person.ip.map(|address| match address.to_canonical() {
            std::net::IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            std::net::IpAddr::V6(address) => address.octets(),
        });
        part(address.as_ref().map(<[u8; 16]>::as_slice));
        part(person.kind.as_deref().map(str::as_bytes));
        for text in [&person.user_agent, &person.referrer, &person.headers] {
            part(text.as_deref().map(str::as_bytes));
        }
        let hash: [u8; 32] = Sha256::digest(scratch.as_slice()).into();
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
