//! The certificate of an erasure: a statement without personal data, signed with Ed25519 (DDR-17).
//!
//! The key is `AGORA_HOME/erasure-signing.key`, made when it is needed first. Whoever has the public key
//! can check a certificate with any tool that knows Ed25519: the signature is over the statement's bytes.
//! That the events which it names are in the log is proven by the log's own proofs of inclusion, once the
//! log is signed.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use agora_domain::compliance::{
    deletion_request::{Certificate, Request},
    deletion_values::StepResult,
};
use agora_event_store::Position;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde_json::json;
use zeroize::Zeroizing;

const FILE_NAME: &str = "erasure-signing.key";

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the signing key {FILE_NAME}: {0}")]
    Io(#[from] io::Error),
    #[error("the signing key {FILE_NAME} must hold 64 hexadecimal digits")]
    Malformed,
    #[error("the signing key {FILE_NAME} can be read by others: give it the mode 0600")]
    Exposed,
    #[error("the operating system gave no randomness")]
    NoRandomness,
    #[error("the statement cannot be written")]
    Statement,
}

/// The key that certificates are signed with.
pub struct Signer(SigningKey);

impl Signer {
    /// The key of a state folder, made where there is none yet.
    ///
    /// # Errors
    /// Where it cannot be read or made.
    pub fn of_home(home: &Path) -> Result<Self, SignError> {
        let path = home.join(FILE_NAME);
        match Self::load(&path) {
            Err(SignError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Self::make(home, &path)?;
                Self::load(&path)
            }
            loaded => loaded,
        }
    }

    fn load(path: &Path) -> Result<Self, SignError> {
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            return Err(SignError::Exposed);
        }
        let text = Zeroizing::new(fs::read_to_string(path)?);
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), seed.as_mut()).map_err(|_| SignError::Malformed)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Whole or not at all; where another process makes one at the same time, that one counts.
    fn make(home: &Path, path: &Path) -> Result<(), SignError> {
        fs::create_dir_all(home)?;
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| SignError::NoRandomness)?;
        let unfinished = home.join(format!(".{FILE_NAME}.{}", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(Zeroizing::new(hex::encode(&seed[..])).as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        let linked = fs::hard_link(&unfinished, path);
        fs::remove_file(&unfinished)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
            _ => Ok(fs::File::open(home)?.sync_all()?),
        }
    }

    /// Says what was erased, and signs it. `position` is where the log says that the keys were
    /// destroyed.
    ///
    /// # Errors
    /// Never, as far as is known: a statement can always be written.
    pub fn certify(
        &self,
        request: &Request,
        position: Position,
        at: DateTime<Utc>,
    ) -> Result<Certificate, SignError> {
        let stores: Vec<_> = request
            .steps
            .iter()
            .filter(|step| step.result == StepResult::Done)
            .map(|step| json!({ "store": step.store, "at": step.at, "code": step.code }))
            .collect();
        let retained = request.retention.as_ref().map(|retention| {
            json!({
                "ground": retention.ground,
                "article": retention.ground.article(),
                "categories": retention.categories,
            })
        });
        let statement = json!({
            "type": "agora/erasure-certificate/v1",
            "deletion_id": request.deletion_id,
            "deletion_scope": request.scope,
            "legal_ground": request.legal_ground,
            "erased_categories": request.erased_categories(),
            "destroyed_key_ids": request.key_ids(),
            "stores": stores,
            "retained": retained,
            "backup_deletion_status": request.backup_status,
            "requested_at": request.requested_at,
            "log_position": position,
            "issued_at": at.to_rfc3339_opts(SecondsFormat::Micros, true),
        });
        let statement = serde_json::to_string(&statement).map_err(|_| SignError::Statement)?;
        let signature = self.0.sign(statement.as_bytes());
        Ok(Certificate {
            statement: statement.into(),
            public_key: hex::encode(self.0.verifying_key().as_bytes()).into(),
            signature: STANDARD.encode(signature.to_bytes()).into(),
        })
    }
}

/// Whether a statement is exactly the one that was signed with the key whose public half this is.
pub fn verify(statement: &str, public_key: &str, signature: &str) -> bool {
    let check = || {
        let mut key = [0; 32];
        hex::decode_to_slice(public_key, &mut key).ok()?;
        let key = VerifyingKey::from_bytes(&key).ok()?;
        let signature = Signature::from_slice(&STANDARD.decode(signature).ok()?).ok()?;
        key.verify_strict(statement.as_bytes(), &signature).ok()
    };
    check().is_some()
}

#[cfg(test)]
mod tests;
