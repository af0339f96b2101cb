//! What can be asked of a request.

use chrono::{DateTime, Utc};

use super::super::deletion_values::{
    BackupStatus, DeletionGround, DeletionScope, ErasureStep, Recipient, RecipientStatus, Retention,
};
use crate::{
    actor::Actor,
    ids::DeletionId,
    personal::{Category, Personal},
    values::Reason,
};

#[derive(Clone, Debug, PartialEq)]
pub enum DeletionRequestCommand {
    Request(RequestDeletion),
    VerifyIdentity(VerifyIdentity),
    StartReview(StartReview),
    Approve(ApproveDeletion),
    Reject(RejectDeletion),
    Withdraw(WithdrawDeletion),
    ExtendDeadline(ExtendDeletionDeadline),
    Start(StartErasure),
    RecordStep(RecordStep),
    NotifyRecipient(NotifyRecipient),
    UpdateBackup(UpdateBackup),
    Complete(CompleteErasure),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RequestDeletion {
    pub deletion_id: DeletionId,
    pub subject: Actor,
    pub scope: DeletionScope,
    pub data_categories: Vec<Category>,
    pub legal_ground: DeletionGround,
    pub requested_by: Actor,
    /// Whoever asks has not shown lately that it is the person.
    pub verification_required: bool,
    pub is_last_global_admin: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VerifyIdentity {
    pub verified_by: Actor,
    /// Of the person itself: whether it has logged in lately.
    pub has_logged_in: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StartReview {
    pub reviewer: Actor,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ApproveDeletion {
    pub reviewer: Actor,
    pub retention: Option<Retention>,
    pub recipients: Vec<Recipient>,
    pub is_last_global_admin: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RejectDeletion {
    pub reviewer: Actor,
    /// What the person is told, with where it can complain (DDR-11).
    pub reason: Personal<Reason>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WithdrawDeletion {
    pub withdrawn_by: Actor,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ExtendDeletionDeadline {
    pub extended_by: Actor,
    /// What the person is told.
    pub reason: Personal<Reason>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StartErasure {
    pub is_last_global_admin: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordStep {
    pub step: ErasureStep,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NotifyRecipient {
    pub recipient: Recipient,
    pub status: RecipientStatus,
    pub notified_by: Actor,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct UpdateBackup {
    pub status: BackupStatus,
    pub gone_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

/// A statement that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub statement: Box<str>,
    pub public_key: Box<str>,
    pub signature: Box<str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CompleteErasure {
    pub certificate: Certificate,
    pub now: DateTime<Utc>,
}
