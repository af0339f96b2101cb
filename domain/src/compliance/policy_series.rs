//! Which published versions of the privacy policy take effect when: one stream for all of them, so that
//! exactly one is current once any has taken effect (PPV-07), and so that a decision asks one cached
//! thing which it is.
//!
//! Life cycle: each publication adds a version; none is ever taken away or changed (PPV-11). Which
//! version is current follows from the time alone: the one that took effect last. No job switches it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::policy_values::{ContentHash, VersionNumber};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::PolicyVersionId,
    refusal::{Refusal, RefusalKind},
};

/// What others need to know of a published version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedVersion {
    pub version_id: PolicyVersionId,
    pub version_number: VersionNumber,
    pub content_hash: ContentHash,
    /// From when it holds; never before its publication (PPV-08).
    pub effective_date: DateTime<Utc>,
    pub acceptance_required: bool,
    pub has_major_changes: bool,
}

/// The series as the log tells it, in the order in which versions take effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicySeries {
    versions: Vec<PublishedVersion>,
}

impl PolicySeries {
    /// There is one series.
    pub const STREAM_ID: &'static str = "all";

    /// The version that holds at an instant: of those that have taken effect, the last.
    pub fn current(&self, at: DateTime<Utc>) -> Option<&PublishedVersion> {
        self.versions.iter().rev().find(|version| version.effective_date <= at)
    }

    /// The version of that number, if it is the one that holds (CON-03).
    pub fn in_force(&self, number: &VersionNumber, at: DateTime<Utc>) -> Option<&PublishedVersion> {
        self.current(at).filter(|current| current.version_number == *number)
    }

    /// The published version of that number.
    pub fn find(&self, number: &VersionNumber) -> Option<&PublishedVersion> {
        self.versions.iter().find(|version| version.version_number == *number)
    }

