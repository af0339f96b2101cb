//! What is personal in an entry, sealed, and the blind indexes by which it is found (docs/security-audit.md).
//!
//! Sealed is one text for the whole entry: under the key of whoever has an account, else under that of the
//! leaf. Whose key it is stands beside it, under the leaf's key. So an entry is anonymous once either is
//! gone: the person's, by an erasure, or the leaf's, with its retention (SAL-08).

use std::{collections::HashMap, net::IpAddr};

use agora_domain::{PersonalCategory, Subject, security::audit::RetentionCategory};
use agora_service::geoip::Countries;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use chrono::{DateTime, NaiveDate, Utc};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::{Entry, Row};
use crate::{
    Vault,
    vault::{Key, KeyName, MasterKeys, SubjectKey, VaultError},
};

const VERSION: u8 = 1;
const NONCE: usize = 24;
/// A UUID and the cipher's tag.
const WHOSE: usize = 32;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opened {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The session's hash (SAL-10).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<String>,
    /// Two letters, where a database knew it when the entry was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

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
    hashed(&mac(&key), session)
}

fn hashed(mac: &Hmac<Sha256>, session: Uuid) -> String {
    let mut mac = mac.clone();
    mac.update(session.as_bytes());
    hex::encode(&mac.finalize().into_bytes()[..16])
}

/// By what somebody's entries are found, as long as there is its key.
pub fn index_of_user(key: &Key) -> i64 {
    index(&mac(key), b"user")
}

/// By what the entries of an address are found in a leaf.
pub fn index_of_address(leaf: &Key, address: IpAddr) -> i64 {
    address_index(&mac(leaf), address)
}

/// By what the entries of a session, given by its hash, are found in a leaf.
pub fn index_of_session(leaf: &Key, hash: &str) -> i64 {
    session_index(&mac(leaf), hash)
}

fn address_index(leaf: &Hmac<Sha256>, address: IpAddr) -> i64 {
    match address.to_canonical() {
        IpAddr::V4(address) => index(leaf, &[b"ip4".as_slice(), &address.octets()].concat()),
        IpAddr::V6(address) => index(leaf, &[b"ip6".as_slice(), &address.octets()].concat()),
    }
}

fn session_index(leaf: &Hmac<Sha256>, hash: &str) -> i64 {
    index(leaf, &[b"session", hash.as_bytes()].concat())
}

fn mac(key: &Key) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_ref()).expect("HMAC takes any length")
}

fn index(mac: &Hmac<Sha256>, of: &[u8]) -> i64 {
    let mut mac = mac.clone();
    mac.update(b"agora/security-audit/index,");
    mac.update(of);
    let bytes = mac.finalize().into_bytes();
    i64::from_be_bytes(bytes[..8].try_into().expect("SHA-256 has 32 bytes"))
}

struct LeafKey {
    key: Key,
    mac: Hmac<Sha256>,
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
    let mut leaves: HashMap<LeafName, Option<LeafKey>> = HashMap::new();
    let mut users: HashMap<Uuid, Option<(Key, i64)>> = HashMap::new();
    for entry in entries {
        leaves.insert(LeafName::of(entry), None);
        if let Some(user) = entry.person.user {
            users.insert(user, None);
        }
    }
    let name_of = |user: &Uuid| (Subject::from(*user), PersonalCategory::Network);
    let names: Vec<KeyName> =
        leaves.keys().map(|leaf| leaf.key_name()).chain(users.keys().map(name_of)).collect();
    let found = vault.find_or_make(&names).await?;
    for (leaf, key) in &mut leaves {
        if let Some(SubjectKey::Present(found)) = found.get(&leaf.key_name()) {
            *key = Some(LeafKey { key: Key::clone(found), mac: mac(found) });
        }
    }
    for (user, key) in &mut users {
        if let Some(SubjectKey::Present(found)) = found.get(&name_of(user)) {
            *key = Some((Key::clone(found), index_of_user(found)));
        }
    }
    // Asked after the keys: whatever key an entry is sealed with, it is not younger than the answer.
    let people: Vec<KeyName> = users.keys().map(name_of).collect();
    let since = entries.iter().map(|entry| entry.recorded_at).min().unwrap_or_default();
    let ends = vault.destroyed_last(&people, since).await?;
    let is_over = |entry: &Entry| {
        let end = key_name_of(entry).and_then(|name| ends.get(&name));
        end.is_some_and(|end| entry.recorded_at <= *end)
    };
    let sessions = mac(&vault.masters().derive("security-audit/session"));
    let sealed = entries.iter().map(|entry| {
        if is_over(entry) {
            return SealedEntry::default();
        }
        let leaf = leaves.get(&LeafName::of(entry)).and_then(Option::as_ref);
        let Some(leaf) = leaf else { return SealedEntry::default() };
        let user = entry.person.user.map(|user| (user, users.get(&user).and_then(Option::as_ref)));
        seal_one(entry, leaf, user, &sessions, countries)
    });
    Ok(sealed.collect())
}

