//! What somebody logs in with (E09): an address and the hash of a password.
//!
//! Life cycle: registered for one holder, for ever (MEM-03, ADM-02), where it is asked for only once
//! its address is confirmed → password changed or reset, address changed (which its new one
//! confirms) any number of times → invalidated, which is the end: nobody logs in with it again
//! (CRD-04).

mod commands;
mod error;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::{Actor, ActorKind},
    aggregate::{Decide, aggregate, domain_event},
    changes::{self, CARETAKERS_CHANGES_MAX, CHANGES_MAX, ChangedTooOften},
    identity::password::PasswordHash,
    ids::{CredentialId, EmailConfirmationId, PasswordResetId},
    personal::Personal,
    values::{DisplayName, Email},
};

pub use commands::*;
pub use error::CredentialError;

/// A credential as the log tells it. `Default` is the credential that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    registered: Option<Registered>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Registered {
    holder: Actor,
    email: Personal<Email>,
    password_hash: Personal<PasswordHash>,
    awaited: Option<Awaited>,
    invalidated: bool,
    /// Events since its registration.
    changes: u32,
}

/// A confirmation that is to come by mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Awaited {
    pub confirmation_id: EmailConfirmationId,
    pub expires_at: DateTime<Utc>,
    pub what: AwaitedFor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AwaitedFor {
    /// The account itself; the name is what its member will be called.
    Registration { display_name: Option<Personal<DisplayName>> },
    /// Another address.
    Change { email: Personal<Email> },
}

impl Credential {
    pub fn exists(&self) -> bool {
        self.registered.is_some()
    }

    /// Whom it lets in: one member or one admin.
    pub fn holder(&self) -> Option<Actor> {
        self.registered.as_ref().map(|credential| credential.holder)
    }

    /// `None` also once erased.
    pub fn email(&self) -> Option<&Email> {
        self.registered.as_ref().and_then(|credential| credential.email.get())
    }

    pub fn awaited(&self) -> Option<&Awaited> {
        self.registered.as_ref().and_then(|credential| credential.awaited.as_ref())
    }

    /// What to verify a password against. `None` before the account is confirmed, and once
    /// invalidated or erased, so that no password fits (CRD-04, CRD-09).
    pub fn password_hash(&self) -> Option<&PasswordHash> {
        let current = self.valid().filter(|credential| !credential.awaits_registration());
        current.and_then(|credential| credential.password_hash.get())
    }

    /// Whether this confirmation makes it an account.
    pub fn is_registered_by(&self, confirmation_id: EmailConfirmationId) -> bool {
        let registered = self.registered.as_ref().filter(|it| it.awaits_registration());
        let awaited = registered.and_then(|credential| credential.awaited.as_ref());
        awaited.is_some_and(|awaited| awaited.confirmation_id == confirmation_id)
    }

    /// As [`Self::password_hash`], of a registration that is still to be confirmed: nobody logs in
    /// with it, but whoever confirms it has to know the password.
    pub fn unconfirmed_password_hash(&self) -> Option<&PasswordHash> {
        let current = self.valid().filter(|credential| credential.awaits_registration());
        current.and_then(|credential| credential.password_hash.get())
    }

    /// Whose account it would have been, where it ended before anybody confirmed it.
    pub fn dropped_holder(&self) -> Option<Actor> {
        let dropped = |it: &&Registered| it.invalidated && it.awaits_registration();
        self.registered.as_ref().filter(dropped).map(|credential| credential.holder)
    }

    /// Whether it is of a registration that is still to be confirmed.
    pub fn awaits_registration(&self) -> bool {
        self.valid().is_some_and(Registered::awaits_registration)
    }

    pub fn is_valid(&self) -> bool {
        self.valid().is_some()
    }

    fn valid(&self) -> Option<&Registered> {
        self.registered.as_ref().filter(|credential| !credential.invalidated)
    }
}

