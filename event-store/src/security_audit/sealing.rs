//! What is personal in an entry, sealed, and the blind indexes by which it is found (docs/security-audit.md).
//!
//! Sealed is one text for the whole entry: under the key of whoever has an account, else under that of the
//! leaf. Whose key it is stands beside it, under the leaf's key. So an entry is anonymous once either is gone:
//! the person's, by an erasure, or the leaf's, with its retention (SAL-08).

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use agora_domain::{PersonalCategory, Subject, security::audit::RetentionCategory};
use agora_service::geoip::Countries;
use chacha20::{R20, hchacha};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use chrono::{DateTime, NaiveDate, Utc};
use hmac::{Hmac, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::{Entry, Row};
use crate::{
    Vault,
    vault::{Key, KeyName, MasterKeys, SubjectKey, VaultError},
};

const VERSION: u8 = 2;
/// As entries were sealed at first: their content as JSON, with nonces of their own.
const VERSION_OF_JSON: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
/// A UUID and the cipher's tag.
const WHOSE: usize = 16 + TAG;
/// No shorter than most entries are once they are sealed.
const USUAL: usize = 256;

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

/// What of an entry is personal, as it comes out again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Opened {
    pub user: Option<Uuid>,
    pub kind: Option<String>,
    /// The session's hash (SAL-10).
    pub session: Option<String>,
    pub ip: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub referrer: Option<String>,
    pub headers: Option<String>,
    /// Two letters, where a database knew it when the entry was written.
    pub country: Option<String>,
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
    fn opened(self, user: Option<Uuid>) -> Opened {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Opened {
            user,
            kind: text(self.kind),
            session: self.session.map(hex::encode),
            ip: self.ip,
            user_agent: text(self.user_agent),
            referrer: text(self.referrer),
            headers: text(self.headers),
            country: text(self.country),
        }
    }
}

type SessionHash = [u8; 16];

/// What is stored of what is personal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedEntry {
    pub user_key: Option<i64>,
    pub ip_key: Option<i64>,
    pub session_key: Option<i64>,
    /// None where it was erased before it was written.
    pub sealed: Option<Vec<u8>>,
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
) -> Result<Vec<SealedEntry>, VaultError> {
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
    let sealed = entries.iter().map(|entry| {
        if is_over(entry) {
            return SealedEntry::default();
        }
        let leaf = leaves.get_mut(&LeafName::of(entry));
        let user = entry.person.user.map(|id| Some((id, users.get_mut(&id)?)));
        match (leaf, user) {
            (Some(leaf), None) => seal_one(entry, leaf, None, &sessions, countries),
            (Some(leaf), Some(Some(user))) => {
                seal_one(entry, leaf, Some(user), &sessions, countries)
            }
            // Whoever was erased is told of no more.
            (None, _) | (_, Some(None)) => SealedEntry::default(),
        }
    });
    Ok(sealed.collect())
}

fn of_person(user: &Uuid) -> KeyName {
    (Subject::from(*user), PersonalCategory::Network)
}

fn seal_one(
    entry: &Entry,
    leaf: &mut LeafKey,
    user: Option<(Uuid, &mut UserKey)>,
    sessions: &Hmac<Sha256>,
    countries: &Countries,
) -> SealedEntry {
    let person = &entry.person;
    let name = LeafName::of(entry);
    let (session, session_key) =
        person.session.map(|session| leaf.session(session, sessions)).unzip();
    let ip_key = person.ip.map(|address| leaf.address(address));
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
    let user_key = user.as_ref().map(|(_, user)| user.index);
    let mut sealed = Vec::with_capacity(USUAL);
    sealed.extend_from_slice(&[VERSION, u8::from(user.is_some())]);
    let (cipher, nonce) = match user {
        None => {
            let nonce = leaf.nonces.next();
            sealed.extend_from_slice(&nonce);
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
            sealed.extend_from_slice(&nonce);
            sealed.extend_from_slice(whose);
            (&nonces.cipher, nonce)
        }
    };
    let begin = sealed.len();
    let mut sealed = postcard::to_extend(&content, sealed).expect("texts and ids can be written");
    sealed.extend_from_slice(&[0; TAG]);
    let bound = bound(VERSION, entry.log_id, entry.recorded_at, name);
    encrypt(cipher, &nonce, &mut sealed[begin..], &bound);
    SealedEntry { user_key, ip_key, session_key, sealed: Some(sealed) }
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

fn decrypt(key: &Key, nonce: &[u8; NONCE], sealed: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
    XChaCha20Poly1305::new((&**key).into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound })
        .ok()
}

