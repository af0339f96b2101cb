//! What a consent is described by: its type and state, how it was given, what it is about.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{exports::export_values::words, refusal::RuleBreak};

words! {
    /// What is consented to (CON-01).
    ConsentType, "CON-01" "must be DATA_PROCESSING, MARKETING, ANALYTICS or COOKIES" {
        DataProcessing => "DATA_PROCESSING",
        Marketing => "MARKETING",
        Analytics => "ANALYTICS",
        Cookies => "COOKIES",
    }
    /// What a record says (CON-01, CON-06).
    ConsentStatus, "CON-01" "must be GRANTED, DENIED, WITHDRAWN or EXPIRED" {
        Granted => "GRANTED",
        Denied => "DENIED",
        Withdrawn => "WITHDRAWN",
        /// Of a grant whose time has passed. Of a record made here it follows from the time; only
        /// imported ones say it.
        Expired => "EXPIRED",
    }
    /// How somebody answered (CON-01).
    ConsentMethod, "CON-01" "must be EXPLICIT_OPT_IN, IMPLIED, PRE_CHECKED or GRANULAR" {
        ExplicitOptIn => "EXPLICIT_OPT_IN",
        Implied => "IMPLIED",
        PreChecked => "PRE_CHECKED",
        Granular => "GRANULAR",
    }
    /// The grounds of Art. 6(1) GDPR (CON-01).
    ConsentBasis, "CON-01" "must be CONSENT, CONTRACT, LEGAL_OBLIGATION, VITAL_INTERESTS, PUBLIC_TASK or LEGITIMATE_INTERESTS" {
        Consent => "CONSENT",
        Contract => "CONTRACT",
        LegalObligation => "LEGAL_OBLIGATION",
        VitalInterests => "VITAL_INTERESTS",
        PublicTask => "PUBLIC_TASK",
        LegitimateInterests => "LEGITIMATE_INTERESTS",
    }
}

impl ConsentMethod {
    /// Whether somebody did something to say yes: silence and boxes that were ticked before are no
    /// consent (CON-10, recital 32 GDPR).
    pub const fn is_affirmative(self) -> bool {
        matches!(self, Self::ExplicitOptIn | Self::Granular)
    }
}

/// The name of a purpose or of a category of data, such as `search_analytics`: no place for what is
/// personal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentTerm(Box<str>);

impl ConsentTerm {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The purpose for which searches are recorded under the name of who searches (SRL-07), of the
    /// type ANALYTICS.
    pub fn search_analytics() -> Self {
        Self("search_analytics".into())
    }

    /// The purpose for which what is published is handed out in bulk (DEL-01), of the type
    /// DATA_PROCESSING. It rests on legitimate interests, so it can be objected to (LAW-06).
    pub fn public_exports() -> Self {
        Self("public_exports".into())
    }
}

impl fmt::Display for ConsentTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConsentTerm {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let plain =
            |character: char| character.is_ascii_alphanumeric() || " _.:/-".contains(character);
        let trimmed = raw.trim() == raw;
        if (1..=100).contains(&raw.len()) && trimmed && raw.chars().all(plain) {
            return Ok(Self(raw.into()));
        }
        let says = "must be 1 to 100 of the letters A to Z, digits, `_`, `.`, `:`, `/`, `-` and spaces \
                    between them";
        Err(RuleBreak::new("CON-04", says))
    }
}

/// How many days data is kept: 1 and more (CON-04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetentionDays(u32);

impl RetentionDays {
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for RetentionDays {
    type Error = RuleBreak;

    fn try_from(days: i64) -> Result<Self, RuleBreak> {
        match i32::try_from(days) {
            Ok(days @ 1..) => Ok(Self(days.unsigned_abs())),
            _ => Err(RuleBreak::new(
                "CON-04",
                "must be a whole number of days from 1 to 2,147,483,647",
            )),
        }
    }
}

/// What else shows that somebody answered so: a JSON object (CON-04), kept as it came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentEvidence(Box<str>);

/// Bytes of evidence (K33).
const EVIDENCE_BYTES_MAX: usize = 16 << 10;

/// From this age on somebody consents alone in Norway (Art. 8 GDPR, section 5 of the Personal Data Act).
pub const CONSENT_AGE: u64 = 13;

impl ConsentEvidence {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// # Errors
    /// CON-04 where it is no object or too long.
    pub fn of(value: &Value) -> Result<Self, RuleBreak> {
        if !value.is_object() {
            return Err(RuleBreak::new("CON-04", "must be a JSON object"));
        }
        let text = value.to_string();
        if text.len() > EVIDENCE_BYTES_MAX {
            return Err(RuleBreak::new("CON-04", "must have at most 16,384 bytes"));
        }
        Ok(Self(text.into()))
    }

    fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// Whether it says that a child answered and no guardian: `age` below [`CONSENT_AGE`] or `is_child`,
    /// without an object `guardian` that says something (CON-16).
    pub fn lacks_guardian(&self) -> bool {
        let fields = self.fields();
        let young =
            fields.get("age").and_then(Value::as_f64).is_some_and(|age| age < CONSENT_AGE as f64);
        let is_child = young || fields.get("is_child") == Some(&Value::Bool(true));
        let guardian = fields.get("guardian").and_then(Value::as_object);
        is_child && guardian.is_none_or(Map::is_empty)
    }
}

/// It is personal: only its length is shown.
impl fmt::Debug for ConsentEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsentEvidence({} bytes)", self.0.len())
    }
}

/// The client that somebody answered with, in what it says of itself; never refused, but cut.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentAgent(Box<str>);

/// More of a user agent is not kept.
const AGENT_CHARACTERS_MAX: usize = 512;

impl From<&str> for ConsentAgent {
    fn from(raw: &str) -> Self {
        let printable = raw.chars().filter(|character| !crate::values::is_unprintable(*character));
        Self(printable.take(AGENT_CHARACTERS_MAX).collect::<String>().into())
    }
}

impl fmt::Debug for ConsentAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsentAgent({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn con_01_each_enum_accepts_exactly_the_listed_values() {
        fn accepts<T: FromStr<Err = RuleBreak> + Copy>(
            all: &[T],
            count: usize,
            word: fn(T) -> &'static str,
        ) {
            assert_eq!(all.len(), count);
            for value in all {
                assert!(word(*value).parse::<T>().is_ok());
                let wrong = word(*value).to_lowercase().parse::<T>();
                assert!(wrong.is_err_and(|wrong| wrong.rule == Some("CON-01")));
            }
            for text in ["", " ", "NULL", "GRANT"] {
                assert!(text.parse::<T>().is_err());
            }
        }
        accepts(ConsentType::ALL, 4, ConsentType::as_str);
        accepts(ConsentStatus::ALL, 4, ConsentStatus::as_str);
        accepts(ConsentMethod::ALL, 4, ConsentMethod::as_str);
        accepts(ConsentBasis::ALL, 6, ConsentBasis::as_str);
    }

    #[test]
    fn con_04_terms_days_and_evidence_have_their_forms() {
        for term in ["search_analytics", "e-mail", "Ads: third party", "a/b"] {
            assert!(term.parse::<ConsentTerm>().is_ok(), "{term}");
        }
        for term in ["", " ", " a", "a ", "ola@example.org", "a\nb", &"a".repeat(101)] {
            assert_eq!(term.parse::<ConsentTerm>().unwrap_err().rule, Some("CON-04"), "{term:?}");
        }
        for days in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(RetentionDays::try_from(days).unwrap_err().rule, Some("CON-04"), "{days}");
        }
        assert_eq!(RetentionDays::try_from(30).map(RetentionDays::get), Ok(30));
        assert!(ConsentEvidence::of(&json!({ "form": 1 })).is_ok());
        for wrong in
            [json!([]), json!("{}"), json!(1), json!(null), json!({ "x": "x".repeat(17_000) })]
        {
            assert_eq!(ConsentEvidence::of(&wrong).unwrap_err().rule, Some("CON-04"));
        }
    }

    #[test]
    fn con_16_a_childs_consent_needs_its_guardians() {
        for (evidence, lacks) in [
            (json!({}), false),
            (json!({ "age": 13 }), false),
            (json!({ "age": 12 }), true),
            (json!({ "age": 12.9 }), true),
            (json!({ "is_child": true }), true),
            (json!({ "is_child": true, "guardian": {} }), true),
            (json!({ "is_child": true, "guardian": "mother" }), true),
            (json!({ "age": 9, "guardian": { "relation": "mother" } }), false),
        ] {
            let shown = evidence.to_string();
            assert_eq!(ConsentEvidence::of(&evidence).unwrap().lacks_guardian(), lacks, "{shown}");
        }
    }
}
