//! What is personal in an entry, sealed, and the blind indexes by which it is found (docs/security-audit.md).
//!
//! Sealed is one text for each client of a leaf, in the first entry that has it: under the key of whoever has an
//! account, else under that of the leaf. Whose key it is stands beside it, under the leaf's key. So all entries
//! of the client are anonymous once either is gone: the person's, by an erasure, or the leaf's, with its
//! retention (SAL-08).

mod opening;

use std::{net::IpAddr, sync::Arc};

use agora_domain::{PersonalCategory, Subject, security::audit::RetentionCategory};
use agora_service::{clock, geoip::Countries};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use chrono::{DateTime, Days, NaiveDate, Utc};
use foldhash::{HashMap, HashMapExt, HashSet};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

pub use self::opening::{Opened, open};
use super::{
    Entry, Person,
    clients::{Client, ClientHash, Clients, SealedIn},
};
use crate::{
    Vault,
    vault::{Key, KeyName, MasterKeys, SubjectKey, VaultError},
};

const VERSION: u8 = 3;
const NONCE: usize = 24;
const TAG: usize = 16;
/// A UUID and the cipher's tag.
const WHOSE: usize = 16 + TAG;

/// Leaves of so many days before today are young.
const YOUNG_DAYS: u64 = 2;

/// A partition of one category and one day, with a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafName {
    pub day: NaiveDate,
    pub category: RetentionCategory,
}

impl LeafName {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { day: entry.day(), category: entry.retention }
    }

    /// Whose key it has. Days of four digits stand in their order as texts.
    pub fn subject(self) -> Subject {
        Subject::from(format!("audit-{}-{}", self.category.as_str(), self.day).as_str())
    }

    /// The partition.
    pub fn table(self) -> String {
        let category = self.category.as_str().to_lowercase();
        format!("log.security_audit_{category}_{}", self.day.format("%Y%m%d"))
    }

    /// Whether it is so young that no retention is over: of what is older somebody may have dropped what a
    /// process remembers to be there.
    pub(super) fn is_young(self) -> bool {
        self.day >= clock::now().date_naive() - Days::new(YOUNG_DAYS)
    }

    /// By which name the vault knows its key.
    pub fn key_name(self) -> KeyName {
        (self.subject(), PersonalCategory::Network)
    }
}

/// What is sealed of it, beside whose it is, in postcard's format: half as long as JSON. Another form of it is
/// another version.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    kind: Option<&'a str>,
    session: Option<SessionHash>,
    ip: Option<IpAddr>,
    user_agent: Option<&'a str>,
    referrer: Option<&'a str>,
    headers: Option<&'a str>,
    country: Option<&'a str>,
}

type SessionHash = [u8; 16];

/// By what an entry is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes {
    pub(super) user: Option<i64>,
    pub(super) ip: Option<i64>,
    pub(super) session: Option<i64>,
}

/// What is stored of what is personal in an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Personal {
    /// It was erased before it was written.
    Erased,
    /// It is sealed here.
    Sealed(Vec<u8>),
    /// Another entry of the same leaf has the same.
    In(SealedIn),
}

/// What is personal in a group of entries, sealed.
#[derive(Default)]
pub(super) struct Sealed {
    /// In the order of the entries.
    pub(super) entries: Vec<(Indexes, Personal)>,
    /// Clients that are sealed in entries of the group.
    pub(super) clients: HashMap<ClientHash, Client>,
    /// Whether some refer to entries that were written before.
    pub(super) refers_back: bool,
}

/// A login as it stands in the log: a keyed hash, so that nobody who reads it can use it.
pub fn session_hash(masters: &MasterKeys, session: Uuid) -> String {
    let key = masters.derive("security-audit/session");
    hex::encode(hashed(&mac(&key), session))
}

fn hashed(mac: &Hmac<Sha256>, session: Uuid) -> SessionHash {
    let mut mac = mac.clone();
    mac.update(session.as_bytes());
    let hash: [u8; 32] = mac.finalize().into_bytes().into();
    *hash.first_chunk().expect("it is longer")
}

/// By what somebody's entries are found, as long as there is its key.
pub fn index_of_user(key: &Key) -> i64 {
    index(&mac(key), [b"user".as_slice()])
}

/// By what the entries of an address are found in a leaf.
pub fn index_of_address(leaf: &Key, address: IpAddr) -> i64 {
    address_index(&mac(leaf), address)
}

/// By what the entries of a session, given by its hash, are found in a leaf.
pub fn index_of_session(leaf: &Key, hash: &str) -> i64 {
    session_index(&mac(leaf), hash.as_bytes())
}

