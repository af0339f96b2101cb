//! What is personal in an entry, sealed, and the blind indexes by which it is found (docs/security-audit.md).
//!
//! Sealed is one text for the whole entry: under the key of whoever has an account, else under that of the
//! leaf. Whose key it is stands beside it, under the leaf's key. So an entry is anonymous once either is gone:
//! the person's, by an erasure, or the leaf's, with its retention (SAL-08).

mod opening;

use std::{net::IpAddr, ops::Range};

use agora_domain::{PersonalCategory, Subject, security::audit::RetentionCategory};
use agora_service::geoip::Countries;
use chacha20::{R20, hchacha};
use chrono::{DateTime, NaiveDate, Utc};
use foldhash::{HashMap, HashMapExt, HashSet};
use hmac::{Hmac, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

pub use self::opening::{Opened, open};
use super::Entry;
use crate::{
    Vault,
    vault::{Key, KeyName, MasterKeys, SubjectKey, VaultError},
};

const VERSION: u8 = 2;
const NONCE: usize = 24;
const TAG: usize = 16;
/// A UUID and the cipher's tag.
const WHOSE: usize = 16 + TAG;
/// As long as most entries are once they are sealed, or longer.
const USUAL: usize = 320;
/// Of [`Content`]: its session, its address, and of its five texts whether they are there and how long they are.
const CONTENT_BESIDE_TEXTS: usize = (1 + 16) + (1 + 1 + 16) + 5 * (1 + 10);
/// The version, whether it has a user, the nonce, whose it is, the content, the tag.
const BESIDE_TEXTS: usize = 2 + NONCE + WHOSE + CONTENT_BESIDE_TEXTS + TAG;

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

    /// By which name the vault knows its key.
    pub fn key_name(self) -> KeyName {
        (self.subject(), PersonalCategory::Network)
    }
}

/// What is sealed of it, beside whose it is, in postcard's format: half as long as JSON, and every byte of an
/// entry is hashed, encrypted, copied and logged. Another form of it is another version.
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

impl Content<'_> {
    /// A sealed entry with this content is no longer.
    fn bytes_max(&self) -> usize {
        let texts = [self.kind, self.user_agent, self.referrer, self.headers, self.country];
        BESIDE_TEXTS + texts.iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}

type SessionHash = [u8; 16];

/// By what an entry is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes {
    pub(super) user: Option<i64>,
    pub(super) ip: Option<i64>,
    pub(super) session: Option<i64>,
}

/// What is personal in a group of entries, sealed: one text for each behind the other, since a group has
/// thousands of them.
#[derive(Default)]
pub(super) struct Sealed {
    texts: Vec<u8>,
    /// Where each of the entries' begins and ends; empty where it was erased before it was written.
    entries: Vec<(Indexes, Range<usize>)>,
}

impl Sealed {
    /// The entry of a place, in the order in which they were sealed.
    pub(super) fn of(&self, entry: usize) -> (Indexes, Option<&[u8]>) {
        let (indexes, place) = &self.entries[entry];
        (*indexes, (!place.is_empty()).then(|| &self.texts[place.clone()]))
    }

    fn nothing(&mut self) {
        self.entries.push(Default::default());
    }
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
    key: Key,
    mac: Hmac<Sha256>,
    nonces: Nonces,
    /// The hash of each session that was met, and by what it is found.
    sessions: HashMap<Uuid, (SessionHash, i64)>,
    addresses: HashMap<IpAddr, i64>,
}

