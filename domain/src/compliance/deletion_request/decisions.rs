//! What follows from each command on a request: pure.

use super::*;
use crate::compliance::deletion_values::is_partial;

pub(super) type Decided = Result<Vec<DeletionRequestEvent>, DeletionRequestError>;

pub(super) fn request(request: &DeletionRequest, command: RequestDeletion) -> Decided {
    if request.request.is_some() {
        return Err(DeletionRequestError::AlreadyExists);
    }
    let mut data_categories = command.data_categories;
    data_categories.sort_unstable();
    data_categories.dedup();
    let is_partial_scope = command.scope == DeletionScope::PartialDeletion;
    let named_well = data_categories.iter().all(|category| is_partial(*category));
    if is_partial_scope == data_categories.is_empty() || !named_well {
        return Err(DeletionRequestError::WrongCategories);
    }
    if command.scope.closes_account() && command.is_last_global_admin {
        return Err(DeletionRequestError::LastGlobalAdmin);
    }
    Ok(vec![DeletionRequestEvent::DeletionRequested {
        deletion_id: command.deletion_id,
        subject: command.subject,
        deletion_scope: command.scope,
        data_categories,
        legal_ground: command.legal_ground,
        requested_by: command.requested_by,
        requested_at: command.now,
        due_at: command.now + ANSWER_WITHIN,
        verification_required: command.verification_required,
    }])
}

pub(super) fn verify(request: &DeletionRequest, command: VerifyIdentity) -> Decided {
    let request = open(request)?;
    if !request.verification_required || request.verification_completed_at.is_some() {
        return Err(DeletionRequestError::NothingToVerify);
    }
    let VerifyIdentity { verified_by, has_logged_in, now } = command;
    // Whoever asked on the person's behalf is no proof that the person wants it.
    if (verified_by == request.subject && !has_logged_in)
        || (verified_by == request.requested_by && verified_by != request.subject)
    {
        return Err(DeletionRequestError::NotVerified);
    }
    let verification_completed_at = now.max(request.last_at);
    Ok(vec![DeletionRequestEvent::DeletionIdentityVerified {
        verified_by,
        verification_completed_at,
    }])
}

pub(super) fn start_review(request: &DeletionRequest, command: StartReview) -> Decided {
    let request = transition(request, DeletionStatus::UnderReview)?;
    let StartReview { reviewer, now } = command;
    not_oneself(request, reviewer)?;
    let review_started_at = now.max(request.last_at);
    Ok(vec![DeletionRequestEvent::DeletionReviewStarted {
        reviewer_id: reviewer,
        review_started_at,
    }])
}

pub(super) fn approve(request: &DeletionRequest, command: ApproveDeletion) -> Decided {
    let request = transition(request, DeletionStatus::Approved)?;
    let ApproveDeletion { reviewer, retention, recipients, is_last_global_admin, now } = command;
    not_oneself(request, reviewer)?;
    if request.verification_required && request.verification_completed_at.is_none() {
        return Err(DeletionRequestError::NotVerified);
    }
    if request.verified_by == Some(reviewer) {
        return Err(DeletionRequestError::Verifier);
    }
    if request.scope.closes_account() && is_last_global_admin {
        return Err(DeletionRequestError::LastGlobalAdmin);
    }
    let approved_at = now.max(request.last_at);
    let Some(first) = request.first_approval else {
        let retention = retention.map(|it| retained(request, it)).transpose()?;
        let recipients = different(recipients)?;
        let needs_two = request.subject.is_admin() && request.scope.closes_account();
        return Ok(vec![if needs_two {
            let approved_by = reviewer;
            DeletionRequestEvent::DeletionApprovalGiven {
                approved_by,
                retention,
                recipients,
                approved_at,
            }
        } else {
            let reviewer_id = reviewer;
            DeletionRequestEvent::DeletionApproved {
                reviewer_id,
                retention,
                recipients,
                approved_at,
            }
        }]);
    };
    if first == reviewer {
        return Err(DeletionRequestError::SameApprover);
    }
    if retention.is_some() || !recipients.is_empty() {
        return Err(DeletionRequestError::ApprovalDiffers);
    }
    Ok(vec![DeletionRequestEvent::DeletionApproved {
        reviewer_id: reviewer,
        retention: request.retention.clone(),
        recipients: request.recipients.iter().map(|(name, _)| name.clone()).collect(),
        approved_at,
    }])
}