/// A second nonce beside the first, in the version of JSON.
fn other(mut nonce: [u8; NONCE]) -> [u8; NONCE] {
    nonce[NONCE - 1] ^= 1;
    nonce
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

/// Opens entries; none where a key is gone, and with it what was personal (SAL-08).
///
/// # Errors
/// Where the vault cannot be asked.
pub async fn open(vault: &Vault, rows: &[Row]) -> Result<Vec<Option<Opened>>, VaultError> {
    let leaf_names: Vec<KeyName> = rows.iter().map(|row| row.leaf().key_name()).collect();
    let leaves = vault.find(&leaf_names).await?;
    let whose: Vec<Option<Whose>> = rows
        .iter()
        .zip(&leaf_names)
        .map(|(row, name)| match leaves.get(name) {
            Some(SubjectKey::Present(key)) => Whose::of(row, key),
            _ => None,
        })
        .collect();
    let user_names: Vec<KeyName> =
        whose.iter().flatten().filter_map(|whose| whose.user.as_ref().map(of_person)).collect();
    let users = vault.find(&user_names).await?;
    let opened = rows.iter().zip(whose).zip(&leaf_names).map(|((row, whose), leaf)| {
        let whose = whose?;
        let key = match whose.user {
            Some(user) => users.get(&of_person(&user))?,
            None => leaves.get(leaf)?,
        };
        let SubjectKey::Present(key) = key else { return None };
        whose.open(row, key)
    });
    Ok(opened.collect())
}

/// A sealed entry, taken apart.
struct Whose<'r> {
    version: u8,
    nonce: [u8; NONCE],
    user: Option<Uuid>,
    content: &'r [u8],
}

impl<'r> Whose<'r> {
    fn of(row: &'r Row, leaf: &Key) -> Option<Self> {
        let (&[version, has_user], rest) = row.sealed.as_deref()?.split_first_chunk()?;
        if !(VERSION_OF_JSON..=VERSION).contains(&version) {
            // Of a newer service.
            return None;
        }
        let (&nonce, rest) = rest.split_first_chunk()?;
        let (user, content) = match has_user {
            0 => (None, rest),
            _ => {
                let (whose, content) = rest.split_at_checked(WHOSE)?;
                let whose = match version {
                    VERSION_OF_JSON => decrypt(leaf, &nonce, whose, &bound_of(version, row)),
                    _ => decrypt(leaf, &first_of(nonce), whose, &bound_to_leaf(row.leaf())),
                };
                (Some(Uuid::from_slice(&whose?).ok()?), content)
            }
        };
        Some(Self { version, nonce, user, content })
    }

    fn open(self, row: &Row, key: &Key) -> Option<Opened> {
        let bound = bound_of(self.version, row);
        match self.version {
            VERSION_OF_JSON => {
                let content = decrypt(key, &other(self.nonce), self.content, &bound)?;
                serde_json::from_slice(&content).ok()
            }
            _ => {
                let content = decrypt(key, &self.nonce, self.content, &bound)?;
                postcard::from_bytes::<Content<'_>>(&content).ok().map(|it| it.opened(self.user))
            }
        }
    }
}

fn bound_of(version: u8, row: &Row) -> Vec<u8> {
    bound(version, row.log_id, row.recorded_at, row.leaf())
}

#[cfg(test)]
mod tests;
