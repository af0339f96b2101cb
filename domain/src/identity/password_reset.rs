//! A request for a new password by mail (E09).
//!
//! Life cycle: requested by whoever knows an address, or by an admin for somebody's credential →
//! used once, before it expires (CRD-12). A request is the same whether there is an account or not
//! (CRD-09): which credential it is about, the mail finds out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{CredentialId, PasswordResetId},
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::Email,
};

/// A request as the log tells it. `Default` is the request that was never made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PasswordReset {
    requested: Option<Requested>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Requested {
    expires_at: DateTime<Utc>,
    used: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PasswordResetCommand {
    Request(RequestPasswordReset),
    Use(UsePasswordReset),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RequestPasswordReset {
    pub reset_id: PasswordResetId,
    pub account: ResetAccount,
    pub expires_at: DateTime<Utc>,
}

/// Whose password it is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum ResetAccount {
    /// Of whoever has this address, if anybody: what somebody without a session asks for.
    Of(Personal<Email>),
    /// Of this credential: what an admin asks for.
    Known { credential_id: CredentialId, requested_by: Actor },
}

#[derive(Clone, Debug, PartialEq)]
pub struct UsePasswordReset {
    pub credential_id: CredentialId,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PasswordResetEvent {
    /// With an address, or with a credential and who asked.
    PasswordResetRequested {
        reset_id: PasswordResetId,
        expires_at: DateTime<Utc>,
        email: Option<Personal<Email>>,
        credential_id: Option<CredentialId>,
        requested_by: Option<Actor>,
    },
    PasswordResetUsed {
        credential_id: CredentialId,
    },
}

domain_event!(PasswordResetEvent {
    PasswordResetRequested => "1",
    PasswordResetUsed => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PasswordResetError {
    #[error("there is already a request of this id")]
    AlreadyExists,
    #[error("the token is wrong: ask for a new one")]
    NotFound,
    #[error("the token was used: ask for a new one")]
    Used,
    #[error("the token has expired: ask for a new one")]
    Expired,
}

impl Refusal for PasswordResetError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "REL-10",
            Self::NotFound | Self::Used | Self::Expired => "CRD-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            Self::NotFound | Self::Used | Self::Expired => RefusalKind::Invalid,
        }
    }
}

aggregate!(
    PasswordReset,
    "password_reset",
    PasswordResetCommand,
    PasswordResetEvent,
    PasswordResetError
);

impl Decide for PasswordReset {
    fn decide(
        &self,
        command: PasswordResetCommand,
    ) -> Result<Vec<PasswordResetEvent>, PasswordResetError> {
        match command {
            PasswordResetCommand::Request(command) => request(self, command),
            PasswordResetCommand::Use(command) => use_once(self, command),
        }
    }
}

fn request(
    reset: &PasswordReset,
    command: RequestPasswordReset,
) -> Result<Vec<PasswordResetEvent>, PasswordResetError> {
    if reset.requested.is_some() {
        return Err(PasswordResetError::AlreadyExists);
    }
    let (email, credential_id, requested_by) = match command.account {
        ResetAccount::Of(email) => (Some(email), None, None),
        ResetAccount::Known { credential_id, requested_by } => {
            (None, Some(credential_id), Some(requested_by))
        }
    };
    Ok(vec![PasswordResetEvent::PasswordResetRequested {
        reset_id: command.reset_id,
        expires_at: command.expires_at,
        email,
        credential_id,
        requested_by,
    }])
}

fn use_once(
    reset: &PasswordReset,
    command: UsePasswordReset,
) -> Result<Vec<PasswordResetEvent>, PasswordResetError> {
    let requested = reset.requested.as_ref().ok_or(PasswordResetError::NotFound)?;
    if requested.used {
        return Err(PasswordResetError::Used);
    }
    if command.now >= requested.expires_at {
        return Err(PasswordResetError::Expired);
    }
    Ok(vec![PasswordResetEvent::PasswordResetUsed { credential_id: command.credential_id }])
}

impl PasswordReset {
    fn apply(&mut self, event: PasswordResetEvent) {
        match event {
            PasswordResetEvent::PasswordResetRequested { expires_at, .. } => {
                self.requested = Some(Requested { expires_at, used: false });
            }
            PasswordResetEvent::PasswordResetUsed { .. } => {
                if let Some(requested) = &mut self.requested {
                    requested.used = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use cqrs_es::Aggregate;
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::AdminId,
        personal::{Category, Subject},
    };

    const CREDENTIAL: CredentialId = CredentialId(Uuid::from_u128(2));

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_000, 0).unwrap()
    }

    fn request(account: ResetAccount) -> PasswordResetCommand {
        PasswordResetCommand::Request(RequestPasswordReset {
            reset_id: PasswordResetId(Uuid::from_u128(1)),
            account,
            expires_at: start() + TimeDelta::hours(1),
        })
    }

    fn of_an_address() -> PasswordResetCommand {
        let email = "ola@example.org".parse().unwrap();
        let subject = Subject::day(start().date_naive());
        request(ResetAccount::Of(Personal::new(subject, Category::Identity, email)))
    }

    fn by_an_admin() -> PasswordResetCommand {
        let requested_by = Actor::admin(AdminId(Uuid::from_u128(3)));
        request(ResetAccount::Known { credential_id: CREDENTIAL, requested_by })
    }

    fn used_after(time: TimeDelta) -> PasswordResetCommand {
        let (credential_id, now) = (CREDENTIAL, start() + time);
        PasswordResetCommand::Use(UsePasswordReset { credential_id, now })
    }

    fn given(commands: impl IntoIterator<Item = PasswordResetCommand>) -> PasswordReset {
        let mut reset = PasswordReset::default();
        for command in commands {
            for event in reset.decide(command).unwrap() {
                Aggregate::apply(&mut reset, event);
            }
        }
        reset
    }

    #[test]
    fn crd_12_a_reset_is_used_once_and_in_time() {
        for command in [of_an_address(), by_an_admin()] {
            let reset = given([command]);
            let late = reset.decide(used_after(TimeDelta::hours(1)));
            assert_eq!(late, Err(PasswordResetError::Expired));
            let reset = given([by_an_admin(), used_after(TimeDelta::minutes(59))]);
            let again = reset.decide(used_after(TimeDelta::minutes(59)));
            assert_eq!(again, Err(PasswordResetError::Used));
        }
    }

    #[test]
    fn crd_12_what_was_never_asked_for_resets_nothing() {
        let never = PasswordReset::default().decide(used_after(TimeDelta::zero()));
        assert_eq!(never, Err(PasswordResetError::NotFound));
        let twice = given([of_an_address()]).decide(of_an_address());
        assert_eq!(twice, Err(PasswordResetError::AlreadyExists));
    }
}