impl LeafKey {
    fn new(key: &Key) -> Self {
        Self {
            key: key.clone(),
            mac: mac(key),
            nonces: Nonces::new(key),
            sessions: HashMap::new(),
            addresses: HashMap::new(),
        }
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

/// What they need of whoever they are sealed for.
struct UserKey {
    key: Key,
    index: i64,
    /// The user's id under each leaf's key, with the nonces that follow its own.
    whose: HashMap<LeafName, ([u8; WHOSE], Nonces)>,
}

impl UserKey {
    fn new(key: &Key) -> Self {
        Self { key: key.clone(), index: index_of_user(key), whose: HashMap::new() }
    }
}

/// Nonces that have their beginning in common: random, and then counted. So one text can be sealed once for
/// many entries, each of which says its own nonce alone.
struct Nonces {
    first: [u8; NONCE],
    count: u32,
    cipher: LessSafeKey,
}

impl Nonces {
    /// For texts under a key.
    fn new(key: &Key) -> Self {
        #[expect(clippy::disallowed_methods, reason = "nonces are made here")]
        let first = first_of(rand::random());
        Self { cipher: cipher(key, &first), first, count: 0 }
    }

    fn next(&mut self) -> [u8; NONCE] {
        self.count += 1;
        let mut nonce = self.first;
        nonce[NONCE - 4..].copy_from_slice(&self.count.to_be_bytes());
        nonce
    }
}

/// XChaCha20-Poly1305 for nonces that begin alike: what a key becomes by their beginning is made once.
fn cipher(key: &Key, nonce: &[u8; NONCE]) -> LessSafeKey {
    let beginning: &[u8; 16] = nonce.first_chunk().expect("it is longer");
    let key = Key::new(hchacha::<R20>((&**key).into(), beginning.into()).into());
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref());
    LessSafeKey::new(key.expect("it is as long as the cipher's keys"))
}

/// The one that those with this beginning follow.
fn first_of(mut nonce: [u8; NONCE]) -> [u8; NONCE] {
    nonce[NONCE - 4..].fill(0);
    nonce
}

/// Seals a group of entries; keys that are not there yet are made. Of an entry that is older than the last
/// end of its person's key, destroyed or replaced, nothing personal is left: it may have waited in memory,
/// in a file, or in the log (docs/erasure.md). Here entries are told where they are from, too: whoever
/// waits for a reply does not wait for that.
pub(super) async fn seal(
    vault: &Vault,
    countries: &Countries,
    entries: &[Entry],
) -> Result<Sealed, VaultError> {
    let days: HashSet<LeafName> = entries.iter().map(LeafName::of).collect();
    let people: HashSet<Uuid> = entries.iter().filter_map(|entry| entry.person.user).collect();
    let of_days = days.iter().map(|leaf| leaf.key_name());
    let names: Vec<KeyName> = of_days.chain(people.iter().map(of_person)).collect();
    let (of_days, of_people) = names.split_at(days.len());
    let found = vault.find_or_make(&names).await?;
    let present = |name: &KeyName| match found.get(name) {
        Some(SubjectKey::Present(key)) => Some(key),
        _ => None,
    };
    let leaves = days.iter().zip(of_days);
    let mut leaves: HashMap<LeafName, LeafKey> =
        leaves.filter_map(|(leaf, name)| Some((*leaf, LeafKey::new(present(name)?)))).collect();
    let users = people.iter().zip(of_people);
    let mut users: HashMap<Uuid, UserKey> =
        users.filter_map(|(user, name)| Some((*user, UserKey::new(present(name)?)))).collect();
    // Asked after the keys: whatever key an entry is sealed with, it is not younger than the answer.
    let since = entries.iter().map(|entry| entry.recorded_at).min().unwrap_or_default();
    let ends = vault.destroyed_last(of_people, since).await?;
    let is_over = |entry: &Entry| {
        let name = entry.person.user.filter(|_| !ends.is_empty()).map(|user| of_person(&user));
        let end = name.and_then(|name| ends.get(&name));
        end.is_some_and(|end| entry.recorded_at <= *end)
    };
    let sessions = mac(&vault.masters().derive("security-audit/session"));
    let mut sealed = Sealed {
        texts: Vec::with_capacity(entries.len() * USUAL),
        entries: Vec::with_capacity(entries.len()),
    };
    for entry in entries {
        if is_over(entry) {
            sealed.nothing();
            continue;
        }
        let name = LeafName::of(entry);
        let user = entry.person.user.map(|id| Some((id, users.get_mut(&id)?)));
        match (leaves.get_mut(&name), user) {
            (Some(leaf), None) => {
                sealed.add(entry, (name, leaf), None, &sessions, countries);
            }
            (Some(leaf), Some(Some(user))) => {
                sealed.add(entry, (name, leaf), Some(user), &sessions, countries);
            }
            // Whoever was erased is told of no more.
            (None, _) | (_, Some(None)) => sealed.nothing(),
        }
    }
    Ok(sealed)
}

fn of_person(user: &Uuid) -> KeyName {
    (Subject::from(*user), PersonalCategory::Network)
}

impl Sealed {
    fn add(
        &mut self,
        entry: &Entry,
        (name, leaf): (LeafName, &mut LeafKey),
        user: Option<(Uuid, &mut UserKey)>,
        sessions: &Hmac<Sha256>,
        countries: &Countries,
    ) {
        let person = &entry.person;
        let (session, session_index) =
            person.session.map(|session| leaf.session(session, sessions)).unzip();
        let indexes = Indexes {
            user: user.as_ref().map(|(_, user)| user.index),
            ip: person.ip.map(|address| leaf.address(address)),
            session: session_index,
        };
        let country = person.ip.and_then(|address| countries.of(address));
        let content = Content {
            kind: person.kind.as_deref(),
            session,
            ip: person.ip.map(|address| address.to_canonical()),
            user_agent: person.user_agent.as_deref(),
            referrer: person.referrer.as_deref(),
            headers: person.headers.as_deref(),
            country: country.as_deref(),
        };
        let texts = &mut self.texts;
        let begin = texts.len();
        texts.extend_from_slice(&[VERSION, u8::from(user.is_some())]);
        let (cipher, nonce) = match user {
            None => {
                let nonce = leaf.nonces.next();
                texts.extend_from_slice(&nonce);
                (&leaf.nonces.cipher, nonce)
            }
            Some((id, user)) => {
                let (whose, nonces) = user.whose.entry(name).or_insert_with(|| {
                    let nonces = Nonces::new(&user.key);
                    let mut whose = [0; WHOSE];
                    whose[..16].copy_from_slice(id.as_bytes());
                    let of_leaf = cipher(&leaf.key, &nonces.first);
                    encrypt(&of_leaf, &nonces.first, &mut whose, &bound_to_leaf(name));
                    (whose, nonces)
                });
                let nonce = nonces.next();
                texts.extend_from_slice(&nonce);
                texts.extend_from_slice(whose);
                (&nonces.cipher, nonce)
            }
        };
        let of_content = texts.len();
        texts.resize(begin + content.bytes_max(), 0);
        let written = postcard::to_slice(&content, &mut texts[of_content..]);
        let bytes = written.expect("texts and ids fit into it").len();
        texts.truncate(of_content + bytes);
        texts.extend_from_slice(&[0; TAG]);
        let bound = bound(VERSION, entry.log_id, entry.recorded_at, name);
        encrypt(cipher, &nonce, &mut texts[of_content..], &bound);
        self.entries.push((indexes, begin..texts.len()));
    }
}

/// Encrypts a text that has the place for the tag behind it.
fn encrypt(cipher: &LessSafeKey, nonce: &[u8; NONCE], buffer: &mut [u8], bound: &[u8]) {
    let (text, tag) = buffer.split_last_chunk_mut::<TAG>().expect("there is a place for it");
    let end: &[u8; 8] = nonce.last_chunk().expect("it is longer");
    let mut of_cipher = [0; 12];
    of_cipher[4..].copy_from_slice(end);
    let of_cipher = Nonce::assume_unique_for_key(of_cipher);
    let made = cipher.seal_in_place_separate_tag(of_cipher, Aad::from(bound), text);
    tag.copy_from_slice(made.expect("an entry is within the cipher's limits").as_ref());
}

/// Of which leaf an entry is.
fn bound_to_leaf(leaf: LeafName) -> Vec<u8> {
    format!("agora/security-audit/whose/v2,{}", leaf.subject()).into_bytes()
}

/// Where an entry stands: it cannot be moved to another's place.
fn bound(version: u8, log_id: Uuid, recorded_at: DateTime<Utc>, leaf: LeafName) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(b"agora/security-audit/v");
    bytes.extend_from_slice(&[b'0' + version, b',']);
    bytes.extend_from_slice(log_id.as_bytes());
    bytes.extend_from_slice(&recorded_at.timestamp_micros().to_be_bytes());
    bytes.extend_from_slice(leaf.category.as_str().as_bytes());
    bytes
}

#[cfg(test)]
mod tests;