fn address_index(leaf: &Hmac<Sha256>, address: IpAddr) -> i64 {
    match address.to_canonical() {
        IpAddr::V4(address) => index(leaf, [b"ip4".as_slice(), &address.octets()]),
        IpAddr::V6(address) => index(leaf, [b"ip6".as_slice(), &address.octets()]),
    }
}

fn session_index(leaf: &Hmac<Sha256>, hash_as_hex: &[u8]) -> i64 {
    index(leaf, [b"session".as_slice(), hash_as_hex])
}

fn mac(key: &Key) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_ref()).expect("HMAC takes any length")
}

fn index<'p>(mac: &Hmac<Sha256>, parts: impl IntoIterator<Item = &'p [u8]>) -> i64 {
    let mut mac = mac.clone();
    mac.update(b"agora/security-audit/index,");
    for part in parts {
        mac.update(part);
    }
    let bytes = mac.finalize().into_bytes();
    i64::from_be_bytes(bytes[..8].try_into().expect("SHA-256 has 32 bytes"))
}

/// What the entries of a group need of their leaf.
struct LeafKey {
    key: Arc<Key>,
    mac: Hmac<Sha256>,
    /// The hash of each session that was met, and by what it is found.
    sessions: HashMap<Uuid, (SessionHash, i64)>,
    addresses: HashMap<IpAddr, i64>,
    is_young: bool,
}

impl LeafKey {
    fn new(key: Arc<Key>, is_young: bool) -> Self {
        Self { mac: mac(&key), key, sessions: HashMap::new(), addresses: HashMap::new(), is_young }
    }

    fn session(&mut self, session: Uuid, hashes: &Hmac<Sha256>) -> (SessionHash, i64) {
        *self.sessions.entry(session).or_insert_with(|| {
            let hash = hashed(hashes, session);
            (hash, session_index(&self.mac, hex::encode(hash).as_bytes()))
        })
    }

    fn address(&mut self, address: IpAddr) -> i64 {
        *self.addresses.entry(address).or_insert_with(|| address_index(&self.mac, address))
    }
}

/// A group of entries that is being sealed.
struct Sealing<'e> {
    countries: &'e Countries,
    /// Those that entries may refer to.
    clients: Option<&'e Clients>,
    /// Clients of its entries, found by what they are: what a group says most is not hashed each time.
    met: HashMap<(LeafName, &'e Person), Client>,
    sealed: Sealed,
    /// A buffer that is used from entry to entry.
    scratch: Vec<u8>,
}

/// The keys that a group of entries is sealed with.
pub(super) struct Keys {
    leaves: HashMap<LeafName, LeafKey>,
    users: HashMap<Uuid, Arc<Key>>,
    /// The last end of a person's key, destroyed or replaced.
    ends: std::collections::HashMap<KeyName, DateTime<Utc>>,
    sessions: Hmac<Sha256>,
}

impl Keys {
    /// Those that are not there yet are made.
    pub(super) async fn find(vault: &Vault, entries: &[Entry]) -> Result<Self, VaultError> {
        let days: HashSet<LeafName> = entries.iter().map(LeafName::of).collect();
        let people: HashSet<Uuid> = entries.iter().filter_map(|entry| entry.person.user).collect();
        let of_days = days.iter().map(|leaf| leaf.key_name());
        let names: Vec<KeyName> = of_days.chain(people.iter().map(of_person)).collect();
        let (of_days, of_people) = names.split_at(days.len());
        let found = vault.find_or_make(&names).await?;
        let present = |name: &KeyName| match found.get(name) {
            Some(SubjectKey::Present(key)) => Some(Arc::clone(key)),
            _ => None,
        };
        let leaves = days.iter().zip(of_days).filter_map(|(leaf, name)| {
            let key = LeafKey::new(present(name)?, leaf.is_young());
            Some((*leaf, key))
        });
        let users = people.iter().zip(of_people);
        let users = users.filter_map(|(user, name)| Some((*user, present(name)?)));
        // Asked after the keys: whatever key an entry is sealed with, it is not younger than the answer.
        let since = entries.iter().map(|entry| entry.recorded_at).min().unwrap_or_default();
        let ends = vault.destroyed_last(of_people, since).await?;
        let sessions = mac(&vault.masters().derive("security-audit/session"));
        Ok(Self { leaves: leaves.collect(), users: users.collect(), ends, sessions })
    }

