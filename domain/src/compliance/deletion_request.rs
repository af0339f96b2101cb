//! A request to be erased (E24, Art. 17 GDPR). The stream is the request.
//!
//! Life cycle (DDR-03): pending → under review → approved or rejected; approved → processing →
//! completed. A person may take its request back before the review begins, which rejects it (K18).
//! Whether the person is who it says is verified before the approval, by the person or by somebody who
//! neither asked on its behalf nor approves (DDR-07, DDR-08). What is done is said step by step; a step
//! that fails leaves the request processing, and is tried again (K18). It is completed once no backup holds
//! anything either (DDR-10) and whoever was given data has been told (DDR-12).

mod commands;
mod decisions;
mod errors;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Serialize};

pub use self::{commands::*, errors::DeletionRequestError};
use super::deletion_values::{
    BackupStatus, DeletionGround, DeletionScope, DeletionStatus, ErasureStep, ErasureStore,
    Recipient, RecipientStatus, Retention, StepResult,
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::DeletionId,
    personal::{Category, Personal},
    values::Reason,
};

/// A person is answered within a month (DDR-11).
pub const ANSWER_WITHIN: Months = Months::new(1);
/// And two months later, once, where the person is told why within the first (DDR-11).
pub const ANSWER_WITHIN_EXTENDED: Months = Months::new(3);
/// The most lines of a processing log: of failures past these only the alert tells.
pub const STEPS_MAX: usize = 100;
/// The most recipients that one erasure is told to.
pub const RECIPIENTS_MAX: usize = 30;
/// What a request says that its person took back (K18).
pub const WITHDRAWN: &str = "withdrawn by subject";

/// A request as the log tells it. `Default` is the one that nobody made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeletionRequest {
    request: Option<Request>,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub deletion_id: DeletionId,
    pub subject: Actor,
    pub scope: DeletionScope,
    pub data_categories: Vec<Category>,
    pub legal_ground: DeletionGround,
    pub status: DeletionStatus,
    pub requested_by: Actor,
    pub requested_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub is_extended: bool,
    pub verification_required: bool,
    pub verification_completed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub verified_by: Option<Actor>,
    /// Who approved first, where it takes two (DDR-08).
    pub first_approval: Option<Actor>,
    pub reviewer_id: Option<Actor>,
    pub reviewed_at: Option<DateTime<Utc>>,
    pub retention: Option<Retention>,
    pub recipients: Vec<(Recipient, RecipientStatus)>,
    pub backup_status: BackupStatus,
    /// When the last backup that holds what was erased will be gone.
    pub backups_gone_at: Option<DateTime<Utc>>,
    pub processing_started_at: Option<DateTime<Utc>>,
    pub steps: Vec<ErasureStep>,
    /// The latest of its times: none after it comes before it (DDR-04).
    pub last_at: DateTime<Utc>,
}

impl Request {
    /// The categories whose keys go.
    pub fn erased_categories(&self) -> Vec<Category> {
        let retained = self.retention.as_ref().map_or(&[][..], |it| it.categories.as_slice());
        let mut asked = self.scope.categories(&self.data_categories);
        asked.retain(|category| !retained.contains(category));
        asked
    }

    /// The places that the erasure has to do with, in order.
    pub fn stores(&self) -> Vec<ErasureStore> {
        let takes_content = self.erased_categories().contains(&Category::Content);
        let is_about = |store: &ErasureStore| match store {
            ErasureStore::Account | ErasureStore::Mail => self.scope.closes_account(),
            ErasureStore::SearchWords => takes_content,
            ErasureStore::SearchRecords => takes_content || self.scope.closes_account(),
            _ => true,
        };
        ErasureStore::ALL.iter().copied().filter(is_about).collect()
    }

    /// Whether a place holds nothing any more.
    pub fn is_done(&self, store: ErasureStore) -> bool {
        let done = |step: &ErasureStep| step.store == store && step.result == StepResult::Done;
        self.steps.iter().any(done)
    }

    /// What is to be done next; none once nothing is.
    pub fn next_store(&self) -> Option<ErasureStore> {
        self.stores().into_iter().find(|store| !self.is_done(*store))
    }

    /// Since when nothing is sealed with the keys any more: no backup from after it holds them.
    pub fn keys_gone_at(&self) -> Option<DateTime<Utc>> {
        let is_it = |step: &&ErasureStep| {
            step.store == ErasureStore::Keys && step.result == StepResult::Done
        };
        self.steps.iter().find(is_it).map(|step| step.at)
    }

