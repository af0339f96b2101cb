//! What somebody logs in with (E09): an address and the hash of a password.
//!
//! Life cycle: registered for one holder, for ever (MEM-03, ADM-02) → password changed any number of
//! times → invalidated, which is the end: nobody logs in with it again (CRD-04).

use serde::{Deserialize, Serialize};

use crate::{
    actor::{Actor, ActorKind},
    aggregate::{Decide, aggregate, domain_event},
    identity::password::PasswordHash,
    ids::CredentialId,
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::Email,
};

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
    invalidated: bool,
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

    /// What to verify a password against. `None` once invalidated or erased, so that no password
    /// fits (CRD-04).
    pub fn password_hash(&self) -> Option<&PasswordHash> {
        self.valid().and_then(|credential| credential.password_hash.get())
    }

    pub fn is_valid(&self) -> bool {
        self.valid().is_some()
    }

    fn valid(&self) -> Option<&Registered> {
        self.registered.as_ref().filter(|credential| !credential.invalidated)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum CredentialCommand {
    Register(RegisterCredential),
    ChangePassword(ChangePassword),
    Invalidate(InvalidateCredential),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RegisterCredential {
    pub credential_id: CredentialId,
    pub holder: Actor,
    pub email: Personal<Email>,
    pub password_hash: Personal<PasswordHash>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ChangePassword {
    pub password_hash: Personal<PasswordHash>,
    /// Whether the current password was given and fits (ASVS 5.0 §6.2.3).
    pub current_password_verified: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct InvalidateCredential {
    pub invalidated_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CredentialEvent {
    CredentialRegistered {
        credential_id: CredentialId,
        holder: Actor,
        email: Personal<Email>,
        password_hash: Personal<PasswordHash>,
    },
    PasswordChanged {
        password_hash: Personal<PasswordHash>,
    },
    CredentialInvalidated {
        invalidated_by: Actor,
    },
}

domain_event!(CredentialEvent {
    CredentialRegistered => "1",
    PasswordChanged => "1",
    CredentialInvalidated => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CredentialError {
    #[error("there is already a credential of this id")]
    AlreadyExists,
    #[error("there is no such credential")]
    NotFound,
    #[error("a credential is held by a member or an admin")]
    NoHolder,
    #[error("a guest has no credential: it registers as a member instead")]
    HeldByGuest,
    #[error("the credential is no longer valid")]
    Invalidated,
    #[error("the current password is wrong: give it to set another")]
    CurrentPasswordWrong,
}

impl Refusal for CredentialError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "MEM-03",
            Self::NotFound => "REL-10",
            Self::NoHolder => "REL-01",
            Self::HeldByGuest => "GST-02",
            Self::Invalidated => "CRD-04",
            Self::CurrentPasswordWrong => "CRD-08",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
            Self::NoHolder | Self::HeldByGuest | Self::CurrentPasswordWrong => {
                RefusalKind::Forbidden
            }
            Self::Invalidated => RefusalKind::Gone,
        }
    }
}

aggregate!(Credential, "credential", CredentialCommand, CredentialEvent, CredentialError);

impl Decide for Credential {
    fn decide(&self, command: CredentialCommand) -> Result<Vec<CredentialEvent>, CredentialError> {
        match command {
            CredentialCommand::Register(command) => register(self, command),
            CredentialCommand::ChangePassword(command) => change_password(self, command),
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

fn change_password(
    credential: &Credential,
    command: ChangePassword,
) -> Result<Vec<CredentialEvent>, CredentialError> {
    let current = credential.registered.as_ref().ok_or(CredentialError::NotFound)?;
    if current.invalidated {
        return Err(CredentialError::Invalidated);
    }
    if !command.current_password_verified {
        return Err(CredentialError::CurrentPasswordWrong);
    }
    // Even the same password gives a new hash and an event: the change is audited (CRD-05).
    Ok(vec![CredentialEvent::PasswordChanged { password_hash: command.password_hash }])
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
        match event {
            CredentialEvent::CredentialRegistered { holder, email, password_hash, .. } => {
                self.registered =
                    Some(Registered { holder, email, password_hash, invalidated: false });
            }
            CredentialEvent::PasswordChanged { password_hash } => {
                self.change(|credential| credential.password_hash = password_hash);
            }
            CredentialEvent::CredentialInvalidated { .. } => {
                self.change(|credential| credential.invalidated = true);
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