    /// Of an entry that is older than the last end of its person's key, destroyed or replaced, nothing personal
    /// is left: it may have waited in memory, in a file, or in the log (docs/erasure.md). Here entries are told
    /// where they are from, too: whoever waits for a reply does not wait for that.
    ///
    /// Without `clients` no entry refers to another.
    pub(super) fn seal<'e>(
        &mut self,
        entries: &'e [Entry],
        countries: &'e Countries,
        clients: Option<&'e Clients>,
    ) -> Sealed {
        let sealed = Sealed { entries: Vec::with_capacity(entries.len()), ..Sealed::default() };
        let mut group =
            Sealing { countries, clients, met: HashMap::new(), sealed, scratch: Vec::new() };
        for entry in entries {
            let personal = self.seal_one(entry, &mut group);
            group.sealed.entries.push(personal.unwrap_or((Indexes::default(), Personal::Erased)));
        }
        group.sealed
    }

    fn seal_one<'e>(
        &mut self,
        entry: &'e Entry,
        group: &mut Sealing<'e>,
    ) -> Option<(Indexes, Personal)> {
        if self.is_over(entry) {
            return None;
        }
        let name = LeafName::of(entry);
        if let Some(client) = group.met.get(&(name, &entry.person)) {
            return Some((client.indexes, Personal::In(client.sealed_in)));
        }
        let leaf = self.leaves.get_mut(&name)?;
        let user = match entry.person.user {
            Some(user) => Some((user, self.users.get(&user)?.as_ref())),
            None => None,
        };
        let hash = group.clients.map(|clients| {
            clients.hash(&entry.person, &leaf.key, user.map(|(_, key)| key), &mut group.scratch)
        });
        if let (Some(clients), Some(hash)) = (group.clients, &hash) {
            let written = clients.get(hash).filter(|_| leaf.is_young);
            group.sealed.refers_back |= written.is_some();
            if let Some(client) = written.or_else(|| group.sealed.clients.get(hash)) {
                group.met.insert((name, &entry.person), *client);
                return Some((client.indexes, Personal::In(client.sealed_in)));
            }
        }
        let (indexes, text) =
            seal_person(&entry.person, (name, leaf), user, &self.sessions, group.countries);
        if let Some(hash) = hash {
            let client = Client { indexes, sealed_in: SealedIn::from(entry) };
            group.met.insert((name, &entry.person), client);
            group.sealed.clients.insert(hash, client);
        }
        Some((indexes, Personal::Sealed(text)))
    }

    /// Whether whoever it is of was erased since.
    fn is_over(&self, entry: &Entry) -> bool {
        let name = entry.person.user.filter(|_| !self.ends.is_empty()).map(|it| of_person(&it));
        let end = name.and_then(|name| self.ends.get(&name));
        end.is_some_and(|end| entry.recorded_at <= *end)
    }
}

fn of_person(user: &Uuid) -> KeyName {
    (Subject::from(*user), PersonalCategory::Network)
}

fn seal_person(
    person: &Person,
    (name, leaf): (LeafName, &mut LeafKey),
    user: Option<(Uuid, &Key)>,
    sessions: &Hmac<Sha256>,
    countries: &Countries,
) -> (Indexes, Vec<u8>) {
    let (session, session_index) =
        person.session.map(|session| leaf.session(session, sessions)).unzip();
    let indexes = Indexes {
        user: user.map(|(_, key)| index_of_user(key)),
        ip: person.ip.map(|address| leaf.address(address)),
        session: session_index,
    };
    let country = person.ip.and_then(|address| countries.of(address));
    let content = Content {
        kind: person.kind.as_deref(),
        session,
        ip: person.ip.map(|address| address.to_canonical()),
        user_agent: person.said.user_agent.as_deref(),
        referrer: person.said.referrer.as_deref(),
        headers: person.said.headers.as_deref(),
        country: country.as_deref(),
    };
    let content =
        postcard::to_extend(&content, Vec::new()).expect("texts and ids are of postcard's forms");
    #[expect(clippy::disallowed_methods, reason = "nonces are made here")]
    let nonce: [u8; NONCE] = rand::random();
    let mut text = vec![VERSION, u8::from(user.is_some())];
    text.extend_from_slice(&nonce);
    // Under two keys, so that one nonce is enough.
    if let Some((id, _)) = user {
        text.extend(encrypt(&leaf.key, &nonce, id.as_bytes(), &bound_to_leaf("whose/v3", name)));
    }
    let key = user.map_or(leaf.key.as_ref(), |(_, key)| key);
    text.extend(encrypt(key, &nonce, &content, &bound_to_leaf("client/v3", name)));
    (indexes, text)
}

fn encrypt(key: &Key, nonce: &[u8; NONCE], text: &[u8], bound: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new((&**key).into())
        .encrypt(&XNonce::from(*nonce), Payload { msg: text, aad: bound })
        .expect("an entry is within the cipher's limits")
}

/// Of which leaf something is.
fn bound_to_leaf(what: &str, leaf: LeafName) -> Vec<u8> {
    format!("agora/security-audit/{what},{}", leaf.subject()).into_bytes()
}

#[cfg(test)]
mod tests;
