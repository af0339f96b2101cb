//! The secrets that mails carry: who sends one back reads the mail of an address (CRD-12).
//!
//! A token is `base64url(request id ‖ credential id ‖ HMAC-SHA-256)`. Nothing of it is stored: the
//! process that sends the mail makes it from the log and from a key that is in no database, and the
//! command makes it again to compare (ADR 10). 256 bits stand between a guess and a hit.

use std::str::FromStr;

use agora_domain::{
    Actor, RuleBreak,
    identity::credential::Credential,
    ids::{CredentialId, EmailConfirmationId, ExportJobId, PasswordResetId},
};
use agora_service::problem::Problem;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{app::Parts, refusal::CommandError};

const BYTES: usize = 16 + 16 + 32;

/// A token as it came; whether it is one of ours, [`Parts`] tells.
#[derive(Clone)]
pub struct MailToken {
    request_id: Uuid,
    pub credential_id: CredentialId,
    mac: [u8; 32],
}

impl MailToken {
    pub fn password_reset_id(&self) -> PasswordResetId {
        PasswordResetId(self.request_id)
    }

    pub fn confirmation_id(&self) -> EmailConfirmationId {
        EmailConfirmationId(self.request_id)
    }
}

impl FromStr for MailToken {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        let broken = RuleBreak::new("CRD-12", "must be the token of a mail, whole");
        let mut bytes = Zeroizing::new([0; BYTES]);
        match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()) {
            Ok(BYTES) => {}
            _ => return Err(broken),
        }
        let uuid = |from: usize| Uuid::from_slice(&bytes[from..from + 16]).unwrap_or_default();
        let mut mac = [0; 32];
        mac.copy_from_slice(&bytes[32..]);
        Ok(Self { request_id: uuid(0), credential_id: CredentialId(uuid(16)), mac })
    }
}

/// What lets a person download its data, as it came.
#[derive(Clone)]
pub struct ExportToken(Zeroizing<String>);

impl FromStr for ExportToken {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        // 256 bits in base64url.
        let is_one = text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let broken = RuleBreak::new("DXR-06", "must be the token of an export, whole");
        if is_one { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(broken) }
    }
}

impl Parts {
    /// Bound to the password and the address, so that a change of either voids it; none where
    /// nobody can log in with the credential.
    pub fn password_reset_token(
        &self,
        reset_id: PasswordResetId,
        credential_id: CredentialId,
        credential: &Credential,
    ) -> Option<Zeroizing<String>> {
        let mac = self.password_reset_mac(reset_id, credential_id, credential)?;
        Some(token(reset_id.0, credential_id, mac))
    }

    pub fn verify_password_reset(
        &self,
        token: &MailToken,
        credential: &Credential,
    ) -> Result<(), CommandError> {
        let mac =
            self.password_reset_mac(token.password_reset_id(), token.credential_id, credential);
        if fits(mac, token) {
            return Ok(());
        }
        let detail = "The token is wrong, or was used or replaced: ask for a new one.";
        Err(Problem::rule_broken("CRD-12", detail).into())
    }

    fn password_reset_mac(
        &self,
        reset_id: PasswordResetId,
        credential_id: CredentialId,
        credential: &Credential,
    ) -> Option<Hmac<Sha256>> {
        let (password_hash, email) = credential.password_hash().zip(credential.email())?;
        let mut mac = self.mail_mac("password-reset", reset_id.0, credential_id);
        mac.update(password_hash.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(email.folded().as_bytes());
        Some(mac)
    }

    pub fn email_confirmation_token(
        &self,
        confirmation_id: EmailConfirmationId,
        credential_id: CredentialId,
    ) -> Zeroizing<String> {
        let mac = self.mail_mac("email-confirmation", confirmation_id.0, credential_id);
        token(confirmation_id.0, credential_id, mac)
    }

    pub fn verify_email_confirmation(&self, token: &MailToken) -> Result<(), CommandError> {
        let confirmation_id = token.confirmation_id();
        let mac = self.mail_mac("email-confirmation", confirmation_id.0, token.credential_id);
        if fits(Some(mac), token) { Ok(()) } else { Err(wrong_confirmation()) }
    }

    /// What lets one person download one export of its own data: 256 bits (DXR-06). Whoever sends it
    /// by mail makes it again.
    pub fn export_token(&self, job_id: ExportJobId, subject: Actor) -> Zeroizing<String> {
        let mut mac = self.keyed("export-download");
        mac.update(job_id.0.as_bytes());
        mac.update(subject.to_string().as_bytes());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Whether a token is the one of which this is the hash, in constant time.
    pub fn is_export_token(&self, token: &ExportToken, sha256: &str) -> bool {
        let keyed = |hash: &str| {
            let mut mac = self.keyed("export-token-hash");
            mac.update(hash.as_bytes());
            mac.finalize()
        };
        keyed(&export_token_sha256(&token.0)) == keyed(sha256)
    }

    fn keyed(&self, purpose: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.mail_key.as_ref())
            .expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.update(b"\0");
        mac
    }

    fn mail_mac(
        &self,
        purpose: &str,
        request_id: Uuid,
        credential_id: CredentialId,
    ) -> Hmac<Sha256> {
        let mut mac = self.keyed(purpose);
        mac.update(request_id.as_bytes());
        mac.update(credential_id.0.as_bytes());
        mac
    }
}

/// As the log keeps it: in hexadecimal.
pub fn export_token_sha256(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn token(request_id: Uuid, credential_id: CredentialId, mac: Hmac<Sha256>) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    bytes[..16].copy_from_slice(request_id.as_bytes());
    bytes[16..32].copy_from_slice(credential_id.0.as_bytes());
    bytes[32..].copy_from_slice(&mac.finalize().into_bytes());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()))
}

/// In constant time.
fn fits(mac: Option<Hmac<Sha256>>, token: &MailToken) -> bool {
    mac.is_some_and(|mac| mac.verify_slice(&token.mac).is_ok())
}

/// The same words for a wrong token and for a wrong password beside it.
pub fn wrong_confirmation() -> CommandError {
    let detail = "The token or the password is wrong, or the token was used or replaced.";
    Problem::rule_broken("CRD-12", detail).into()
}
