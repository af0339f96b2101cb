//! One key of the configuration (E02). The stream is the key.
//!
//! Life cycle: set to a value any number of times, described → removed, which gives the platform's
//! default back; it may be set again, as a new entry. Each event carries the whole state, so a key
//! that changes often stays cheap to read.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::settings::{self, Setting, WrongValue};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::ConfigurationId,
    refusal::{Refusal, RefusalKind, RuleBreak},
    values::ConfigurationDescription,
};

/// A key: 1 to 64 characters of `a-z 0-9 _ .` (CFG-01).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigurationKey(Box<str>);

impl ConfigurationKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConfigurationKey {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.'
        };
        if (1..=64).contains(&raw.len()) && raw.bytes().all(plain) {
            Ok(Self(raw.into()))
        } else {
            let says = "must be 1 to 64 characters of the letters a to z, digits, `_` and `.`";
            Err(RuleBreak::new("CFG-01", says))
        }
    }
}

/// A value: any text up to 64 KiB, kept byte for byte (CFG-03).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigurationValue(Box<str>);

/// Bytes of a value (K33).
const VALUE_BYTES_MAX: usize = 64 << 10;

impl ConfigurationValue {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConfigurationValue {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        if raw.len() > VALUE_BYTES_MAX {
            return Err(RuleBreak::new("CFG-03", "must have at most 65,536 bytes"));
        }
        if raw.contains('\0') {
            return Err(RuleBreak::new("CFG-03", "must not hold a NUL character"));
        }
        Ok(Self(raw.into()))
    }
}

/// A key as the log tells it. `Default` is the key that is not set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    entry: Option<Entry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: ConfigurationId,
    value: ConfigurationValue,
    description: Option<ConfigurationDescription>,
}

