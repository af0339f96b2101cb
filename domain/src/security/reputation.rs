//! What an address is worth: a score from 0 (malicious) to 100 (trusted), made of what is known of it,
//! each with its weight. It is computed for a time, never stored: what happened weighs less by the day,
//! and nobody has to run for that (IPR-13). An audit log's `risk_score` runs the other way (K23).

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::values::{RiskLevel, Severity};
use crate::{ids::IncidentId, refusal::RuleBreak};

/// Where an address begins that nothing is known of: LOW_RISK.
pub const BASE: i32 = 70;
/// What happened weighs half after so long.
pub const HALF_LIFE_DAYS: i64 = 7;
/// What others say of an address weighs half after so long.
pub const EXTERNAL_HALF_LIFE_DAYS: i64 = 30;
/// What a week without anything bad gives, and the most that it gives in all.
const CLEAN_WEEK: f64 = 2.0;
const CLEAN_MAX: f64 = 20.0;
/// Of what others say, so much: 100 gives 15, 0 takes 15.
const EXTERNAL_SHARE: f64 = 0.3;
/// Entries that are kept: what has decayed below half a point goes first, then the oldest.
pub const ENTRIES_MAX: usize = 100;
/// Outside sources of one address.
pub const SOURCES_MAX: usize = 10;

/// What an incident takes from the score of the address that it came from.
pub const fn weight_of(severity: Severity) -> i32 {
    match severity {
        Severity::Low => 5,
        Severity::Medium => 15,
        Severity::High => 30,
        Severity::Critical => 50,
    }
}

/// What an automatic block takes.
pub const BLOCK_WEIGHT: i32 = 10;

/// Something that happened, and what it weighed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub kind: EntryKind,
    pub weight: i32,
    pub at: DateTime<Utc>,
    /// By which incident it came, so that a false alarm can be taken back (INC-11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<IncidentId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Incident,
    AutoBlock,
}

/// What an outside source says of an address, in our direction: 0 is worst, 100 is best (IPR-14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    pub source: SourceName,
    pub score: Score,
    pub recorded_at: DateTime<Utc>,
}

/// A score from 0 to 100 (IPR-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Score(u8);

impl Score {
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The score of a source whose 100 is malicious, such as AbuseIPDB's.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self(100 - self.0)
    }

    /// The band that it is in (IPR-07).
    pub const fn risk_level(self) -> RiskLevel {
        match self.0 {
            80.. => RiskLevel::Trusted,
            60.. => RiskLevel::LowRisk,
            40.. => RiskLevel::MediumRisk,
            20.. => RiskLevel::HighRisk,
            _ => RiskLevel::Malicious,
        }
    }
}

impl TryFrom<i64> for Score {
    type Error = RuleBreak;

    fn try_from(number: i64) -> Result<Self, RuleBreak> {
        u8::try_from(number)
            .ok()
            .filter(|score| *score <= 100)
            .map(Self)
            .ok_or(RuleBreak::new("IPR-02", "must be a whole number from 0 to 100"))
    }
}

/// What an outside source is called: 1 to 32 of `a-z`, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceName(Box<str>);

impl SourceName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        let good =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if (1..=32).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(text.into()))
        } else {
            Err(RuleBreak::new(
                "IPR-14",
                "must be 1 to 32 of the letters a to z, digits, `_` and `-`",
            ))
        }
    }
}

/// A part of a score: adding the parts' points up, and keeping to 0 to 100, gives it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    pub reason: String,
    /// What it weighed when it happened; what it weighs at the time that was asked for is `points`.
    pub weight: f64,
    pub points: f64,
    pub at: Option<DateTime<Utc>>,
    pub incident_id: Option<IncidentId>,
}

/// What is known of an address, as far as a score goes.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub first_seen_at: DateTime<Utc>,
    pub entries: &'a [Entry],
    pub external: &'a [External],
}

/// The score at a time, and what made it.
pub fn score(known: Known<'_>, at: DateTime<Utc>) -> (Score, Vec<Part>) {
    let base = f64::from(BASE);
    let mut parts = vec![Part {
        reason: "base".to_owned(),
        weight: base,
        points: base,
        at: None,
        incident_id: None,
    }];
    for entry in known.entries.iter().filter(|entry| entry.at <= at) {
        let weight = -f64::from(entry.weight);
        parts.push(Part {
            reason: match entry.kind {
                EntryKind::Incident => "incident".to_owned(),
                EntryKind::AutoBlock => "auto_block".to_owned(),
            },
            weight,
            points: decayed(weight, entry.at, at, HALF_LIFE_DAYS),
            at: Some(entry.at),
            incident_id: entry.incident_id,
        });
    }
    for external in known.external.iter().filter(|external| external.recorded_at <= at) {
        let weight = (f64::from(external.score.get()) - 50.0) * EXTERNAL_SHARE;
        parts.push(Part {
            reason: format!("external:{}", external.source.as_str()),
            weight,
            points: decayed(weight, external.recorded_at, at, EXTERNAL_HALF_LIFE_DAYS),
            at: Some(external.recorded_at),
            incident_id: None,
        });
    }
    let bad = known.entries.iter().map(|entry| entry.at).filter(|bad| *bad <= at).max();
    let since = bad.unwrap_or(known.first_seen_at).max(known.first_seen_at);
    let clean = f64::from(i32::try_from((at - since).num_weeks()).unwrap_or(i32::MAX).max(0));
    if clean > 0.0 {
        let points = (clean * CLEAN_WEEK).min(CLEAN_MAX);
        let reason = "clean_weeks".to_owned();
        parts.push(Part { reason, weight: points, points, at: Some(since), incident_id: None });
    }
    let sum: f64 = parts.iter().map(|part| part.points).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is kept to 0 to 100 before"
    )]
    let score = Score(sum.clamp(0.0, 100.0).round() as u8);
    (score, parts)
}

