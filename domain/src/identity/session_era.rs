//! The era of sessions: one stream for all, so that an admin can end everybody's sessions at one go
//! (SES-12, ASVS 5.0 §7.4.5), however many there are.
//!
//! Life cycle: each such end begins a new era. A session knows the era in which it was issued, and
//! a session of an earlier era lets nobody in. A login guards this stream, so that no session slips
//! past an end that comes at the same time.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::SessionId,
    refusal::{Refusal, RefusalKind},
};

/// The era as the log tells it. `Default` is the first one, 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionEra {
    era: u64,
    kept: Option<SessionId>,
}

impl SessionEra {
    /// The id of the one stream.
    pub const STREAM_ID: &'static str = "all";

    pub fn era(&self) -> u64 {
        self.era
    }

    /// Whether a session that was issued in an era still lets its holder in, as far as this goes.
    pub fn admits(&self, session_id: SessionId, issued_in: u64) -> bool {
        issued_in == self.era || self.kept == Some(session_id)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum SessionEraCommand {
    End(EndEra),
}

#[derive(Clone, Debug, PartialEq)]
pub struct EndEra {
    pub revoked_by: Actor,
    /// The session that outlives the others: that of the admin who ends them, if it wants so.
    pub kept: Option<SessionId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionEraEvent {
    /// Every session of an earlier era but `kept` ended with this event.
    AllSessionsRevoked { era: u64, revoked_by: Actor, kept: Option<SessionId> },
}

domain_event!(SessionEraEvent { AllSessionsRevoked => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SessionEraError {
    #[error("only admins end everybody's sessions")]
    NotAnAdmin,
}

impl Refusal for SessionEraError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotAnAdmin => "SES-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotAnAdmin => RefusalKind::Forbidden,
        }
    }
}

aggregate!(SessionEra, "session_era", SessionEraCommand, SessionEraEvent, SessionEraError);

impl Decide for SessionEra {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: SessionEraCommand) -> Result<Vec<SessionEraEvent>, SessionEraError> {
        match command {
            SessionEraCommand::End(command) => end(self, &command),
        }
    }
}

fn end(current: &SessionEra, command: &EndEra) -> Result<Vec<SessionEraEvent>, SessionEraError> {
    if !command.revoked_by.is_admin() && command.revoked_by != Actor::SYSTEM {
        return Err(SessionEraError::NotAnAdmin);
    }
    Ok(vec![SessionEraEvent::AllSessionsRevoked {
        era: current.era + 1,
        revoked_by: command.revoked_by,
        kept: command.kept,
    }])
}

impl SessionEra {
    fn apply(&mut self, event: SessionEraEvent) {
        let SessionEraEvent::AllSessionsRevoked { era, kept, .. } = event;
        self.era = era;
        self.kept = kept;
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate;
    use uuid::Uuid;

    use super::*;
    use crate::ids::{AdminId, MemberId};

    #[test]
    fn ses_12_a_new_era_ends_every_session_of_the_earlier_ones_but_one() {
        let (kept, other) = (SessionId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let admin = Actor::admin(AdminId(Uuid::from_u128(3)));
        let mut era = SessionEra::default();
        assert!(era.admits(kept, 0) && era.admits(other, 0));
        for (number, kept_now) in [(1, Some(kept)), (2, None)] {
            let command = EndEra { revoked_by: admin, kept: kept_now };
            for event in era.decide(SessionEraCommand::End(command)).unwrap() {
                Aggregate::apply(&mut era, event);
            }
            assert_eq!(era.era(), number);
            assert_eq!(era.admits(kept, 0), kept_now.is_some());
            assert!(!era.admits(other, 0));
            assert!(era.admits(other, number));
        }
        let member = Actor::member(MemberId(Uuid::from_u128(4)));
        let command = EndEra { revoked_by: member, kept: None };
        let refused = era.decide(SessionEraCommand::End(command));
        assert_eq!(refused, Err(SessionEraError::NotAnAdmin));
    }
}