    /// What the destroyed keys were called.
    pub fn key_ids(&self) -> Vec<Box<str>> {
        self.steps.iter().flat_map(|step| step.key_ids.iter().cloned()).collect()
    }

    /// The person whose request this is, as long as it is open (DDR-18).
    pub fn open_subject(&self) -> Option<Actor> {
        (!self.status.is_final()).then_some(self.subject)
    }
}

impl DeletionRequest {
    pub fn get(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    pub fn require(&self) -> Result<&Request, DeletionRequestError> {
        self.request.as_ref().ok_or(DeletionRequestError::NotFound)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DeletionRequestEvent {
    DeletionRequested {
        deletion_id: DeletionId,
        subject: Actor,
        deletion_scope: DeletionScope,
        /// Of a partial deletion.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        data_categories: Vec<Category>,
        legal_ground: DeletionGround,
        requested_by: Actor,
        requested_at: DateTime<Utc>,
        due_at: DateTime<Utc>,
        verification_required: bool,
    },
    DeletionIdentityVerified {
        verified_by: Actor,
        verification_completed_at: DateTime<Utc>,
    },
    DeletionReviewStarted {
        reviewer_id: Actor,
        review_started_at: DateTime<Utc>,
    },
    /// One of two that are needed: what it says of retention and recipients holds for both (DDR-08).
    DeletionApprovalGiven {
        approved_by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention: Option<Retention>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recipients: Vec<Recipient>,
        approved_at: DateTime<Utc>,
    },
    DeletionApproved {
        reviewer_id: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention: Option<Retention>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recipients: Vec<Recipient>,
        approved_at: DateTime<Utc>,
    },
    DeletionRejected {
        reviewer_id: Actor,
        reason: Personal<Reason>,
        reviewed_at: DateTime<Utc>,
    },
    /// By its person, before the review: it is rejected (K18).
    DeletionWithdrawn {
        withdrawn_at: DateTime<Utc>,
    },
    DeletionDeadlineExtended {
        due_at: DateTime<Utc>,
        extended_by: Actor,
        reason: Personal<Reason>,
        extended_at: DateTime<Utc>,
    },
    ErasureStarted {
        processing_started_at: DateTime<Utc>,
    },
    ErasureStepRecorded {
        step: ErasureStep,
    },
    RecipientNotified {
        recipient: Recipient,
        status: RecipientStatus,
        notified_by: Actor,
        notified_at: DateTime<Utc>,
    },
    BackupErasureUpdated {
        backup_deletion_status: BackupStatus,
        /// When the last backup that holds it will be gone; while it is in progress.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gone_at: Option<DateTime<Utc>>,
        updated_at: DateTime<Utc>,
    },
    ErasureCompleted {
        completed_at: DateTime<Utc>,
    },
    /// In the unit of the completion. Holds nothing personal (DDR-17).
    ErasureCertificateIssued {
        /// The statement's text: exactly these bytes are signed.
        statement: Box<str>,
        /// Of the key that signed it, in lower-case hexadecimal.
        public_key: Box<str>,
        /// Ed25519, in base64.
        signature: Box<str>,
    },
}

domain_event!(DeletionRequestEvent {
    DeletionRequested => "1",
    DeletionIdentityVerified => "1",
    DeletionReviewStarted => "1",
    DeletionApprovalGiven => "1",
    DeletionApproved => "1",
    DeletionRejected => "1",
    DeletionWithdrawn => "1",
    DeletionDeadlineExtended => "1",
    ErasureStarted => "1",
    ErasureStepRecorded => "1",
    RecipientNotified => "1",
    BackupErasureUpdated => "1",
    ErasureCompleted => "1",
    ErasureCertificateIssued => "1",
});

aggregate!(
    DeletionRequest,
    "deletion_request",
    DeletionRequestCommand,
    DeletionRequestEvent,
    DeletionRequestError
);

impl Decide for DeletionRequest {
    fn decide(&self, command: DeletionRequestCommand) -> decisions::Decided {
        use DeletionRequestCommand as Command;
        match command {
            Command::Request(command) => decisions::request(self, command),
            Command::VerifyIdentity(command) => decisions::verify(self, command),
            Command::StartReview(command) => decisions::start_review(self, command),
            Command::Approve(command) => decisions::approve(self, command),
            Command::Reject(command) => decisions::reject(self, command),
            Command::Withdraw(command) => decisions::withdraw(self, command),
            Command::ExtendDeadline(command) => decisions::extend_deadline(self, command),
            Command::Start(command) => decisions::start(self, command),
            Command::RecordStep(command) => decisions::record_step(self, command),
            Command::NotifyRecipient(command) => decisions::notify_recipient(self, command),
            Command::UpdateBackup(command) => decisions::update_backup(self, command),
            Command::Complete(command) => decisions::complete(self, command),
        }
    }
}

impl DeletionRequest {
    fn apply(&mut self, event: DeletionRequestEvent) {
        use DeletionRequestEvent as Event;
        if let Event::DeletionRequested {
            deletion_id,
            subject,
            deletion_scope,
            data_categories,
            legal_ground,
            requested_by,
            requested_at,
            due_at,
            verification_required,
        } = event
        {
            self.request = Some(Request {
                deletion_id,
                subject,
                scope: deletion_scope,
                data_categories,
                legal_ground,
                status: DeletionStatus::Pending,
                requested_by,
                requested_at,
                due_at,
                is_extended: false,
                verification_required,
                verification_completed_at: None,
                verified_by: None,
                first_approval: None,
                reviewer_id: None,
                reviewed_at: None,
                retention: None,
                recipients: Vec::new(),
                backup_status: BackupStatus::Pending,
                backups_gone_at: None,
                processing_started_at: None,
                steps: Vec::new(),
                last_at: requested_at,
            });
            return;
        }
        let Some(request) = &mut self.request else { return };
        let pending = |recipients: Vec<Recipient>| {
            recipients.into_iter().map(|name| (name, RecipientStatus::Pending)).collect()
        };
        let at = match event {
            Event::DeletionRequested { .. } | Event::ErasureCertificateIssued { .. } => return,
            Event::DeletionIdentityVerified { verified_by, verification_completed_at } => {
                request.verified_by = Some(verified_by);
                request.verification_completed_at = Some(verification_completed_at);
                verification_completed_at
            }
            Event::DeletionReviewStarted { reviewer_id, review_started_at } => {
                request.status = DeletionStatus::UnderReview;
                request.reviewer_id = Some(reviewer_id);
                review_started_at
            }
            Event::DeletionApprovalGiven { approved_by, retention, recipients, approved_at } => {
                request.first_approval = Some(approved_by);
                request.retention = retention;
                request.recipients = pending(recipients);
                approved_at
            }
            Event::DeletionApproved { reviewer_id, retention, recipients, approved_at } => {
                request.status = DeletionStatus::Approved;
                request.reviewer_id = Some(reviewer_id);
                request.reviewed_at = Some(approved_at);
                request.retention = retention;
                request.recipients = pending(recipients);
                approved_at
            }
            Event::DeletionRejected { reviewer_id, reviewed_at, .. } => {
                request.status = DeletionStatus::Rejected;
                request.reviewer_id = Some(reviewer_id);
                request.reviewed_at = Some(reviewed_at);
                reviewed_at
            }
            Event::DeletionWithdrawn { withdrawn_at } => {
                request.status = DeletionStatus::Rejected;
                request.reviewed_at = Some(withdrawn_at);
                withdrawn_at
            }
            Event::DeletionDeadlineExtended { due_at, extended_at, .. } => {
                request.due_at = due_at;
                request.is_extended = true;
                extended_at
            }
            Event::ErasureStarted { processing_started_at } => {
                request.status = DeletionStatus::Processing;
                request.processing_started_at = Some(processing_started_at);
                processing_started_at
            }
            Event::ErasureStepRecorded { step } => {
                let at = step.at;
                request.steps.push(step);
                at
            }
            Event::RecipientNotified { recipient, status, notified_at, .. } => {
                let named = request.recipients.iter_mut().find(|(name, _)| *name == recipient);
                if let Some(named) = named {
                    named.1 = status;
                }
                notified_at
            }
            Event::BackupErasureUpdated { backup_deletion_status, gone_at, updated_at } => {
                request.backup_status = backup_deletion_status;
                request.backups_gone_at = gone_at;
                updated_at
            }
            Event::ErasureCompleted { completed_at } => {
                request.status = DeletionStatus::Completed;
                completed_at
            }
        };
        request.last_at = request.last_at.max(at);
    }
}
