//! What can be asked of a credential.

use chrono::{DateTime, Utc};

use crate::{
    actor::Actor,
    identity::password::PasswordHash,
    ids::{CredentialId, EmailConfirmationId, PasswordResetId},
    personal::Personal,
    values::{DisplayName, Email},
};

#[derive(Clone, Debug, PartialEq)]
pub enum CredentialCommand {
    Register(RegisterCredential),
    RegisterToConfirm(RegisterToConfirm),
    ChangePassword(ChangePassword),
    ResetPassword(ResetPassword),
    ChangeEmail(ChangeEmail),
    ConfirmEmail(ConfirmEmail),
    Invalidate(InvalidateCredential),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RegisterCredential {
    pub credential_id: CredentialId,
    pub holder: Actor,
    pub email: Personal<Email>,
    pub password_hash: Personal<PasswordHash>,
}

/// A registration that counts once its address is confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterToConfirm {
    pub register: RegisterCredential,
    pub confirmation_id: EmailConfirmationId,
    pub expires_at: DateTime<Utc>,
    pub display_name: Option<Personal<DisplayName>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ChangePassword {
    pub password_hash: Personal<PasswordHash>,
    /// Whether the current password was given and fits (ASVS 5.0 §6.2.3).
    pub current_password_verified: bool,
}

/// A new password for whoever reads the address's mail; that is checked before.
#[derive(Clone, Debug, PartialEq)]
pub struct ResetPassword {
    pub reset_id: PasswordResetId,
    pub password_hash: Personal<PasswordHash>,
}

/// Asks for another address, which counts once it is confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeEmail {
    pub confirmation_id: EmailConfirmationId,
    pub email: Personal<Email>,
    pub expires_at: DateTime<Utc>,
    /// Whether the current password was given and fits (ASVS 5.0 §7.5.1).
    pub current_password_verified: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConfirmEmail {
    pub confirmation_id: EmailConfirmationId,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct InvalidateCredential {
    pub invalidated_by: Actor,
}
