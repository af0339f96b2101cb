//! What a policy is described by: its version number, the hash of its text, the state of its review.

use std::{fmt, str::FromStr};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{exports::export_values::words, refusal::RuleBreak, values::PolicyContent};

words! {
    /// How far the legal review of a version has come (PPV-03).
    ReviewStatus, "PPV-03" "must be DRAFT, UNDER_REVIEW, APPROVED or PUBLISHED" {
        Draft => "DRAFT",
        UnderReview => "UNDER_REVIEW",
        Approved => "APPROVED",
        Published => "PUBLISHED",
    }
}

/// What people know a version by, such as `v3.2`; no two versions have the same (PPV-01).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionNumber(Box<str>);

impl VersionNumber {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VersionNumber {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins_well = raw.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        // `/v1/policies/current` is whichever holds.
        let is_free = raw != "current";
        if raw.len() <= 32 && begins_well && is_free && raw.bytes().all(plain) {
            return Ok(Self(raw.into()));
        }
        let says = "must be 1 to 32 letters, digits, `.`, `_` and `-`, the first a letter or a digit, \
                    and not `current`";
        Err(RuleBreak::new("PPV-01", says))
    }
}

/// SHA-256 of a policy's text as 64 hexadecimal digits. Only made from a text, so that no version can
/// have another's (PPV-02).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentHash(Box<str>);

impl ContentHash {
    pub fn of(text: &PolicyContent) -> Self {
        let digest = Sha256::digest(text.as_str().as_bytes());
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An instant that a client names, in the microseconds that the log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedInstant(pub DateTime<Utc>);

impl FromStr for NamedInstant {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let says = "must be a time such as 2026-01-31T12:00:00Z (RFC 3339)";
        let at = DateTime::parse_from_rfc3339(raw).map_err(|_| RuleBreak::malformed(says))?;
        Ok(Self(at.to_utc().trunc_subsecs(6)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ppv_01_a_version_number_is_short_and_plain() {
        for (text, taken) in [
            ("v3.2", true),
            ("2026-01", true),
            ("1", true),
            (&"v".repeat(32), true),
            (&"v".repeat(33), false),
            ("", false),
            (".1", false),
            ("v 1", false),
            ("v1/", false),
            ("v1\u{200b}", false),
            ("current", false),
        ] {
            assert_eq!(text.parse::<VersionNumber>().is_ok(), taken, "{text}");
        }
    }

    #[test]
    fn ppv_02_the_hash_is_the_sha_256_of_the_text() {
        let text: PolicyContent = "abc".parse().unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(ContentHash::of(&text).as_str(), expected);
    }

    #[test]
    fn ppv_03_a_review_has_four_states() {
        for status in ReviewStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        for text in ["", "draft", "REJECTED", "ACTIVE"] {
            assert_eq!(text.parse::<ReviewStatus>().unwrap_err().rule, Some("PPV-03"));
        }
    }
}
