//! What an integration is described by: its name, its provider's address, its settings.

use std::{fmt, net::IpAddr, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::public_address::{is_public, is_public_name};
use crate::{
    refusal::RuleBreak,
    values::{URI_CHARACTERS_MAX, is_unprintable},
};

/// A name such as `GoogleOAuth`: 1 to 64 characters of `A-Z a-z 0-9 _ . -`, unique up to case (INT-01).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntegrationName(Box<str>);

impl IntegrationName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is unique.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for IntegrationName {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if (1..=64).contains(&raw.len()) && raw.bytes().all(plain) {
            Ok(Self(raw.into()))
        } else {
            let says = "must be 1 to 64 characters of the letters A to Z, digits, `_`, `.` and `-`";
            Err(RuleBreak::new("INT-01", says))
        }
    }
}

/// A provider's `https` address at a host of the public internet (INT-06), in its normal form, so that
/// nobody reads another host out of it. What a name stands for is looked up where it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderUrl(Box<str>);

impl ProviderUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host and the port to connect to; no host where it is an address, which is checked already.
    pub fn name_and_port(&self) -> Option<(String, u16)> {
        let uri = url::Url::parse(&self.0).ok()?;
        let name = uri.domain()?.to_owned();
        Some((name, uri.port_or_known_default().unwrap_or(443)))
    }
}

impl FromStr for ProviderUrl {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let too_long = RuleBreak::new("INT-06", "must be at most 80,000 characters");
        if raw.chars().count() > URI_CHARACTERS_MAX {
            return Err(too_long);
        }
        let broken = RuleBreak::new("INT-06", "must be an https URI without credentials");
        let odd = |character: char| {
            character.is_whitespace() || is_unprintable(character) || character == '\\'
        };
        if raw.chars().any(odd) {
            return Err(broken);
        }
        let uri = url::Url::parse(raw).map_err(|_| broken.clone())?;
        let plain = uri.username().is_empty() && uri.password().is_none();
        // An empty user (`https://@host`) is none to the parser, and may be one to another.
        let authority = raw.split(['/', '?', '#']).nth(2).unwrap_or_default();
        if uri.scheme() != "https" || !plain || authority.contains('@') {
            return Err(broken);
        }
        // The parser has made an address of every spelling of one: `0x7f.1`, `2130706433`, `0177.0.0.1`.
        let public = match uri.host() {
            Some(url::Host::Domain(name)) => is_public_name(name),
            Some(url::Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
            Some(url::Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
            None => false,
        };
        if !public {
            let says = "must name a host of the public internet";
            return Err(RuleBreak::new("INT-06", says));
        }
        let normal = uri.as_str();
        if normal.chars().count() > URI_CHARACTERS_MAX {
            return Err(too_long);
        }
        Ok(Self(normal.into()))
    }
}

/// An integration's settings, secrets among them: a JSON object of at most 64 KiB, kept byte for byte
/// (INT-03). `Debug` does not show it (INT-04).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigJson(Box<str>);

/// Bytes of the settings (K33).
const CONFIG_BYTES_MAX: usize = 64 << 10;

impl ConfigJson {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The settings as they are shown: the names, and `***` in place of every value (INT-04).
    pub fn masked(&self) -> MaskedConfig {
        let fields: Map<String, Value> = serde_json::from_str(&self.0).unwrap_or_default();
        let masked: Map<_, _> = fields.into_iter().map(|(name, _)| (name, "***".into())).collect();
        MaskedConfig(Value::Object(masked).to_string().into())
    }
}

impl FromStr for ConfigJson {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        if raw.len() > CONFIG_BYTES_MAX {
            return Err(RuleBreak::new("INT-03", "must have at most 65,536 bytes"));
        }
        match serde_json::from_str::<Map<String, Value>>(raw) {
            Ok(_) => Ok(Self(raw.into())),
            Err(_) => Err(RuleBreak::new("INT-03", "must be a JSON object")),
        }
    }
}

impl fmt::Debug for ConfigJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigJson({} bytes)", self.0.len())
    }
}

/// The names of settings, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaskedConfig(Box<str>);

