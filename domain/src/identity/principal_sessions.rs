//! The sessions of one member or admin that are open (SES-07, SES-11, SES-12). The stream is the
//! principal: `{member|admin}:{uuid}`.
//!
//! Life cycle: each opening and closing writes the whole list anew, in the unit that issues or
//! revokes the session. One stream a principal is what makes the limit hold where two logins race,
//! and what a suspension goes by to end them all.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::SessionId,
    refusal::{Refusal, RefusalKind},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveSession {
    pub session_id: SessionId,
    pub expires_at: DateTime<Utc>,
}

/// The open sessions as the log tells it. `Default` is the principal who never logged in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrincipalSessions {
    principal: Option<Actor>,
    active: Vec<ActiveSession>,
}

impl PrincipalSessions {
    /// The id of the stream of one principal's sessions.
    pub fn stream_id(principal: Actor) -> String {
        principal.to_string()
    }

    /// The oldest first. Some may have expired since the last change.
    pub fn active(&self) -> &[ActiveSession] {
        &self.active
    }

    /// The sessions that one more login would supersede: the oldest of those still valid, as many
    /// as there are too many (SES-07). Their `SessionRevoked` belong into the unit of the login.
    pub fn superseded(&self, now: DateTime<Utc>, sessions_max: usize) -> Vec<SessionId> {
        let valid: Vec<SessionId> = self.valid_at(now).map(|session| session.session_id).collect();
        let excess = (valid.len() + 1).saturating_sub(sessions_max.max(1));
        valid.into_iter().take(excess).collect()
    }

    /// The list without a session that the same unit ends otherwise (SES-09).
    #[must_use]
    pub fn without(&self, session_id: SessionId) -> Self {
        let mut others = self.clone();
        others.active.retain(|session| session.session_id != session_id);
        others
    }

    /// The sessions that closing all but one would end (SES-11). Their `SessionRevoked` belong into
    /// the same unit.
    pub fn all_except(&self, kept: Option<SessionId>) -> Vec<SessionId> {
        let ids = self.active.iter().map(|session| session.session_id);
        ids.filter(|session_id| Some(*session_id) != kept).collect()
    }

    fn valid_at(&self, now: DateTime<Utc>) -> impl Iterator<Item = &ActiveSession> {
        self.active.iter().filter(move |session| now < session.expires_at)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PrincipalSessionsCommand {
    Open(OpenSession),
    Close(CloseSession),
    CloseAll(CloseAllSessions),
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenSession {
    pub principal: Actor,
    pub session_id: SessionId,
    pub expires_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
    /// The most sessions at once, this one included; 0 counts as 1.
    pub sessions_max: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CloseSession {
    pub session_id: SessionId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CloseAllSessions {
    /// The one that stays open, such as the one that changes the password (SES-11).
    pub except: Option<SessionId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PrincipalSessionsEvent {
    /// The whole list after the change, the oldest first.
    PrincipalSessionsChanged { principal: Actor, active: Vec<ActiveSession> },
}

domain_event!(PrincipalSessionsEvent { PrincipalSessionsChanged => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PrincipalSessionsError {
    #[error("the sessions of this stream are somebody else's")]
    OfAnother,
}

impl Refusal for PrincipalSessionsError {
    fn rule(&self) -> &'static str {
        match self {
            Self::OfAnother => "SES-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::OfAnother => RefusalKind::Forbidden,
        }
    }
}

aggregate!(
    PrincipalSessions,
    "principal_sessions",
    PrincipalSessionsCommand,
    PrincipalSessionsEvent,
    PrincipalSessionsError
);

impl Decide for PrincipalSessions {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: PrincipalSessionsCommand,
    ) -> Result<Vec<PrincipalSessionsEvent>, PrincipalSessionsError> {
        match command {
            PrincipalSessionsCommand::Open(command) => open(self, command),
            PrincipalSessionsCommand::Close(command) => Ok(close(self, command)),
            PrincipalSessionsCommand::CloseAll(command) => Ok(close_all(self, command)),
        }
    }
}

fn open(
    sessions: &PrincipalSessions,
    command: OpenSession,
) -> Result<Vec<PrincipalSessionsEvent>, PrincipalSessionsError> {
    if sessions.principal.is_some_and(|principal| principal != command.principal) {
        return Err(PrincipalSessionsError::OfAnother);
    }
    if sessions.active.iter().any(|session| session.session_id == command.session_id) {
        return Ok(Vec::new());
    }
    let superseded = sessions.superseded(command.now, command.sessions_max);
    let opened = ActiveSession { session_id: command.session_id, expires_at: command.expires_at };
    let active = sessions
        .valid_at(command.now)
        .filter(|session| !superseded.contains(&session.session_id))
        .copied()
        .chain([opened])
        .collect();
    let principal = command.principal;
    Ok(vec![PrincipalSessionsEvent::PrincipalSessionsChanged { principal, active }])
}

fn close(sessions: &PrincipalSessions, command: CloseSession) -> Vec<PrincipalSessionsEvent> {
    keep(sessions, |session_id| session_id != command.session_id)
}

fn close_all(
    sessions: &PrincipalSessions,
    command: CloseAllSessions,
) -> Vec<PrincipalSessionsEvent> {
    keep(sessions, |session_id| Some(session_id) == command.except)
}

fn keep(
    sessions: &PrincipalSessions,
    kept: impl Fn(SessionId) -> bool,
) -> Vec<PrincipalSessionsEvent> {
    let active: Vec<ActiveSession> =
        sessions.active.iter().filter(|session| kept(session.session_id)).copied().collect();
    match sessions.principal {
        Some(principal) if active.len() < sessions.active.len() => {
            vec![PrincipalSessionsEvent::PrincipalSessionsChanged { principal, active }]
        }
        _ => Vec::new(),
    }
}

impl PrincipalSessions {
    fn apply(&mut self, event: PrincipalSessionsEvent) {
        let PrincipalSessionsEvent::PrincipalSessionsChanged { principal, active } = event;
        self.principal = Some(principal);
        self.active = active;
    }
}

#[cfg(test)]
mod tests;
