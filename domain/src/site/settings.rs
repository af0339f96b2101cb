//! The registry of settings: the configuration keys that the platform itself reads, with what their
//! values may be (CFG-07). A limit that configuration sets is never wider than the rule's own (CFG-08).
//! Any other key may hold any text; nothing here reads it.

use super::configuration::Configuration;

/// Whether a key's name says that its value is a secret. The configuration is read by every admin and
/// stands in the log in the clear: it is no place for one (CFG-05).
pub fn names_a_secret(key: &str) -> bool {
    ["secret", "password", "passwd", "token", "credential", "private", "api_key", "apikey"]
        .iter()
        .any(|part| key.contains(part))
}

/// A key that the platform reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    pub kind: Kind,
    /// Shown to everybody: clients need it.
    pub is_public: bool,
    /// What it does, for those who set it.
    pub about: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag { default: bool },
    /// A whole number, as decimal digits.
    Number { default: u32, min: u32, max: u32 },
}

pub static ALLOW_GUEST_COMMENTS: Setting = Setting {
    key: "allow_guest_comments",
    kind: Kind::Flag { default: false },
    is_public: true,
    about: "Whether guests may comment (CMT-09)",
};

pub static ALLOW_GUEST_VOTES: Setting = Setting {
    key: "allow_guest_votes",
    kind: Kind::Flag { default: false },
    is_public: true,
    about: "Whether guests may vote on comments (CVT-06)",
};

pub static ENABLE_VOTING: Setting = Setting {
    key: "enable_voting",
    kind: Kind::Flag { default: true },
    is_public: true,
    about: "Whether votes on posts and comments are taken",
};

pub static EXTENDED_DELETION_GROUNDS: Setting = Setting {
    key: "extended_deletion_grounds",
    kind: Kind::Flag { default: false },
    is_public: true,
    about: "Whether an erasure may also be asked for on the grounds LEGAL_OBLIGATION and \
            SERVICE_OFFERED_TO_CHILD, Art. 17(1)(e) and (f) GDPR (K17)",
};

pub static POSTING_REQUIRES_MEMBERSHIP: Setting = Setting {
    key: "posting_requires_membership",
    kind: Kind::Flag { default: true },
    is_public: true,
    about: "Whether a member must have joined a community to post in it (PST-13)",
};

pub static MAX_POST_LENGTH: Setting = Setting {
    key: "max_post_length",
    kind: Kind::Number { default: 10_000, min: 10, max: 10_000 },
    is_public: true,
    about: "The most characters of a post's body (PST-02)",
};

pub static MAX_COMMENT_LENGTH: Setting = Setting {
    key: "max_comment_length",
    kind: Kind::Number { default: 2_000, min: 2, max: 2_000 },
    is_public: true,
    about: "The most characters of a comment (CMT-01)",
};

pub static MAX_CONCURRENT_SESSIONS: Setting = Setting {
    key: "max_concurrent_sessions",
    kind: Kind::Number { default: 10, min: 1, max: 100 },
    is_public: false,
    about: "Sessions of one principal at once; the oldest ends when there would be more (SES-07)",
};

pub static MAX_URI_LENGTH: Setting = Setting {
    key: "max_uri_length",
    kind: Kind::Number { default: 2_048, min: 1, max: 80_000 },
    is_public: true,
    about: "The most characters of a URI (K28)",
};

pub static MINIMUM_AGE: Setting = Setting {
    key: "minimum_age",
    kind: Kind::Number { default: 0, min: 0, max: 21 },
    is_public: true,
    about: "The age that whoever registers has to attest: 13 in Norway (Art. 8 GDPR); 0 asks nobody \
            (LAW-11)",
};

pub static RATE_LIMIT_ADDRESS_LOGIN: Setting = Setting {
    key: "rate_limit_address_login",
    kind: Kind::Number { default: 120, min: 0, max: 1_000_000 },
    is_public: false,
    about: "Logins, registrations and mails that one address may ask for in a minute; 0 is no limit",
};

pub static RATE_LIMIT_ADDRESS_READ: Setting = Setting {
    key: "rate_limit_address_read",
    kind: Kind::Number { default: 6_000, min: 0, max: 1_000_000 },
    is_public: false,
    about: "Reads of one address in a minute; 0 is no limit",
};

pub static RATE_LIMIT_ADDRESS_SEARCH: Setting = Setting {
    key: "rate_limit_address_search",
    kind: Kind::Number { default: 600, min: 0, max: 1_000_000 },
    is_public: false,
    about: "Searches of one address in a minute; 0 is no limit",
};

pub static RATE_LIMIT_ADDRESS_WRITE: Setting = Setting {
    key: "rate_limit_address_write",
    kind: Kind::Number { default: 3_000, min: 0, max: 1_000_000 },
    is_public: false,
    about: "Commands of one address in a minute; 0 is no limit",
};

pub static RATE_LIMIT_PRINCIPAL_READ: Setting = Setting {
    key: "rate_limit_principal_read",
    kind: Kind::Number { default: 6_000, min: 0, max: 1_000_000 },
    is_public: false,
    about: "Reads of one principal in a minute; 0 is no limit",
};

