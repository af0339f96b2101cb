//! Value types of the identity context.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{refusal::RuleBreak, values::is_unprintable};

/// What an admin may do besides administering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminScope {
    Global,
    Security,
    Privacy,
    Legal,
    Auditor,
    Ops,
}

impl AdminScope {
    pub const ALL: [Self; 6] =
        [Self::Global, Self::Security, Self::Privacy, Self::Legal, Self::Auditor, Self::Ops];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Security => "security",
            Self::Privacy => "privacy",
            Self::Legal => "legal",
            Self::Auditor => "auditor",
            Self::Ops => "ops",
        }
    }
}

impl FromStr for AdminScope {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(RuleBreak::new(
            "ADM-06",
            "must be global, security, privacy, legal, auditor or ops",
        ))
    }
}

/// Why a session ended before its time, or that its time came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationCause {
    /// Its holder logged out.
    LoggedOut,
    /// Its holder ended it from another session, or an admin forced it (SES-06, SES-12).
    Revoked,
    /// A newer session took its place (SES-07).
    Superseded,
    Expired,
    PrincipalSuspended,
    PasswordChanged,
    /// The member was deleted, or the admin retired (SES-11).
    PrincipalRetired,
}

impl RevocationCause {
    pub const ALL: [Self; 7] = [
        Self::LoggedOut,
        Self::Revoked,
        Self::Superseded,
        Self::Expired,
        Self::PrincipalSuspended,
        Self::PasswordChanged,
        Self::PrincipalRetired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::PrincipalSuspended => "principal_suspended",
            Self::PasswordChanged => "password_changed",
            Self::PrincipalRetired => "principal_retired",
        }
    }
}

/// The most characters kept of what a device says of itself.
pub const DEVICE_INFO_CHARACTERS_MAX: usize = 1_000;

/// What a device says of itself at login (a `User-Agent`, mostly). No login fails for it: what does
/// not fit is cut off, what cannot be shown is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceInfo(Box<str>);

impl DeviceInfo {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for DeviceInfo {
    fn from(raw: &str) -> Self {
        let shown: String = raw
            .chars()
            .filter(|character| !is_unprintable(*character))
            .take(DEVICE_INFO_CHARACTERS_MAX)
            .collect();
        Self(shown.into_boxed_str())
    }
}

impl fmt::Debug for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceInfo({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adm_06_scopes_are_a_closed_list_and_stored_as_written() {
        for scope in AdminScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        for bad in ["", "Global", "root", "global "] {
            assert_eq!(bad.parse::<AdminScope>().unwrap_err().rule, Some("ADM-06"), "{bad}");
        }
    }

    #[test]
    fn causes_of_revocation_are_stored_as_written() {
        for cause in RevocationCause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
    }

    #[test]
    fn device_info_is_cut_and_cleaned_but_never_refused() {
        let long = DeviceInfo::from("å".repeat(1_001).as_str());
        assert_eq!(long.as_str().chars().count(), DEVICE_INFO_CHARACTERS_MAX);
        let dirty = DeviceInfo::from("Mozilla/5.0\0\u{1b}[31m\r\n\u{202E}(X11)");
        assert_eq!(dirty.as_str(), "Mozilla/5.0[31m(X11)");
        assert!(!format!("{dirty:?}").contains("Mozilla"));
    }
}
