//! Why something is refused of a credential.

use crate::{
    changes::ChangedTooOften,
    refusal::{Refusal, RefusalKind},
};

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
    #[error("the current password is wrong: give it to change the password")]
    CurrentPasswordWrong,
    #[error("the current password is wrong: give it to change the address")]
    NotReauthenticated,
    #[error("the address was not confirmed yet")]
    NotConfirmed,
    #[error("the token is wrong, was used, or another one has taken its place: ask for a new one")]
    NotAwaited,
    #[error("the token has expired: ask for a new one")]
    ConfirmationExpired,
    #[error("it was changed too often: a password can still be reset by mail")]
    ChangedTooOften,
    #[error("the password was changed and reset too often to be reset once more")]
    ResetTooOften,
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
            Self::NotReauthenticated => "CRD-10",
            Self::NotConfirmed => "CRD-09",
            Self::NotAwaited
            | Self::ConfirmationExpired
            | Self::ChangedTooOften
            | Self::ResetTooOften => "CRD-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists | Self::NotConfirmed => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
            Self::NoHolder
            | Self::HeldByGuest
            | Self::CurrentPasswordWrong
            | Self::NotReauthenticated => RefusalKind::Forbidden,
            Self::Invalidated => RefusalKind::Gone,
            Self::NotAwaited
            | Self::ConfirmationExpired
            | Self::ChangedTooOften
            | Self::ResetTooOften => RefusalKind::Invalid,
        }
    }
}

impl From<ChangedTooOften> for CredentialError {
    fn from(_: ChangedTooOften) -> Self {
        Self::ChangedTooOften
    }
}