pub static RATE_LIMIT_PRINCIPAL_SEARCH: Setting = Setting {
    key: "rate_limit_principal_search",
    kind: Kind::Number { default: 600, min: 0, max: 1_000_000 },
    is_public: false,
    about: "Searches of one principal in a minute; 0 is no limit",
};

pub static RATE_LIMIT_PRINCIPAL_WRITE: Setting = Setting {
    key: "rate_limit_principal_write",
    kind: Kind::Number { default: 3_000, min: 0, max: 1_000_000 },
    is_public: false,
    about: "Commands of one principal in a minute; 0 is no limit",
};

pub static REGISTRATION_REQUIRES_CONFIRMATION: Setting = Setting {
    key: "registration_requires_confirmation",
    kind: Kind::Flag { default: false },
    is_public: true,
    about: "Whether an account is made only when its e-mail address has been confirmed (CRD-09)",
};

pub static ALL: [&Setting; 18] = [
    &ALLOW_GUEST_COMMENTS,
    &ALLOW_GUEST_VOTES,
    &ENABLE_VOTING,
    &EXTENDED_DELETION_GROUNDS,
    &MAX_COMMENT_LENGTH,
    &MAX_CONCURRENT_SESSIONS,
    &MAX_POST_LENGTH,
    &MAX_URI_LENGTH,
    &MINIMUM_AGE,
    &POSTING_REQUIRES_MEMBERSHIP,
    &RATE_LIMIT_ADDRESS_LOGIN,
    &RATE_LIMIT_ADDRESS_READ,
    &RATE_LIMIT_ADDRESS_SEARCH,
    &RATE_LIMIT_ADDRESS_WRITE,
    &RATE_LIMIT_PRINCIPAL_READ,
    &RATE_LIMIT_PRINCIPAL_SEARCH,
    &RATE_LIMIT_PRINCIPAL_WRITE,
    &REGISTRATION_REQUIRES_CONFIRMATION,
];

/// Why a value is not one of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongValue {
    NoFlag,
    NoNumber,
    OutOfRange { min: u32, max: u32 },
}

impl Setting {
    pub fn find(key: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|setting| setting.key == key)
    }

    /// Whether a value may be set.
    pub fn check(&self, value: &str) -> Result<(), WrongValue> {
        match self.kind {
            Kind::Flag { .. } => value.parse::<bool>().map(drop).map_err(|_| WrongValue::NoFlag),
            Kind::Number { min, max, .. } => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                match value.parse::<u32>() {
                    Ok(number) if digits && (min..=max).contains(&number) => Ok(()),
                    Ok(_) if digits => Err(WrongValue::OutOfRange { min, max }),
                    _ => Err(WrongValue::NoNumber),
                }
            }
        }
    }

    /// The value where nothing is set.
    pub fn default_text(&self) -> String {
        match self.kind {
            Kind::Flag { default } => default.to_string(),
            Kind::Number { default, .. } => default.to_string(),
        }
    }

    /// What is set, if it is a value of this setting: one that was stored before the setting knew
    /// its bounds is none.
    fn valid<'c>(&self, configuration: &'c Configuration) -> Option<&'c str> {
        configuration.value().filter(|value| self.check(value).is_ok())
    }

    /// Whether a flag is set; the default where nothing is.
    pub fn flag(&self, configuration: &Configuration) -> bool {
        let default = matches!(self.kind, Kind::Flag { default: true });
        self.valid(configuration).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// The number that a text sets, or the default where there is none or it is no value of this setting.
    pub fn number_or_default(&self, text: Option<&str>) -> u32 {
        let set = text.filter(|text| self.check(text).is_ok()).and_then(|text| text.parse().ok());
        set.unwrap_or(match self.kind {
            Kind::Number { default, .. } => default,
            Kind::Flag { .. } => 0,
        })
    }

    /// The number that is set; none where nothing is.
    pub fn number(&self, configuration: &Configuration) -> Option<u32> {
        self.valid(configuration).and_then(|value| value.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cfg_07_a_known_key_takes_only_values_of_its_kind() {
        for (value, taken) in [("true", true), ("false", true), ("True", false), ("1", false)] {
            assert_eq!(ENABLE_VOTING.check(value).is_ok(), taken, "{value}");
        }
        for value in ["", "+5", " 5", "5.0", "ten", "99999999999999999999"] {
            assert_eq!(MAX_POST_LENGTH.check(value), Err(WrongValue::NoNumber), "{value}");
        }
    }

    #[test]
    fn cfg_08_a_limit_is_never_wider_than_the_rules_own() {
        for (setting, most) in [(&MAX_POST_LENGTH, 10_000_u32), (&MAX_COMMENT_LENGTH, 2_000)] {
            assert_eq!(setting.check(&most.to_string()), Ok(()));
            let beyond = setting.check(&(most + 1).to_string());
            assert!(matches!(beyond, Err(WrongValue::OutOfRange { .. })));
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_setting_and_no_key_stands_twice() {
        for (index, setting) in ALL.into_iter().enumerate() {
            assert_eq!(setting.check(&setting.default_text()), Ok(()), "{}", setting.key);
            assert!(ALL[..index].iter().all(|before| before.key < setting.key), "in order");
        }
    }
}