fn key_name_of(entry: &Entry) -> Option<KeyName> {
    entry.person.user.map(|user| (Subject::from(user), PersonalCategory::Network))
}

fn seal_one(
    entry: &Entry,
    leaf: &LeafKey,
    user: Option<(Uuid, Option<&(Key, i64)>)>,
    sessions: &Hmac<Sha256>,
    countries: &Countries,
) -> SealedEntry {
    let person = &entry.person;
    let (whose, key, user_key) = match user {
        // Whoever was erased is told of no more.
        Some((_, None)) => return SealedEntry::default(),
        Some((user, Some((key, index)))) => (Some(user), key, Some(*index)),
        None => (None, &leaf.key, None),
    };
    let session = person.session.map(|session| hashed(sessions, session));
    let session_key = session.as_ref().map(|session| session_index(&leaf.mac, session));
    let content = Opened {
        user: person.user,
        kind: person.kind.clone(),
        session,
        ip: person.ip.map(|address| address.to_canonical()),
        user_agent: person.user_agent.clone(),
        referrer: person.referrer.clone(),
        headers: person.headers.clone(),
        country: person.ip.and_then(|address| countries.of(address)),
    };
    let content = serde_json::to_vec(&content).expect("texts and ids are JSON");
    #[expect(clippy::disallowed_methods, reason = "nonces are made here")]
    let nonce: [u8; NONCE] = rand::random();
    let bound = bound(entry.log_id, entry.recorded_at, LeafName::of(entry));
    let mut sealed = Vec::with_capacity(2 + NONCE + WHOSE + content.len() + 16);
    sealed.extend_from_slice(&[VERSION, u8::from(whose.is_some())]);
    sealed.extend_from_slice(&nonce);
    if let Some(whose) = whose {
        sealed.extend_from_slice(&encrypt(&leaf.key, &nonce, whose.as_bytes(), &bound));
    }
    sealed.extend_from_slice(&encrypt(key, &other(nonce), &content, &bound));
    SealedEntry {
        user_key,
        ip_key: person.ip.map(|address| address_index(&leaf.mac, address)),
        session_key,
        sealed: Some(sealed),
    }
}

/// A second nonce beside the first: where both texts are under the leaf's key, none is used twice.
fn other(mut nonce: [u8; NONCE]) -> [u8; NONCE] {
    nonce[NONCE - 1] ^= 1;
    nonce
}

fn encrypt(key: &Key, nonce: &[u8; NONCE], text: &[u8], bound: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new((&**key).into())
        .encrypt(&XNonce::from(*nonce), Payload { msg: text, aad: bound })
        .expect("an entry is within the cipher's limits")
}

fn decrypt(key: &Key, nonce: &[u8; NONCE], sealed: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
    XChaCha20Poly1305::new((&**key).into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound })
        .ok()
}

/// Where an entry stands: it cannot be moved to another's place.
fn bound(log_id: Uuid, recorded_at: DateTime<Utc>, leaf: LeafName) -> Vec<u8> {
    let mut bytes = b"agora/security-audit/v1,".to_vec();
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
    let user_names: Vec<KeyName> = whose
        .iter()
        .flatten()
        .filter_map(|whose| Some((Subject::from(whose.user?), PersonalCategory::Network)))
        .collect();
    let users = vault.find(&user_names).await?;
    let opened = rows.iter().zip(whose).zip(&leaf_names).map(|((row, whose), leaf)| {
        let whose = whose?;
        let key = match whose.user {
            Some(user) => users.get(&(Subject::from(user), PersonalCategory::Network))?,
            None => leaves.get(leaf)?,
        };
        let SubjectKey::Present(key) = key else { return None };
        let bound = bound(row.log_id, row.recorded_at, row.leaf());
        serde_json::from_slice(&decrypt(key, &other(whose.nonce), whose.content, &bound)?).ok()
    });
    Ok(opened.collect())
}

/// A sealed entry, taken apart.
struct Whose<'r> {
    nonce: [u8; NONCE],
    user: Option<Uuid>,
    content: &'r [u8],
}

impl<'r> Whose<'r> {
    fn of(row: &'r Row, leaf: &Key) -> Option<Self> {
        let (head, rest) = row.sealed.as_deref()?.split_at_checked(2)?;
        let (nonce, rest) = rest.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        match head {
            [VERSION, 0] => Some(Self { nonce, user: None, content: rest }),
            [VERSION, 1] => {
                let (whose, content) = rest.split_at_checked(WHOSE)?;
                let bound = bound(row.log_id, row.recorded_at, row.leaf());
                let user = Uuid::from_slice(&decrypt(leaf, &nonce, whose, &bound)?).ok()?;
                Some(Self { nonce, user: Some(user), content })
            }
            _ => None,
        }
    }
}
