//! The text form of a sealed value.

use std::fmt;

use agora_domain::{PersonalCategory, Subject};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::vault::Key;

const PREFIX: &str = "sealed:v1:";
const NONCE: usize = 24;
const SALT: usize = 16;

/// Where a value stands: what its ciphertext and its commitment are bound to.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub aggregate_type: &'a str,
    pub aggregate_id: &'a str,
    pub sequence: u64,
    pub field: &'a str,
}

impl Context<'_> {
    /// The parts as netstrings: no two contexts give the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let sequence = self.sequence.to_string();
        let mut bytes = Vec::with_capacity(128);
        for part in [self.aggregate_type, self.aggregate_id, &sequence, self.field] {
            bytes.extend_from_slice(part.len().to_string().as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(b',');
        }
        bytes
    }
}

/// A sealed value, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedText {
    pub category: PersonalCategory,
    pub subject: Subject,
    pub sequence: u64,
    /// Nonce and ciphertext.
    sealed: Vec<u8>,
    pub commitment: [u8; 32],
}

impl SealedText {
    pub(crate) fn is(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split(':');
        let category = PersonalCategory::parse(parts.next()?)?;
        let subject = Subject::from(parts.next()?);
        let sequence = parts.next()?.parse().ok()?;
        let sealed = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let commitment = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        (parts.next().is_none() && sealed.len() > NONCE).then_some(Self {
            category,
            subject,
            sequence,
            sealed,
            commitment,
        })
    }

    pub(super) fn seal(
        context: &Context<'_>,
        subject: &Subject,
        category: PersonalCategory,
        key: &Key,
        value: &Value,
    ) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "nonces and salts are made here, by a cryptographic generator that the operating system seeds"
        )]
        let random: [u8; NONCE + SALT] = rand::random();
        let (nonce, salt) = random.split_at(NONCE);
        let nonce: [u8; NONCE] = nonce.try_into().expect("split at the nonce's length");
        let mut content = salt.to_vec();
        content.extend_from_slice(value.to_string().as_bytes());
        let bound = context.bytes();
        let commitment = commitment(salt, &bound, &content[SALT..]);
        let ciphertext = XChaCha20Poly1305::new((&**key).into())
            .encrypt(&XNonce::from(nonce), Payload { msg: &content, aad: &bound })
            .expect("a command's value is within the cipher's limits");
        let sealed = [nonce.as_slice(), &ciphertext].concat();
        Self { category, subject: subject.clone(), sequence: context.sequence, sealed, commitment }
    }

    /// The value; `None` where the text does not belong here or has been changed.
    pub(super) fn open(&self, context: &Context<'_>, key: &Key) -> Option<Value> {
        serde_json::from_slice(self.content(context, key)?.get(SALT..)?).ok()
    }

    /// What proves the value to somebody who has the log but not the key.
    pub(super) fn disclose(&self, context: &Context<'_>, key: &Key) -> Option<Disclosure> {
        let content = self.content(context, key)?;
        let (salt, value) = content.split_at_checked(SALT)?;
        Some(Disclosure {
            salt: salt.try_into().ok()?,
            value: String::from_utf8(value.to_vec()).ok()?,
        })
    }

    /// Whether a disclosed value is the one that was sealed here (ESX-16). Needs no key.
    pub fn proves(&self, context: &Context<'_>, disclosure: &Disclosure) -> bool {
        let value = disclosure.value.as_bytes();
        commitment(&disclosure.salt, &context.bytes(), value) == self.commitment
    }

    /// Salt and value, where the text belongs here and has not been changed.
    fn content(&self, context: &Context<'_>, key: &Key) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = self.sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let bound = context.bytes();
        let content = XChaCha20Poly1305::new((&**key).into())
            .decrypt(&XNonce::from(nonce), Payload { msg: ciphertext, aad: &bound })
            .ok()?;
        let (salt, value) = content.split_at_checked(SALT)?;
        (commitment(salt, &bound, value) == self.commitment).then_some(content)
    }
}

/// A value with the salt of its commitment: shown together they prove that the value stands in the
/// log, and tell nothing of any other.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    pub salt: [u8; SALT],
    /// The value's JSON, byte for byte as it was sealed.
    pub value: String,
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disclosure(redacted)")
    }
}

fn commitment(salt: &[u8], context: &[u8], value: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"agora/commitment/v1,");
    hash.update(salt);
    hash.update(context);
    hash.update(value);
    hash.finalize().into()
}

impl fmt::Display for SealedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PREFIX}{}:{}:{}:{}:{}",
            self.category.as_str(),
            self.subject,
            self.sequence,
            URL_SAFE_NO_PAD.encode(&self.sealed),
            URL_SAFE_NO_PAD.encode(self.commitment)
        )
    }
}

#[cfg(test)]
mod tests;
