//! A login (E04).
//!
//! Life cycle: issued → revoked, once and for all (SES-14), or past its time. The token is nowhere
//! in here: its hash is a claim of the log, taken by the unit that issues and released by the one
//! that revokes (SES-01, SES-04).

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::{Actor, ActorKind},
    aggregate::{Decide, aggregate, domain_event},
    identity::values::{DeviceInfo, RevocationCause},
    ids::{OrganizationId, SessionId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
};

/// A session as the log tells it. `Default` is the session that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    issued: Option<Issued>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Issued {
    principal: Actor,
    expires_at: DateTime<Utc>,
    era: u64,
    /// `None` in sessions and snapshots from before there were organizations, too.
    organization_id: Option<OrganizationId>,
    revoked: bool,
}

impl Session {
    pub fn exists(&self) -> bool {
        self.issued.is_some()
    }

    /// Whose session it is: a member's or an admin's.
    pub fn principal(&self) -> Option<Actor> {
        self.issued.as_ref().map(|session| session.principal)
    }

    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.issued.as_ref().map(|session| session.expires_at)
    }

    /// The era in which it was issued (`session_era`).
    pub fn era(&self) -> u64 {
        self.issued.as_ref().map_or(0, |session| session.era)
    }

    /// The tenant that was chosen at login; it never changes (BUF-15). Whether its holder is still in it,
    /// [`OrganizationMembership`](crate::exports::organization_membership) tells.
    pub fn organization_id(&self) -> Option<OrganizationId> {
        self.issued.as_ref().and_then(|session| session.organization_id)
    }

    pub fn is_revoked(&self) -> bool {
        self.issued.as_ref().is_some_and(|session| session.revoked)
    }

    /// Whether it lets anybody in: issued, not revoked, not expired (SES-04, SES-05).
    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.issued.as_ref().is_some_and(|session| !session.revoked && now < session.expires_at)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum SessionCommand {
    Issue(IssueSession),
    Revoke(RevokeSession),
}

#[derive(Clone, Debug, PartialEq)]
pub struct IssueSession {
    pub session_id: SessionId,
    pub principal: Actor,
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub device_info: Option<Personal<DeviceInfo>>,
    pub ip_address: Option<Personal<IpAddr>>,
    /// The era of sessions that it belongs to.
    pub era: u64,
    /// The tenant in whose name the session acts; one that the principal is in.
    pub organization_id: Option<OrganizationId>,
    /// What the decision needs to know of the principal.
    pub principal_may_log_in: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RevokeSession {
    /// Its principal, an admin, or the platform itself.
    pub revoked_by: Actor,
    pub cause: RevocationCause,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionEvent {
    SessionIssued {
        session_id: SessionId,
        principal: Actor,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        device_info: Option<Personal<DeviceInfo>>,
        ip_address: Option<Personal<IpAddr>>,
        /// From version 2 on; those before it are of era 0.
        era: Option<u64>,
        /// From version 3 on.
        organization_id: Option<OrganizationId>,
    },
    SessionRevoked {
        revoked_by: Actor,
        cause: RevocationCause,
    },
}

domain_event!(SessionEvent { SessionIssued => "3", SessionRevoked => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SessionError {
    #[error("there is already a session of this id")]
    AlreadyExists,
    #[error("there is no such session")]
    NotFound,
    #[error("there is no such principal, or it may not log in")]
    NoPrincipal,
    #[error("a session must expire after it was issued")]
    ExpiresTooEarly,
    #[error("there is no such session of yours")]
    OfAnother,
}

impl Refusal for SessionError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::NoPrincipal => "SES-03",
            Self::ExpiresTooEarly => "SES-05",
            Self::OfAnother => "SES-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            // That somebody else has a session of this id must not leak.
            Self::NotFound | Self::OfAnother => RefusalKind::NotFound,
            Self::NoPrincipal => RefusalKind::Unauthenticated,
            Self::ExpiresTooEarly => RefusalKind::Invalid,
        }
    }
}

aggregate!(Session, "session", SessionCommand, SessionEvent, SessionError);

impl Decide for Session {
    fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionError> {
        match command {
            SessionCommand::Issue(command) => issue(self, command),
            SessionCommand::Revoke(command) => revoke(self, command),
        }
    }
}

fn issue(session: &Session, command: IssueSession) -> Result<Vec<SessionEvent>, SessionError> {
    if session.exists() {
        return Err(SessionError::AlreadyExists);
    }
    // A guest shows its signature instead (GST-02).
    if !command.principal.has_account() || !command.principal_may_log_in {
        return Err(SessionError::NoPrincipal);
    }
    if command.expires_at <= command.issued_at {
        return Err(SessionError::ExpiresTooEarly);
    }
    Ok(vec![SessionEvent::SessionIssued {
        session_id: command.session_id,
        principal: command.principal,
        issued_at: command.issued_at,
        expires_at: command.expires_at,
        device_info: command.device_info,
        ip_address: command.ip_address,
        era: Some(command.era),
        organization_id: command.organization_id,
    }])
}

fn revoke(session: &Session, command: RevokeSession) -> Result<Vec<SessionEvent>, SessionError> {
    let current = session.issued.as_ref().ok_or(SessionError::NotFound)?;
    let may_end_others = matches!(command.revoked_by.kind, ActorKind::Admin | ActorKind::System);
    if !may_end_others && command.revoked_by != current.principal {
        return Err(SessionError::OfAnother);
    }
    if current.revoked {
        return Ok(Vec::new());
    }
    Ok(vec![SessionEvent::SessionRevoked { revoked_by: command.revoked_by, cause: command.cause }])
}

impl Session {
    fn apply(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::SessionIssued { principal, expires_at, era, organization_id, .. } => {
                let (era, revoked) = (era.unwrap_or(0), false);
                self.issued = Some(Issued { principal, expires_at, era, organization_id, revoked });
            }
            SessionEvent::SessionRevoked { .. } => {
                if let Some(session) = &mut self.issued {
                    session.revoked = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
