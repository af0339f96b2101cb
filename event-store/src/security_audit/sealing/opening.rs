//! Sealed entries, opened again.

use std::net::IpAddr;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Content, Indexes, NONCE, VERSION, WHOSE, bound_to_leaf, index_of_address, index_of_session,
    index_of_user, of_person,
};
use crate::{
    Vault,
    security_audit::Row,
    vault::{Key, KeyName, SubjectKey, VaultError},
};

/// As entries were sealed at first, each by itself: their content as JSON.
pub(super) const VERSION_OF_JSON: u8 = 1;
/// As the first, in postcard's format; nonces of one person's entries begin alike, and their id is sealed once.
const VERSION_OF_EACH: u8 = 2;

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

/// Opens entries that are filled in (`fill_in`); none where a key is gone, and with it what was personal
/// (SAL-08).
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
        let (SubjectKey::Present(key), Some(SubjectKey::Present(leaf))) = (key, leaves.get(leaf))
        else {
            return None;
        };
        whose.open(row, leaf, key)
    });
    Ok(opened.collect())
}

/// A sealed entry, taken apart.
pub(super) struct Whose<'r> {
    version: u8,
    nonce: [u8; NONCE],
    pub(super) user: Option<Uuid>,
    content: &'r [u8],
}

impl<'r> Whose<'r> {
    pub(super) fn of(row: &'r Row, leaf: &Key) -> Option<Self> {
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
                let to_leaf = |what| bound_to_leaf(what, row.leaf());
                let whose = match version {
                    VERSION_OF_JSON => decrypt(leaf, &nonce, whose, &bound_to_entry(version, row)),
                    VERSION_OF_EACH => decrypt(leaf, &first_of(nonce), whose, &to_leaf("whose/v2")),
                    _ => decrypt(leaf, &nonce, whose, &to_leaf("whose/v3")),
                };
                (Some(Uuid::from_slice(&whose?).ok()?), content)
            }
        };
        Some(Self { version, nonce, user, content })
    }

    pub(super) fn open(self, row: &Row, leaf: &Key, key: &Key) -> Option<Opened> {
        let (nonce, bound) = match self.version {
            VERSION_OF_JSON => (other(self.nonce), bound_to_entry(self.version, row)),
            VERSION_OF_EACH => (self.nonce, bound_to_entry(self.version, row)),
            _ => (self.nonce, bound_to_leaf("client/v3", row.leaf())),
        };
        let content = decrypt(key, &nonce, self.content, &bound)?;
        if self.version == VERSION_OF_JSON {
            return serde_json::from_slice(&content).ok();
        }
        let opened = postcard::from_bytes::<Content<'_>>(&content).ok()?.opened(self.user);
        (self.version < VERSION || opened.is_of(row, leaf, key)).then_some(opened)
    }
}

impl Opened {
    /// Whether an entry is found by what it says: it is bound to the leaf, so it may have been moved to another's.
    fn is_of(&self, row: &Row, leaf: &Key, key: &Key) -> bool {
        let made = Indexes {
            user: self.user.map(|_| index_of_user(key)),
            ip: self.ip.map(|address| index_of_address(leaf, address)),
            session: self.session.as_ref().map(|hash| index_of_session(leaf, hash)),
        };
        made == Indexes { user: row.user_key, ip: row.ip_key, session: row.session_key }
    }
}

/// Where an entry stands: what the first two versions have sealed opens in its own place alone.
pub(super) fn bound_to_entry(version: u8, row: &Row) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(b"agora/security-audit/v");
    bytes.extend_from_slice(&[b'0' + version, b',']);
    bytes.extend_from_slice(row.log_id.as_bytes());
    bytes.extend_from_slice(&row.recorded_at.timestamp_micros().to_be_bytes());
    bytes.extend_from_slice(row.leaf().category.as_str().as_bytes());
    bytes
}

fn decrypt(key: &Key, nonce: &[u8; NONCE], sealed: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
    XChaCha20Poly1305::new((&**key).into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound })
        .ok()
}

/// A second nonce beside the first, in the version of JSON.
pub(super) fn other(mut nonce: [u8; NONCE]) -> [u8; NONCE] {
    nonce[NONCE - 1] ^= 1;
    nonce
}

/// The one that a person's others follow, in the second version.
fn first_of(mut nonce: [u8; NONCE]) -> [u8; NONCE] {
    nonce[NONCE - 4..].fill(0);
    nonce
}