impl Configuration {
    /// What it is set to.
    pub fn value(&self) -> Option<&str> {
        self.entry.as_ref().map(|entry| entry.value.as_str())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ConfigurationCommand {
    Set(SetConfiguration),
    Describe(DescribeConfiguration),
    Remove(RemoveConfiguration),
}

#[derive(Clone, Debug, PartialEq)]
pub struct SetConfiguration {
    /// The id that the entry gets if the key is not set yet.
    pub new_id: ConfigurationId,
    pub key: ConfigurationKey,
    pub value: ConfigurationValue,
    pub actor: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribeConfiguration {
    pub key: ConfigurationKey,
    pub description: Option<ConfigurationDescription>,
    pub actor: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RemoveConfiguration {
    pub key: ConfigurationKey,
    pub actor: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ConfigurationEvent {
    ConfigurationSet {
        id: ConfigurationId,
        key: ConfigurationKey,
        value: ConfigurationValue,
        description: Option<ConfigurationDescription>,
        /// What the value was before; nothing where the key was not set.
        previous: Option<ConfigurationValue>,
        set_by: Actor,
    },
    ConfigurationDescribed {
        id: ConfigurationId,
        key: ConfigurationKey,
        value: ConfigurationValue,
        description: Option<ConfigurationDescription>,
        previous_description: Option<ConfigurationDescription>,
        described_by: Actor,
    },
    ConfigurationRemoved {
        id: ConfigurationId,
        key: ConfigurationKey,
        previous: ConfigurationValue,
        removed_by: Actor,
    },
}

domain_event!(ConfigurationEvent {
    ConfigurationSet => "1",
    ConfigurationDescribed => "1",
    ConfigurationRemoved => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigurationError {
    #[error("the key is not set")]
    NotSet,
    #[error("the key's name says that it is a secret: secrets do not belong in the configuration")]
    Secret,
    #[error("the value of this key must be `true` or `false`")]
    NoFlag,
    #[error("the value of this key must be a whole number in decimal digits")]
    NoNumber,
    #[error("the value of this key must be from {min} to {max}")]
    OutOfRange { min: u32, max: u32 },
}

impl From<WrongValue> for ConfigurationError {
    fn from(wrong: WrongValue) -> Self {
        match wrong {
            WrongValue::NoFlag => Self::NoFlag,
            WrongValue::NoNumber => Self::NoNumber,
            WrongValue::OutOfRange { min, max } => Self::OutOfRange { min, max },
        }
    }
}

impl Refusal for ConfigurationError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotSet => "REL-10",
            Self::Secret => "CFG-05",
            Self::NoFlag | Self::NoNumber => "CFG-07",
            Self::OutOfRange { .. } => "CFG-08",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotSet => RefusalKind::NotFound,
            Self::Secret | Self::NoFlag | Self::NoNumber | Self::OutOfRange { .. } => {
                RefusalKind::Invalid
            }
        }
    }
}

aggregate!(
    Configuration,
    "configuration",
    ConfigurationCommand,
    ConfigurationEvent,
    ConfigurationError
);

impl Decide for Configuration {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: ConfigurationCommand,
    ) -> Result<Vec<ConfigurationEvent>, ConfigurationError> {
        match command {
            ConfigurationCommand::Set(command) => set(self, command),
            ConfigurationCommand::Describe(command) => describe(self, command),
            ConfigurationCommand::Remove(command) => Ok(remove(self, command)),
        }
    }
}

fn set(
    current: &Configuration,
    command: SetConfiguration,
) -> Result<Vec<ConfigurationEvent>, ConfigurationError> {
    if settings::names_a_secret(command.key.as_str()) {
        return Err(ConfigurationError::Secret);
    }
    if let Some(setting) = Setting::find(command.key.as_str()) {
        setting.check(command.value.as_str())?;
    }
    let entry = current.entry.as_ref();
    if entry.is_some_and(|entry| entry.value == command.value) {
        return Ok(Vec::new());
    }
    Ok(vec![ConfigurationEvent::ConfigurationSet {
        id: entry.map_or(command.new_id, |entry| entry.id),
        key: command.key,
        value: command.value,
        description: entry.and_then(|entry| entry.description.clone()),
        previous: entry.map(|entry| entry.value.clone()),
        set_by: command.actor,
    }])
}

fn describe(
    current: &Configuration,
    command: DescribeConfiguration,
) -> Result<Vec<ConfigurationEvent>, ConfigurationError> {
    let entry = current.entry.as_ref().ok_or(ConfigurationError::NotSet)?;
    if entry.description == command.description {
        return Ok(Vec::new());
    }
    Ok(vec![ConfigurationEvent::ConfigurationDescribed {
        id: entry.id,
        key: command.key,
        value: entry.value.clone(),
        description: command.description,
        previous_description: entry.description.clone(),
        described_by: command.actor,
    }])
}

fn remove(current: &Configuration, command: RemoveConfiguration) -> Vec<ConfigurationEvent> {
    let removed = current.entry.as_ref().map(|entry| ConfigurationEvent::ConfigurationRemoved {
        id: entry.id,
        key: command.key,
        previous: entry.value.clone(),
        removed_by: command.actor,
    });
    removed.into_iter().collect()
}

impl Configuration {
    fn apply(&mut self, event: ConfigurationEvent) {
        self.entry = match event {
            ConfigurationEvent::ConfigurationSet { id, value, description, .. }
            | ConfigurationEvent::ConfigurationDescribed { id, value, description, .. } => {
                Some(Entry { id, value, description })
            }
            ConfigurationEvent::ConfigurationRemoved { .. } => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate;
    use uuid::Uuid;

    use super::*;
    use crate::ids::AdminId;

    const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(1)));

    fn set_to(key: &str, value: &str, id: u128) -> ConfigurationCommand {
        ConfigurationCommand::Set(SetConfiguration {
            new_id: ConfigurationId(Uuid::from_u128(id)),
            key: key.parse().unwrap(),
            value: value.parse().unwrap(),
            actor: ADMIN,
        })
    }

    fn after(state: &Configuration, command: ConfigurationCommand) -> Configuration {
        let mut after = state.clone();
        for event in state.decide(command).unwrap() {
            Aggregate::apply(&mut after, event);
        }
        after
    }

    #[test]
    fn cfg_01_a_key_is_plain() {
        for (key, taken) in [
            ("a", true),
            ("max_post_length", true),
            ("x.y.9", true),
            ("", false),
            ("Max", false),
            ("a b", false),
            ("å", false),
        ] {
            assert_eq!(key.parse::<ConfigurationKey>().is_ok(), taken, "{key}");
        }
        assert!("x".repeat(64).parse::<ConfigurationKey>().is_ok());
        assert!("x".repeat(65).parse::<ConfigurationKey>().is_err());
    }

    #[test]
    fn cfg_03_a_value_is_kept_byte_for_byte() {
        for value in ["{ \"a\" : 1.0 }", " x\r\ny ", "e\u{301}", "10", ""] {
            assert_eq!(value.parse::<ConfigurationValue>().unwrap().as_str(), value);
        }
        assert!("x".repeat(65_536).parse::<ConfigurationValue>().is_ok());
        assert!("x".repeat(65_537).parse::<ConfigurationValue>().is_err());
        assert!("a\0b".parse::<ConfigurationValue>().is_err());
    }

    #[test]
    fn cfg_04_only_a_change_is_an_event_and_the_entry_keeps_its_id_until_it_is_removed() {
        let first = after(&Configuration::default(), set_to("theme", "dark", 1));
        assert_eq!(first.decide(set_to("theme", "dark", 2)), Ok(vec![]));
        let second = first.decide(set_to("theme", "light", 2)).unwrap();
        let [ConfigurationEvent::ConfigurationSet { id, previous, .. }] = second.as_slice() else {
            panic!("one event");
        };
        assert_eq!((id.0.as_u128(), previous.as_ref().unwrap().as_str()), (1, "dark"));
        let key: ConfigurationKey = "theme".parse().unwrap();
        let remove = || {
            let key = key.clone();
            ConfigurationCommand::Remove(RemoveConfiguration { key, actor: ADMIN })
        };
        let removed = after(&first, remove());
        assert_eq!((removed.value(), removed.decide(remove())), (None, Ok(vec![])));
        let describe = DescribeConfiguration { key, description: None, actor: ADMIN };
        let described = removed.decide(ConfigurationCommand::Describe(describe));
        assert_eq!(described, Err(ConfigurationError::NotSet));
    }

    #[test]
    fn cfg_07_cfg_08_a_known_key_is_checked() {
        let decide = |key, value| Configuration::default().decide(set_to(key, value, 1));
        assert_eq!(decide("enable_voting", "maybe"), Err(ConfigurationError::NoFlag));
        assert_eq!(decide("max_post_length", "many"), Err(ConfigurationError::NoNumber));
        assert!(matches!(
            decide("max_post_length", "10001"),
            Err(ConfigurationError::OutOfRange { .. })
        ));
        assert_eq!(decide("max_post_length", "500").unwrap().len(), 1);
        assert_eq!(decide("anything_else", "maybe").unwrap().len(), 1);
    }

    #[test]
    fn cfg_05_a_secret_is_refused() {
        let decide = |key| Configuration::default().decide(set_to(key, "x", 1));
        for key in ["smtp.password", "api_key", "a.token"] {
            assert_eq!(decide(key), Err(ConfigurationError::Secret));
        }
    }
}