/// A weight after so long, to a tenth of a point.
fn decayed(weight: f64, since: DateTime<Utc>, at: DateTime<Utc>, half_life_days: i64) -> f64 {
    let age = (at - since).max(TimeDelta::zero()).as_seconds_f64();
    let half_life = TimeDelta::days(half_life_days).as_seconds_f64();
    (weight * (-age / half_life).exp2() * 10.0).round() / 10.0
}

/// Adds an entry; what no longer counts makes room, then what is oldest.
pub fn remember(entries: &mut Vec<Entry>, entry: Entry) {
    let now = entry.at;
    entries.retain(|known| decayed(f64::from(known.weight), known.at, now, HALF_LIFE_DAYS) >= 0.5);
    if entries.len() >= ENTRIES_MAX {
        entries.remove(0);
    }
    entries.push(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(number)
    }

    fn incident(severity: Severity, at: i64) -> Entry {
        let weight = weight_of(severity);
        Entry { kind: EntryKind::Incident, weight, at: day(at), incident_id: None }
    }

    fn at(entries: &[Entry], external: &[External], when: i64) -> u8 {
        let known = Known { first_seen_at: day(0), entries, external };
        let (score, parts) = score(known, day(when));
        let sum: f64 = parts.iter().map(|part| part.points).sum();
        assert_eq!(f64::from(score.get()), sum.clamp(0.0, 100.0).round(), "the parts explain it");
        score.get()
    }

    #[test]
    fn ipr_02_a_score_is_0_to_100() {
        for bad in [-1, 101, 256] {
            assert_eq!(Score::try_from(bad).unwrap_err().rule, Some("IPR-02"));
        }
        assert_eq!(Score::try_from(0).unwrap().reversed(), Score::try_from(100).unwrap());
        assert_eq!(at(&[], &[], 0), 70);
        assert_eq!(at(&[incident(Severity::Critical, 0); 9], &[], 0), 0);
    }

    #[test]
    fn ipr_07_bands_begin_where_they_say() {
        for (score, level) in [
            (100, RiskLevel::Trusted),
            (80, RiskLevel::Trusted),
            (79, RiskLevel::LowRisk),
            (60, RiskLevel::LowRisk),
            (59, RiskLevel::MediumRisk),
            (40, RiskLevel::MediumRisk),
            (39, RiskLevel::HighRisk),
            (20, RiskLevel::HighRisk),
            (19, RiskLevel::Malicious),
            (0, RiskLevel::Malicious),
        ] {
            assert_eq!(Score::try_from(score).unwrap().risk_level(), level, "{score}");
        }
    }

    #[test]
    fn ipr_13_what_happened_decays_and_is_known_as_of_any_time() {
        let entries = [incident(Severity::High, 10)];
        assert_eq!(at(&entries, &[], 9), 72, "one clean week, and the incident is yet to come");
        assert_eq!(at(&entries, &[], 10), 40);
        assert_eq!(at(&entries, &[], 17), 57, "half of it, and a clean week");
        assert_eq!(at(&entries, &[], 400), 90, "nothing of it, and clean for long");
    }

    #[test]
    fn ipr_14_what_others_say_counts_for_a_part() {
        let said = |score: i64| External {
            source: "abuseipdb".parse().unwrap(),
            score: Score::try_from(score).unwrap(),
            recorded_at: day(0),
        };
        assert_eq!(at(&[], &[said(100)], 0), 85);
        assert_eq!(at(&[], &[said(0)], 0), 55);
        assert_eq!(at(&[], &[said(0)], 30), 71, "half of it, and four clean weeks");
        assert!("Abuse IPDB".parse::<SourceName>().is_err());
    }

    #[test]
    fn ipr_13_entries_are_bounded() {
        let mut entries = vec![incident(Severity::Low, 0)];
        remember(&mut entries, incident(Severity::Low, 60));
        assert_eq!(entries.len(), 1, "the old one no longer counts");
        for _ in 0..200 {
            remember(&mut entries, incident(Severity::Low, 60));
        }
        assert_eq!(entries.len(), ENTRIES_MAX);
    }
}