/// When a handshake with the provider succeeded (INT-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SyncedAt(pub DateTime<Utc>);

impl FromStr for SyncedAt {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let says = "must be a time such as 2026-01-31T12:00:00Z (RFC 3339)";
        let at = DateTime::parse_from_rfc3339(raw).map_err(|_| RuleBreak::new("INT-05", says))?;
        Ok(Self(at.to_utc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int_01_a_name_is_plain_and_folds() {
        for (name, taken) in [
            ("GoogleOAuth", true),
            ("s3.eu-west_1", true),
            ("", false),
            ("Google OAuth", false),
            ("å", false),
        ] {
            assert_eq!(name.parse::<IntegrationName>().is_ok(), taken, "{name}");
        }
        assert!("x".repeat(64).parse::<IntegrationName>().is_ok());
        assert!("x".repeat(65).parse::<IntegrationName>().is_err());
        let folded = |name: &str| name.parse::<IntegrationName>().unwrap().folded();
        assert_eq!(folded("SendGrid"), folded("sendgrid"));
    }

    #[test]
    fn int_06_only_https_to_the_public_internet_is_taken() {
        for refused in [
            "http://example.com/",
            "ftp://example.com/",
            "example.com",
            "https:",
            "https://",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0177.0.0.1/",
            "https://0x7f.0.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://①②⑦.0.0.1/",
            "https://127.0.0.1./",
            "https://0/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://metadata.google.internal/",
            "https://100.64.0.1/",
            "https://10.1.2.3:8443/",
            "https://172.20.0.1/",
            "https://192.168.0.1/",
            "https://postgres/",
            "https://printer.local/",
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "https://example.com@127.0.0.1/",
            "https://@example.com/",
            "https://:@example.com/",
            "https://example.com\\@127.0.0.1/",
            "https://example.com/\tx",
            "https://exa mple.com/",
            "https://example.com/\u{202e}x",
            "https://exam\nple.com/",
            " https://example.com/",
        ] {
            assert!(refused.parse::<ProviderUrl>().is_err(), "{refused}");
        }
        for (taken, normal) in [
            ("https://oauth.example.com", "https://oauth.example.com/"),
            ("HTTPS://API.Example.com:443/v1?x=1#y", "https://api.example.com/v1?x=1#y"),
            ("https://example.com/path@with/at", "https://example.com/path@with/at"),
            ("https://blåbær.no/", "https://xn--blbr-roah.no/"),
            ("https://1.1.1.1/", "https://1.1.1.1/"),
            ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ] {
            assert_eq!(taken.parse::<ProviderUrl>().unwrap().as_str(), normal);
        }
    }

    #[test]
    fn k28_a_url_has_at_most_80_000_characters() {
        let of = |length: usize| {
            let start = "https://example.com/";
            format!("{start}{}", "x".repeat(length - start.len())).parse::<ProviderUrl>()
        };
        assert!(of(80_000).is_ok());
        assert!(of(80_001).is_err());
    }

    #[test]
    fn int_03_settings_are_a_json_object() {
        for (text, taken) in [
            ("{}", true),
            (" { \"a\" : { \"b\" : [1] } } ", true),
            ("", false),
            ("[]", false),
            ("null", false),
            ("\"x\"", false),
            ("{\"a\":}", false),
            ("{'a':1}", false),
            ("{} {}", false),
        ] {
            assert_eq!(text.parse::<ConfigJson>().is_ok(), taken, "{text}");
        }
        let of = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        assert!(of(65_536).parse::<ConfigJson>().is_ok());
        assert!(of(65_537).parse::<ConfigJson>().is_err());
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert!(deep.parse::<ConfigJson>().is_err());
    }

    #[test]
    fn int_04_only_names_of_settings_are_shown() {
        let text = r#"{"client_id":"me","secret":{"deep":"hunter2"},"list":["hunter2"],"n":5}"#;
        let config: ConfigJson = text.parse().unwrap();
        let masked: Value = serde_json::from_str(&config.masked().0).unwrap();
        let expected = serde_json::json!({"client_id":"***","secret":"***","list":"***","n":"***"});
        assert_eq!(masked, expected);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
