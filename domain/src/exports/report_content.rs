//! What a statutory report consists of: the period that it is about, and sections of named measures.
//!
//! Keys name sections and measures for programs, labels and titles for people. A figure is a decimal
//! number kept as it was written (money and hours must not pass through floating point), or a short
//! text where there is nothing to count; notes are free text, so they are personal.

use std::{collections::HashSet, fmt, str::FromStr};

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{
    personal::Personal,
    refusal::RuleBreak,
    values::{MeasureLabel, MeasureText, MeasureUnit, ReportNote, SectionTitle},
};

/// The most sections of a report.
pub const SECTIONS_MAX: usize = 50;
/// The most measures of a section.
pub const MEASURES_MAX: usize = 200;
/// The most bytes of all sections as JSON, notes in the clear (K33).
pub const SECTIONS_BYTES_MAX: usize = 64 * 1024;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $is:expr, $rule:literal $says:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = RuleBreak;

            fn from_str(text: &str) -> Result<Self, RuleBreak> {
                let is: fn(&str) -> bool = $is;
                if is(text) { Ok(Self(text.into())) } else { Err(RuleBreak::new($rule, $says)) }
            }
        }
    )*};
}

words! {
    /// What a report is called by its period: a year, a quarter or a month (BUF-24).
    PeriodLabel: |text| named_period(text).is_some(),
        "BUF-24" "must be a year, a quarter or a month such as 2025, 2025-Q1 or 2025-03";
    /// The version of the authority's schema by which a report is filled in.
    SchemaVersion: is_version,
        "REL-09" "must be 1 to 32 letters, digits, `.`, `_` and `-`, the first a letter or a digit";
    /// What a program knows a section or a measure by.
    ReportKey: is_key,
        "REL-09" "must be 1 to 64 of a to z, 0 to 9 and `_`, the first a letter";
    /// A decimal number as it was written: `-12.50`.
    Decimal: is_decimal,
        "REL-09" "must be a number of at most 15 digits before and 6 after the point, without zeros before it";
}

fn is_version(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=32).contains(&text.len())
        && text.bytes().all(allowed)
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len())
        && text.bytes().all(allowed)
        && text.as_bytes()[0].is_ascii_lowercase()
}

/// One spelling a number, but for zeros at the end of a fraction: they tell how exact it is.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let of_digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_zero = digits.bytes().all(|byte| byte == b'0' || byte == b'.');
    of_digits(whole, 15)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|fraction| of_digits(fraction, 6))
        && !(is_zero && text.starts_with('-'))
}

/// Digits with at most a sign and a point: what a person would take for a number.
fn reads_as_number(text: &str) -> bool {
    let of_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    of_digits(whole) && of_digits(fraction)
}

impl PeriodLabel {
    /// The first and the last day of what it names.
    pub fn days(&self) -> (NaiveDate, NaiveDate) {
        named_period(&self.0).expect("a label is parsed before it is one")
    }
}

/// The first and the last day of the year, the quarter or the month.
fn named_period(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let digits = |part: &str, length: usize| {
        let whole = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        if whole { part.parse::<u32>().ok() } else { None }
    };
    let (year, part) = match text.split_once('-') {
        Some((year, part)) => (year, Some(part)),
        None => (text, None),
    };
    let (month, months) = match part {
        None => (1, 12),
        Some(part) => match part.strip_prefix('Q') {
            Some(quarter) => (3 * digits(quarter, 1)?.checked_sub(1)? + 1, 3),
            None => (digits(part, 2)?, 1),
        },
    };
    let year = i32::try_from(digits(year, 4)?).ok()?;
    let first = NaiveDate::from_ymd_opt(year, month, 1).filter(|first| first.year() >= 1900)?;
    Some((first, first.checked_add_months(Months::new(months))?.pred_opt()?))
}

/// A day, written `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReportDay(pub NaiveDate);

