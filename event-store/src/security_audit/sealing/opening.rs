//! Sealed entries, opened again.

use std::net::IpAddr;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{Content, NONCE, VERSION, WHOSE, bound, bound_to_leaf, first_of, of_person};
use crate::{
    Vault,
    security_audit::Row,
    vault::{Key, KeyName, SubjectKey, VaultError},
};

/// As entries were sealed at first: their content as JSON, with nonces of their own.
pub(super) const VERSION_OF_JSON: u8 = 1;

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
                let whose = match version {
                    VERSION_OF_JSON => decrypt(leaf, &nonce, whose, &bound_of(version, row)),
                    _ => decrypt(leaf, &first_of(nonce), whose, &bound_to_leaf(row.leaf())),
                };
                (Some(Uuid::from_slice(&whose?).ok()?), content)
            }
        };
        Some(Self { version, nonce, user, content })
    }

    pub(super) fn open(self, row: &Row, key: &Key) -> Option<Opened> {
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