/// An exception holds only as far as it must: something goes, and what lets the person in never stays
/// (DDR-13).
fn retained(request: &Request, retention: Retention) -> Result<Retention, DeletionRequestError> {
    let Retention { ground, mut categories, reason } = retention;
    categories.sort_unstable();
    categories.dedup();
    let asked = request.scope.categories(&request.data_categories);
    let is_good = !categories.is_empty()
        && categories.len() < asked.len()
        && categories.iter().all(|it| asked.contains(it) && *it != Category::Credential);
    if is_good {
        Ok(Retention { ground, categories, reason })
    } else {
        Err(DeletionRequestError::WrongRetention)
    }
}

fn different(recipients: Vec<Recipient>) -> Result<Vec<Recipient>, DeletionRequestError> {
    let mut sorted = recipients.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != recipients.len() || recipients.len() > RECIPIENTS_MAX {
        return Err(DeletionRequestError::WrongRecipients);
    }
    Ok(recipients)
}

pub(super) fn reject(request: &DeletionRequest, command: RejectDeletion) -> Decided {
    let request = transition(request, DeletionStatus::Rejected)?;
    let RejectDeletion { reviewer, reason, now } = command;
    not_oneself(request, reviewer)?;
    let reviewed_at = now.max(request.last_at);
    Ok(vec![DeletionRequestEvent::DeletionRejected { reviewer_id: reviewer, reason, reviewed_at }])
}

pub(super) fn withdraw(request: &DeletionRequest, command: WithdrawDeletion) -> Decided {
    let request = request.require()?;
    if command.withdrawn_by != request.subject {
        return Err(DeletionRequestError::NotTheSubject);
    }
    match request.status {
        DeletionStatus::Pending => {
            let withdrawn_at = command.now.max(request.last_at);
            Ok(vec![DeletionRequestEvent::DeletionWithdrawn { withdrawn_at }])
        }
        status if status.is_final() => Err(DeletionRequestError::Ended),
        _ => Err(DeletionRequestError::ReviewBegun),
    }
}

pub(super) fn extend_deadline(
    request: &DeletionRequest,
    command: ExtendDeletionDeadline,
) -> Decided {
    let request = open(request)?;
    if request.is_extended {
        return Err(DeletionRequestError::AlreadyExtended);
    }
    let ExtendDeletionDeadline { extended_by, reason, now } = command;
    not_oneself(request, extended_by)?;
    if now > request.due_at {
        return Err(DeletionRequestError::TooLateToExtend);
    }
    // From the request on, so that the last day of a month is not lost twice.
    let due_at = request.requested_at + ANSWER_WITHIN_EXTENDED;
    let extended_at = now.max(request.last_at);
    Ok(vec![DeletionRequestEvent::DeletionDeadlineExtended {
        due_at,
        extended_by,
        reason,
        extended_at,
    }])
}

pub(super) fn start(request: &DeletionRequest, command: StartErasure) -> Decided {
    let request = transition(request, DeletionStatus::Processing)?;
    if request.scope.closes_account() && command.is_last_global_admin {
        return Err(DeletionRequestError::LastGlobalAdmin);
    }
    let processing_started_at = command.now.max(request.last_at);
    Ok(vec![DeletionRequestEvent::ErasureStarted { processing_started_at }])
}

/// A step that was recorded is recorded once; so is a failure that is the same as the last.
pub(super) fn record_step(request: &DeletionRequest, command: RecordStep) -> Decided {
    let request = processing(request)?;
    let mut step = command.step;
    if !request.stores().contains(&step.store) {
        return Err(DeletionRequestError::ForeignStore);
    }
    if request.is_done(step.store) {
        return Ok(Vec::new());
    }
    if request.next_store() != Some(step.store) {
        return Err(DeletionRequestError::OutOfOrder);
    }
    if step.result == StepResult::Failed {
        let is_known = request.steps.last().is_some_and(|last| {
            (last.store, last.result, &last.code) == (step.store, step.result, &step.code)
        });
        // Room is left for each place's end.
        let has_room = request.steps.len() + ErasureStore::ALL.len() < STEPS_MAX;
        if is_known || !has_room {
            return Ok(Vec::new());
        }
    }
    step.at = step.at.max(request.last_at);
    Ok(vec![DeletionRequestEvent::ErasureStepRecorded { step }])
}

