//! What a person has accepted: the version of the privacy policy that it accepted last (PPV-13). The
//! stream is the person: `{member|admin}:{uuid}`.
//!
//! Life cycle: accepts the version that holds → once another holds, accepts that one. Only the version
//! that holds can be accepted, so the last acceptance is the one that counts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    policy_series::PublishedVersion,
    policy_values::{ContentHash, VersionNumber},
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::PolicyVersionId,
    refusal::{Refusal, RefusalKind},
};

/// A person's acceptance as the log tells it. `Default` is who never accepted any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyAcceptance {
    accepted: Option<PolicyVersionId>,
}

impl PolicyAcceptance {
    /// The id of the stream of one person's acceptances.
    pub fn stream_id(principal: Actor) -> String {
        principal.to_string()
    }

    /// Whether the last version that was accepted is this one.
    pub fn is_of(&self, version_id: PolicyVersionId) -> bool {
        self.accepted == Some(version_id)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PolicyAcceptanceCommand {
    Accept(AcceptVersion),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AcceptVersion {
    pub principal: Actor,
    pub version_number: VersionNumber,
    /// The hash of the text that was shown, where the client says it.
    pub shown: Option<String>,
    /// What the decision needs to know of the series.
    pub current: Option<PublishedVersion>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PolicyAcceptanceEvent {
    PolicyAccepted {
        principal: Actor,
        version_id: PolicyVersionId,
        version_number: VersionNumber,
        content_hash: ContentHash,
        accepted_at: DateTime<Utc>,
    },
}

domain_event!(PolicyAcceptanceEvent { PolicyAccepted => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyAcceptanceError {
    #[error("that is not the version of the privacy policy that holds now: read that one first")]
    NotCurrent,
    #[error("the text that was shown is not the text of this version")]
    OtherText,
}

impl Refusal for PolicyAcceptanceError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotCurrent => "PPV-13",
            Self::OtherText => "PPV-15",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotCurrent | Self::OtherText => RefusalKind::Conflict,
        }
    }
}

aggregate!(
    PolicyAcceptance,
    "policy_acceptance",
    PolicyAcceptanceCommand,
    PolicyAcceptanceEvent,
    PolicyAcceptanceError
);

impl Decide for PolicyAcceptance {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: PolicyAcceptanceCommand,
    ) -> Result<Vec<PolicyAcceptanceEvent>, PolicyAcceptanceError> {
        match command {
            PolicyAcceptanceCommand::Accept(command) => accept(self, command),
        }
    }
}

fn accept(
    acceptance: &PolicyAcceptance,
    command: AcceptVersion,
) -> Result<Vec<PolicyAcceptanceEvent>, PolicyAcceptanceError> {
    let AcceptVersion { principal, version_number, shown, current, now } = command;
    let current = current
        .filter(|current| current.version_number == version_number)
        .ok_or(PolicyAcceptanceError::NotCurrent)?;
    if shown.is_some_and(|shown| shown != current.content_hash.as_str()) {
        return Err(PolicyAcceptanceError::OtherText);
    }
    if acceptance.is_of(current.version_id) {
        return Ok(Vec::new());
    }
    let PublishedVersion { version_id, version_number, content_hash, .. } = current;
    Ok(vec![PolicyAcceptanceEvent::PolicyAccepted {
        principal,
        version_id,
        version_number,
        content_hash,
        accepted_at: now,
    }])
}

impl PolicyAcceptance {
    fn apply(&mut self, event: PolicyAcceptanceEvent) {
        let PolicyAcceptanceEvent::PolicyAccepted { version_id, .. } = event;
        self.accepted = Some(version_id);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        compliance::policy_series::tests::{at, version},
        ids::MemberId,
    };

    fn accept(
        acceptance: &mut PolicyAcceptance,
        number: &str,
        shown: Option<&str>,
        current: Option<PublishedVersion>,
    ) -> Result<usize, PolicyAcceptanceError> {
        let accept = AcceptVersion {
            principal: Actor::member(MemberId(Uuid::from_u128(1))),
            version_number: number.parse().unwrap(),
            shown: shown.map(str::to_owned),
            current,
            now: at(1),
        };
        let events = acceptance.decide(PolicyAcceptanceCommand::Accept(accept))?;
        let count = events.len();
        for event in events {
            cqrs_es::Aggregate::apply(acceptance, event);
        }
        Ok(count)
    }

    #[test]
    fn ppv_13_the_version_that_holds_is_accepted_once_and_no_other() {
        let mut acceptance = PolicyAcceptance::default();
        let (one, two) = (version(1, 0), version(2, 1));
        let not_current = Err(PolicyAcceptanceError::NotCurrent);
        assert_eq!(accept(&mut acceptance, "v1", None, None), not_current);
        assert_eq!(accept(&mut acceptance, "v2", None, Some(one.clone())), not_current);
        assert_eq!(accept(&mut acceptance, "v1", None, Some(one.clone())), Ok(1));
        assert!(acceptance.is_of(one.version_id));
        assert_eq!(accept(&mut acceptance, "v1", None, Some(one.clone())), Ok(0));
        assert_eq!(accept(&mut acceptance, "v1", None, Some(two.clone())), not_current);
        assert_eq!(accept(&mut acceptance, "v2", None, Some(two.clone())), Ok(1));
        assert!(acceptance.is_of(two.version_id) && !acceptance.is_of(one.version_id));
    }

    #[test]
    fn ppv_15_what_was_shown_is_what_is_accepted() {
        let mut acceptance = PolicyAcceptance::default();
        let one = version(1, 0);
        let other = Err(PolicyAcceptanceError::OtherText);
        assert_eq!(accept(&mut acceptance, "v1", Some("00"), Some(one.clone())), other);
        let hash = one.content_hash.to_string();
        assert_eq!(accept(&mut acceptance, "v1", Some(&hash), Some(one)), Ok(1));
    }
}
