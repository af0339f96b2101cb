//! What lets a person have the file with its own data, beside a session of its own (DXR-06).
//!
//! Like those of mails, the token is derived (ADR 10): 256 bits of HMAC over the export and the
//! person, so that the mail that tells of the file can hold it. The log has its SHA-256 only.

use agora_domain::{Actor, ids::ExportJobId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::app::Parts;

impl Parts {
    /// The token of an export of a person's own data.
    pub fn export_token(&self, job_id: ExportJobId, subject: Actor) -> Zeroizing<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.mail_key.as_ref())
            .expect("HMAC takes keys of any length");
        mac.update(b"export\0");
        mac.update(job_id.0.as_bytes());
        mac.update(subject.to_string().as_bytes());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}