impl FromStr for ReportDay {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        let is_in_form = text.len() == 10
            && text.bytes().enumerate().all(|(place, byte)| match place {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let parsed = if is_in_form { text.parse().ok() } else { None };
        parsed.map(Self).ok_or(RuleBreak::malformed("must be a day such as 2025-03-31"))
    }
}

/// The days that a report is about: within what its label names, for an organization may have begun
/// in the middle of a quarter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPeriod {
    pub label: PeriodLabel,
    pub from: ReportDay,
    pub to: ReportDay,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum MeasureValue {
    Number(Decimal),
    Text(MeasureText),
}

impl MeasureValue {
    /// What reads as a number is one, everything else is a text.
    ///
    /// # Errors
    /// Where the text is none that a measure may have, or a number with too many digits.
    pub fn parse(text: &str) -> Result<Self, RuleBreak> {
        if reads_as_number(text) {
            return text.parse().map(Self::Number);
        }
        text.parse().map(Self::Text)
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::Text(text) => text.as_str(),
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }
}

/// A named figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    pub key: ReportKey,
    pub label: MeasureLabel,
    pub value: MeasureValue,
    /// What is counted: `families`, `NOK`, `%`.
    pub unit: Option<MeasureUnit>,
    /// Of whoever wrote it.
    pub note: Option<Personal<ReportNote>>,
}

impl Measure {
    /// The note as it can be read: none where there is none, or it was erased.
    pub fn note_text(&self) -> Option<&str> {
        self.note.as_ref().and_then(Personal::get).map(ReportNote::as_str)
    }
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub key: ReportKey,
    pub title: SectionTitle,
    pub measures: Vec<Measure>,
}

/// What is wrong with sections as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionsFault {
    TooMany,
    KeyTwice,
    TooLong,
}

/// Checks what one section or measure alone does not show.
pub(super) fn check(sections: &[Section]) -> Result<(), SectionsFault> {
    let too_full = |section: &Section| section.measures.len() > MEASURES_MAX;
    if sections.len() > SECTIONS_MAX || sections.iter().any(too_full) {
        return Err(SectionsFault::TooMany);
    }
    let mut keys = HashSet::new();
    let mut measure_keys = HashSet::new();
    for section in sections {
        let fresh = section.measures.iter().all(|measure| measure_keys.insert(&measure.key));
        if !keys.insert(&section.key) || !fresh {
            return Err(SectionsFault::KeyTwice);
        }
    }
    if clear_bytes(sections) > SECTIONS_BYTES_MAX {
        return Err(SectionsFault::TooLong);
    }
    Ok(())
}

/// How long the sections are as JSON, with notes as their readers get them.
fn clear_bytes(sections: &[Section]) -> usize {
    #[derive(Serialize)]
    struct Clear<'a> {
        key: &'a ReportKey,
        label: &'a MeasureLabel,
        value: &'a str,
        unit: &'a Option<MeasureUnit>,
        note: Option<&'a str>,
    }
    let of_measure = |measure: &Measure| {
        let Measure { key, label, value, unit, .. } = measure;
        json_bytes(&Clear { key, label, value: value.as_str(), unit, note: measure.note_text() })
    };
    let of_section = |section: &Section| {
        json_bytes(&(&section.key, &section.title))
            + section.measures.iter().map(of_measure).sum::<usize>()
    };
    sections.iter().map(of_section).sum()
}

fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX / 1024, |text| text.len())
}

/// The sections as they are carried on: a note that was erased has gone, and one that stays word for
/// word stays its writer's, whoever sends it again.
pub(super) fn carried_on(before: &[Section], mut after: Vec<Section>) -> Vec<Section> {
    let known = |key: &ReportKey| {
        before.iter().flat_map(|section| &section.measures).find(|measure| measure.key == *key)
    };
    for measure in after.iter_mut().flat_map(|section| &mut section.measures) {
        let earlier = known(&measure.key).and_then(|earlier| earlier.note.as_ref());
        let same = earlier.filter(|earlier| {
            !earlier.is_erased() && earlier.get() == measure.note.as_ref().and_then(Personal::get)
        });
        if let Some(earlier) = same {
            measure.note = Some(earlier.clone());
        }
        measure.note.take_if(|note| note.is_erased());
    }
    after
}

#[cfg(test)]
mod tests;