impl Registered {
    fn awaits_registration(&self) -> bool {
        let what = self.awaited.as_ref().map(|awaited| &awaited.what);
        matches!(what, Some(AwaitedFor::Registration { .. }))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CredentialEvent {
    CredentialRegistered {
        credential_id: CredentialId,
        holder: Actor,
        email: Personal<Email>,
        password_hash: Personal<PasswordHash>,
    },
    /// The registration counts once its address is confirmed.
    EmailConfirmationRequested {
        confirmation_id: EmailConfirmationId,
        expires_at: DateTime<Utc>,
        display_name: Option<Personal<DisplayName>>,
    },
    EmailConfirmed {
        confirmation_id: EmailConfirmationId,
    },
    EmailChangeRequested {
        confirmation_id: EmailConfirmationId,
        email: Personal<Email>,
        expires_at: DateTime<Utc>,
    },
    /// The new address is confirmed by this.
    EmailChanged {
        confirmation_id: EmailConfirmationId,
        email: Personal<Email>,
        previous: Personal<Email>,
    },
    PasswordChanged {
        password_hash: Personal<PasswordHash>,
    },
    PasswordReset {
        reset_id: PasswordResetId,
        password_hash: Personal<PasswordHash>,
    },
    CredentialInvalidated {
        invalidated_by: Actor,
    },
}

domain_event!(CredentialEvent {
    CredentialRegistered => "1",
    EmailConfirmationRequested => "1",
    EmailConfirmed => "1",
    EmailChangeRequested => "1",
    EmailChanged => "1",
    PasswordChanged => "1",
    PasswordReset => "1",
    CredentialInvalidated => "1",
});

aggregate!(Credential, "credential", CredentialCommand, CredentialEvent, CredentialError);

impl Decide for Credential {
    fn decide(&self, command: CredentialCommand) -> Result<Vec<CredentialEvent>, CredentialError> {
        match command {
            CredentialCommand::Register(command) => register(self, command),
            CredentialCommand::RegisterToConfirm(command) => register_to_confirm(self, command),
            CredentialCommand::ChangePassword(command) => change_password(self, command),
            CredentialCommand::ResetPassword(command) => reset_password(self, command),
            CredentialCommand::ChangeEmail(command) => change_email(self, command),
            CredentialCommand::ConfirmEmail(command) => confirm_email(self, command),
            CredentialCommand::Invalidate(command) => invalidate(self, command),
        }
    }
}

fn register(
    credential: &Credential,
    command: RegisterCredential,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    if credential.exists() {
        return Err(CredentialError::AlreadyExists);
    }
    match command.holder.kind {
        ActorKind::Member | ActorKind::Admin => {}
        ActorKind::Guest => return Err(CredentialError::HeldByGuest),
        ActorKind::System => return Err(CredentialError::NoHolder),
    }
    Ok(vec![CredentialEvent::CredentialRegistered {
        credential_id: command.credential_id,
        holder: command.holder,
        email: command.email,
        password_hash: command.password_hash,
    }])
}

fn register_to_confirm(
    credential: &Credential,
    command: RegisterToConfirm,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    let mut events = register(credential, command.register)?;
    events.push(CredentialEvent::EmailConfirmationRequested {
        confirmation_id: command.confirmation_id,
        expires_at: command.expires_at,
        display_name: command.display_name,
    });
    Ok(events)
}

/// The credential, where somebody can log in with it.
fn in_use(credential: &Credential) -> Result<&Registered, CredentialError> {
    match credential.registered.as_ref().ok_or(CredentialError::NotFound)? {
        current if current.invalidated => Err(CredentialError::Invalidated),
        current if current.awaits_registration() => Err(CredentialError::NotConfirmed),
        current => Ok(current),
    }
}

fn change_password(
    credential: &Credential,
    command: ChangePassword,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    let current = in_use(credential)?;
    if !command.current_password_verified {
        return Err(CredentialError::CurrentPasswordWrong);
    }
    changes::room(current.changes, CHANGES_MAX)?;
    // Even the same password gives a new hash and an event: the change is audited (CRD-05).
    Ok(vec![CredentialEvent::PasswordChanged { password_hash: command.password_hash }])
}

fn reset_password(
    credential: &Credential,
    command: ResetPassword,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    let current = in_use(credential)?;
    // Whoever knows the password uses up what is its own; the rest is for whoever reads the mail.
    changes::room(current.changes, CARETAKERS_CHANGES_MAX)
        .map_err(|ChangedTooOften| CredentialError::ResetTooOften)?;
    let ResetPassword { reset_id, password_hash } = command;
    Ok(vec![CredentialEvent::PasswordReset { reset_id, password_hash }])
}

fn change_email(
    credential: &Credential,
    command: ChangeEmail,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    let current = in_use(credential)?;
    if !command.current_password_verified {
        return Err(CredentialError::NotReauthenticated);
    }
    changes::room(current.changes, CHANGES_MAX)?;
    let ChangeEmail { confirmation_id, email, expires_at, .. } = command;
    Ok(vec![CredentialEvent::EmailChangeRequested { confirmation_id, email, expires_at }])
}

fn confirm_email(
    credential: &Credential,
    command: ConfirmEmail,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    let current = credential.registered.as_ref().ok_or(CredentialError::NotFound)?;
    if current.invalidated {
        return Err(CredentialError::Invalidated);
    }
    let confirmation_id = command.confirmation_id;
    let awaited = current
        .awaited
        .as_ref()
        .filter(|awaited| awaited.confirmation_id == confirmation_id)
        .ok_or(CredentialError::NotAwaited)?;
    if command.now >= awaited.expires_at {
        return Err(CredentialError::ConfirmationExpired);
    }
    Ok(vec![match &awaited.what {
        AwaitedFor::Registration { .. } => CredentialEvent::EmailConfirmed { confirmation_id },
        AwaitedFor::Change { email } => CredentialEvent::EmailChanged {
            confirmation_id,
            email: email.clone(),
            previous: current.email.clone(),
        },
    }])
}

fn invalidate(
    credential: &Credential,
    command: InvalidateCredential,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    let current = credential.registered.as_ref().ok_or(CredentialError::NotFound)?;
    if current.invalidated {
        return Ok(Vec::new());
    }
    Ok(vec![CredentialEvent::CredentialInvalidated { invalidated_by: command.invalidated_by }])
}

impl Credential {
    fn apply(&mut self, event: CredentialEvent) {
        self.change(|credential| credential.changes = credential.changes.saturating_add(1));
        match event {
            CredentialEvent::CredentialRegistered { holder, email, password_hash, .. } => {
                self.registered = Some(Registered {
                    holder,
                    email,
                    password_hash,
                    awaited: None,
                    invalidated: false,
                    changes: 0,
                });
            }
            CredentialEvent::EmailConfirmationRequested {
                confirmation_id,
                expires_at,
                display_name,
            } => {
                let what = AwaitedFor::Registration { display_name };
                self.change(|it| it.awaited = Some(Awaited { confirmation_id, expires_at, what }));
            }
            CredentialEvent::EmailConfirmed { .. } => self.change(|it| it.awaited = None),
            CredentialEvent::EmailChangeRequested { confirmation_id, email, expires_at } => {
                let what = AwaitedFor::Change { email };
                self.change(|it| it.awaited = Some(Awaited { confirmation_id, expires_at, what }));
            }
            CredentialEvent::EmailChanged { email, .. } => self.change(|it| {
                it.email = email;
                it.awaited = None;
            }),
            // Whoever asked for another address knew the old password: it may have been stolen.
            CredentialEvent::PasswordChanged { password_hash }
            | CredentialEvent::PasswordReset { password_hash, .. } => self.change(|it| {
                it.password_hash = password_hash;
                it.awaited = None;
            }),
            CredentialEvent::CredentialInvalidated { .. } => {
                self.change(|it| it.invalidated = true);
            }
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Registered)) {
        if let Some(credential) = &mut self.registered {
            change(credential);
        }
    }
}

#[cfg(test)]
mod tests;
