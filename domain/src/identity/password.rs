//! Passwords: what may be chosen (CRD-06 to CRD-08), what was typed, and the hash that is kept.
//!
//! No rule of composition, no normalisation, no truncation: a password is verified exactly as it was
//! received (ASVS 5.0 §6.2.5, §6.2.8).

use std::{collections::HashSet, fmt, str::FromStr, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::refusal::RuleBreak;

/// The fewest characters of a new password by default (CRD-06).
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// No configuration goes below this (CRD-06; ASVS 5.0 §6.2.1).
pub const PASSWORD_CHARACTERS_MIN_FLOOR: usize = 8;
/// Far more than the 64 that CRD-07 asks for, and little enough to hash at once.
pub const PASSWORD_CHARACTERS_MAX: usize = 1_024;

/// In lower case, one a line. How the list is made stands in `tests/common_passwords.rs`, which also
/// fails where the list is not what that makes.
const COMMON_PASSWORDS_TEXT: &str = include_str!("common_passwords.txt");

static COMMON_PASSWORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| COMMON_PASSWORDS_TEXT.lines().collect());

/// A password that somebody may choose.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<str>);

impl Password {
    /// `characters_min` is the configured minimum; below the floor, the floor counts.
    pub fn parse_with_min(raw: &str, characters_min: usize) -> Result<Self, RuleBreak> {
        let characters = raw.chars().count();
        if characters < characters_min.max(PASSWORD_CHARACTERS_MIN_FLOOR) {
            return Err(RuleBreak::new(
                "CRD-06",
                "must have more characters: at least 12, unless configured otherwise",
            ));
        }
        if characters > PASSWORD_CHARACTERS_MAX {
            return Err(RuleBreak::new("CRD-07", "must have at most 1,024 characters"));
        }
        if is_common(raw) {
            return Err(RuleBreak::new(
                "CRD-08",
                "is among the passwords that are tried first: choose another",
            ));
        }
        Ok(Self(raw.into()))
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// With the default minimum.
impl FromStr for Password {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        Self::parse_with_min(raw, PASSWORD_CHARACTERS_MIN)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Whoever tries the list also tries it in capitals.
fn is_common(raw: &str) -> bool {
    COMMON_PASSWORDS.contains(raw.to_lowercase().as_str())
}

/// A password as typed to log in: only verified, so it need not be one that may be chosen today. The
/// limit keeps the cost of hashing bounded.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordAttempt(Box<str>);

impl PasswordAttempt {
    /// The bytes to verify.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for PasswordAttempt {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        if raw.chars().count() > PASSWORD_CHARACTERS_MAX {
            return Err(RuleBreak::new("CRD-07", "must have at most 1,024 characters"));
        }
        Ok(Self(raw.into()))
    }
}

impl fmt::Debug for PasswordAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordAttempt(…)")
    }
}

/// What is kept of a password: a PHC string of Argon2id, or of bcrypt where imported (CRD-02).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// For the verifier only: a hash leaves through no API, log or export (CRD-03).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasswordHash {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let known = ["$argon2id$", "$2a$", "$2b$", "$2y$"];
        if !known.iter().any(|prefix| raw.len() > prefix.len() && raw.starts_with(prefix)) {
            return Err(RuleBreak::new("CRD-02", "must be a PHC string of Argon2id or bcrypt"));
        }
        Ok(Self(raw.into()))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(length: usize) -> String {
        "æ".repeat(length)
    }

    #[test]
    fn crd_06_twelve_characters_by_default_and_never_fewer_than_eight() {
        assert_eq!(of(11).parse::<Password>().unwrap_err().rule, Some("CRD-06"));
        assert!(of(12).parse::<Password>().is_ok());
        for (min, length, accepted) in [
            (8, 7, false),
            (8, 8, true),
            (0, 7, false),
            (0, 8, true),
            (15, 14, false),
            (15, 15, true),
        ] {
            let parsed = Password::parse_with_min(&of(length), min);
            assert_eq!(parsed.is_ok(), accepted, "minimum {min}, length {length}");
        }
    }

    #[test]
    fn crd_07_long_ones_are_accepted_and_none_is_truncated() {
        for (length, accepted) in [(64, true), (1_024, true), (1_025, false)] {
            assert_eq!(of(length).parse::<Password>().is_ok(), accepted, "{length}");
            assert_eq!(of(length).parse::<PasswordAttempt>().is_ok(), accepted, "{length}");
        }
        let long: Password = of(1_024).parse().unwrap();
        assert_eq!(long.as_bytes(), of(1_024).as_bytes());
    }

    #[test]
    fn crd_07_a_password_is_taken_exactly_as_received() {
        for raw in
            ["  spaces at the ends  ", "e\u{301}e\u{301}e\u{301} decomposed", "tab\tand\nline"]
        {
            assert_eq!(raw.parse::<Password>().unwrap().as_bytes(), raw.as_bytes());
            assert_eq!(raw.parse::<PasswordAttempt>().unwrap().as_bytes(), raw.as_bytes());
        }
        assert!("all lower case words".parse::<Password>().is_ok(), "no rule of composition");
    }

    #[test]
    fn crd_08_common_passwords_are_refused_in_any_case() {
        for common in
            ["password1234", "Password1234", "QWERTYUIOPAS", "123456789012", "iloveyou2024"]
        {
            assert_eq!(common.parse::<Password>().unwrap_err().rule, Some("CRD-08"), "{common}");
        }
        assert!("correct horse battery".parse::<Password>().is_ok());
        assert!("password".parse::<PasswordAttempt>().is_ok(), "an old one still logs in");
    }

    #[test]
    fn crd_08_at_least_3000_of_the_list_are_long_enough_to_be_chosen() {
        let long = |min| COMMON_PASSWORDS.iter().filter(|word| word.chars().count() >= min).count();
        assert!(long(PASSWORD_CHARACTERS_MIN) >= 3_000);
        assert_eq!(long(PASSWORD_CHARACTERS_MIN_FLOOR), COMMON_PASSWORDS.len());
        assert!(COMMON_PASSWORDS.iter().all(|word| *word == word.to_lowercase()));
    }

    #[test]
    fn crd_02_a_hash_is_of_argon2id_or_bcrypt() {
        for good in ["$argon2id$v=19$m=47104,t=1,p=1$c2FsdA$aGFzaA", "$2b$12$abcdefghijkl"] {
            assert!(good.parse::<PasswordHash>().is_ok());
        }
        for bad in ["", "password1234", "$argon2i$v=19$", "$1$md5", "$argon2id$", "$2x$12$abc"] {
            assert_eq!(bad.parse::<PasswordHash>().unwrap_err().rule, Some("CRD-02"), "{bad}");
        }
    }

    #[test]
    fn crd_02_debug_shows_neither_password_nor_hash() {
        let hash: PasswordHash = "$argon2id$secret".parse().unwrap();
        let password: Password = "a secret to keep".parse().unwrap();
        let attempt: PasswordAttempt = "a secret to keep".parse().unwrap();
        assert!(!format!("{hash:?}{password:?}{attempt:?}").contains("secret"));
    }
}