pub(super) fn notify_recipient(request: &DeletionRequest, command: NotifyRecipient) -> Decided {
    let request = request.require()?;
    match request.status {
        DeletionStatus::Approved | DeletionStatus::Processing => {}
        _ => return Err(DeletionRequestError::NotProcessing),
    }
    let NotifyRecipient { recipient, status, notified_by, now } = command;
    let named = request.recipients.iter().find(|(name, _)| *name == recipient);
    let (_, before) = named.ok_or(DeletionRequestError::NoSuchRecipient)?;
    if *before == status || before.is_settled() {
        return Ok(Vec::new());
    }
    let notified_at = now.max(request.last_at);
    Ok(vec![DeletionRequestEvent::RecipientNotified {
        recipient,
        status,
        notified_by,
        notified_at,
    }])
}

pub(super) fn update_backup(request: &DeletionRequest, command: UpdateBackup) -> Decided {
    use BackupStatus::{Completed, InProgress, NotApplicable, Pending};
    let request = processing(request)?;
    let UpdateBackup { status, gone_at, now } = command;
    let from = request.backup_status;
    // Until when it takes may be said after that it began.
    let is_dated = from == InProgress && request.backups_gone_at.is_none() && gone_at.is_some();
    if from == status && !is_dated {
        return Ok(Vec::new());
    }
    if !request.is_done(ErasureStore::Keys) {
        return Err(DeletionRequestError::NotErased);
    }
    match (from, status) {
        (InProgress, InProgress)
        | (Pending, InProgress | NotApplicable)
        | (InProgress, Completed | NotApplicable) => {}
        (from, to) => return Err(DeletionRequestError::BackupTransition { from, to }),
    }
    let gone_at = gone_at.filter(|_| status == InProgress);
    let updated_at = now.max(request.last_at);
    Ok(vec![DeletionRequestEvent::BackupErasureUpdated {
        backup_deletion_status: status,
        gone_at,
        updated_at,
    }])
}

pub(super) fn complete(request: &DeletionRequest, command: CompleteErasure) -> Decided {
    let request = transition(request, DeletionStatus::Completed)?;
    if request.next_store().is_some() {
        return Err(DeletionRequestError::NotErased);
    }
    if !matches!(request.backup_status, BackupStatus::Completed | BackupStatus::NotApplicable) {
        return Err(DeletionRequestError::InBackups);
    }
    if !request.recipients.iter().all(|(_, status)| status.is_settled()) {
        return Err(DeletionRequestError::NotNotified);
    }
    let completed_at = command.now.max(request.last_at);
    let Certificate { statement, public_key, signature } = command.certificate;
    Ok(vec![
        DeletionRequestEvent::ErasureCompleted { completed_at },
        DeletionRequestEvent::ErasureCertificateIssued { statement, public_key, signature },
    ])
}

/// The request, where it may become this (DDR-03).
fn transition(
    request: &DeletionRequest,
    to: DeletionStatus,
) -> Result<&Request, DeletionRequestError> {
    use DeletionStatus::{Approved, Completed, Pending, Processing, Rejected, UnderReview};
    let request = request.require()?;
    match (request.status, to) {
        (Pending, UnderReview)
        | (UnderReview, Approved | Rejected)
        | (Approved, Processing)
        | (Processing, Completed) => Ok(request),
        (from, to) => Err(DeletionRequestError::Transition { from, to }),
    }
}

/// Before anybody has decided about it.
fn open(request: &DeletionRequest) -> Result<&Request, DeletionRequestError> {
    let request = request.require()?;
    match request.status {
        DeletionStatus::Pending | DeletionStatus::UnderReview => Ok(request),
        _ => Err(DeletionRequestError::Ended),
    }
}

fn processing(request: &DeletionRequest) -> Result<&Request, DeletionRequestError> {
    let request = request.require()?;
    match request.status {
        DeletionStatus::Processing => Ok(request),
        _ => Err(DeletionRequestError::NotProcessing),
    }
}

fn not_oneself(request: &Request, reviewer: Actor) -> Result<(), DeletionRequestError> {
    if reviewer == request.subject { Err(DeletionRequestError::OwnRequest) } else { Ok(()) }
}