    /// Whether who consented to a version has to be asked again, since a later one that has taken effect
    /// changes what matters and asks for acceptance (CON-15).
    pub fn asks_again(&self, consented_to: &VersionNumber, at: DateTime<Utc>) -> bool {
        let Some(known) = self.find(consented_to) else { return true };
        self.versions.iter().any(|version| {
            version.acceptance_required
                && version.has_major_changes
                && version.effective_date > known.effective_date
                && version.effective_date <= at
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PolicySeriesCommand {
    Add(AddVersion),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AddVersion {
    pub version: PublishedVersion,
    pub published_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PolicySeriesEvent {
    /// The whole series after the publication.
    PolicySeriesExtended { versions: Vec<PublishedVersion>, published_by: Actor },
}

domain_event!(PolicySeriesEvent { PolicySeriesExtended => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicySeriesError {
    #[error("another version takes effect at that very instant: one holds at a time")]
    Overlaps,
}

impl Refusal for PolicySeriesError {
    fn rule(&self) -> &'static str {
        match self {
            Self::Overlaps => "PPV-07",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::Overlaps => RefusalKind::Conflict,
        }
    }
}

aggregate!(
    PolicySeries,
    "policy_series",
    PolicySeriesCommand,
    PolicySeriesEvent,
    PolicySeriesError
);

impl Decide for PolicySeries {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: PolicySeriesCommand,
    ) -> Result<Vec<PolicySeriesEvent>, PolicySeriesError> {
        match command {
            PolicySeriesCommand::Add(command) => add(self, command),
        }
    }
}

/// A version that is in the series already stays as it is.
fn add(
    series: &PolicySeries,
    command: AddVersion,
) -> Result<Vec<PolicySeriesEvent>, PolicySeriesError> {
    let AddVersion { version, published_by } = command;
    if series.versions.iter().any(|known| known.version_id == version.version_id) {
        return Ok(Vec::new());
    }
    if series.versions.iter().any(|known| known.effective_date == version.effective_date) {
        return Err(PolicySeriesError::Overlaps);
    }
    let mut versions = series.versions.clone();
    versions.push(version);
    versions.sort_by_key(|version| version.effective_date);
    Ok(vec![PolicySeriesEvent::PolicySeriesExtended { versions, published_by }])
}

impl PolicySeries {
    fn apply(&mut self, event: PolicySeriesEvent) {
        let PolicySeriesEvent::PolicySeriesExtended { versions, .. } = event;
        self.versions = versions;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::ids::AdminId;

    pub(in crate::compliance) fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    /// A version `v{number}` from that hour on.
    pub(in crate::compliance) fn version(number: u128, hours: i64) -> PublishedVersion {
        PublishedVersion {
            version_id: PolicyVersionId(Uuid::from_u128(number)),
            version_number: format!("v{number}").parse().unwrap(),
            content_hash: ContentHash::of(&format!("Text {number}").parse().unwrap()),
            effective_date: at(hours),
            acceptance_required: false,
            has_major_changes: false,
        }
    }

    pub(in crate::compliance) fn series(versions: &[PublishedVersion]) -> PolicySeries {
        let mut series = PolicySeries::default();
        for version in versions {
            for event in extend(&series, version.clone()).unwrap() {
                cqrs_es::Aggregate::apply(&mut series, event);
            }
        }
        series
    }

    fn extend(
        series: &PolicySeries,
        version: PublishedVersion,
    ) -> Result<Vec<PolicySeriesEvent>, PolicySeriesError> {
        let published_by = Actor::admin(AdminId(Uuid::from_u128(9)));
        series.decide(PolicySeriesCommand::Add(AddVersion { version, published_by }))
    }

    fn number(series: &PolicySeries, hours: i64) -> Option<&str> {
        series.current(at(hours)).map(|version| version.version_number.as_str())
    }

    #[test]
    fn ppv_07_ppv_08_the_version_that_took_effect_last_is_current_from_that_instant_on() {
        // Published in another order than they take effect.
        let series = series(&[version(1, 10), version(3, 30), version(2, 20)]);
        for (hours, expected) in [
            (0, None),
            (9, None),
            (10, Some("v1")),
            (19, Some("v1")),
            (20, Some("v2")),
            (30, Some("v3")),
            (1_000, Some("v3")),
        ] {
            assert_eq!(number(&series, hours), expected, "{hours}");
        }
        let just_before = at(20) - TimeDelta::microseconds(1);
        assert_eq!(series.current(just_before).unwrap().version_number.as_str(), "v1");
        let (one, two) = ("v1".parse().unwrap(), "v2".parse().unwrap());
        assert!(series.in_force(&one, at(10)).is_some() && series.in_force(&one, at(20)).is_none());
        assert!(series.in_force(&two, at(19)).is_none() && series.find(&two).is_some());
    }

    #[test]
    fn ppv_07_two_versions_never_take_effect_at_one_instant() {
        let series = series(&[version(1, 10)]);
        assert_eq!(extend(&series, version(2, 10)), Err(PolicySeriesError::Overlaps));
        assert_eq!(extend(&series, version(1, 10)), Ok(vec![]), "it is in already");
    }

    #[test]
    fn con_15_only_what_matters_and_asks_for_acceptance_asks_again() {
        let with = |acceptance_required, has_major_changes| {
            let second =
                PublishedVersion { acceptance_required, has_major_changes, ..version(2, 20) };
            series(&[version(1, 10), second])
        };
        let one = "v1".parse().unwrap();
        assert!(with(true, true).asks_again(&one, at(20)));
        assert!(!with(true, true).asks_again(&one, at(19)), "not before it takes effect");
        assert!(!with(true, true).asks_again(&"v2".parse().unwrap(), at(20)));
        assert!(!with(true, false).asks_again(&one, at(20)));
        assert!(!with(false, true).asks_again(&one, at(20)));
        assert!(with(false, false).asks_again(&"v9".parse().unwrap(), at(20)), "of no known text");
    }
}
