//! What follows from each command on a version of the policy: pure.

use super::*;

fn check(major_changes: Option<&Vec<MajorChange>>) -> Result<(), PolicyVersionError> {
    match major_changes {
        Some(changes) if changes.len() > MAJOR_CHANGES_MAX => {
            Err(PolicyVersionError::TooManyChanges)
        }
        _ => Ok(()),
    }
}

pub(super) fn draft(version: &PolicyVersion, command: DraftPolicy) -> Decided {
    if version.document.is_some() {
        return Err(PolicyVersionError::AlreadyExists);
    }
    check(command.major_changes.as_ref())?;
    let policy = PolicyDocument {
        version_id: command.version_id,
        version_number: command.version_number,
        effective_date: command.effective_date,
        content_hash: ContentHash::of(&command.policy_content),
        policy_content: command.policy_content,
        major_changes: command.major_changes,
        acceptance_required: command.acceptance_required,
        legal_review_status: ReviewStatus::Draft,
        authors: vec![command.drafted_by],
        reviewed_by: None,
        reviewed_at: None,
        published_at: None,
        notification_sent: false,
    };
    Ok(vec![PolicyVersionEvent::PolicyDrafted { policy, drafted_by: command.drafted_by }])
}

pub(super) fn edit(version: &PolicyVersion, command: EditPolicyDraft) -> Decided {
    let current = version.existing()?;
    let edited_by = command.edited_by;
    let moves_date = command.effective_date.is_some();
    let writes = command.policy_content.is_some()
        || command.major_changes.is_some()
        || command.acceptance_required.is_some();
    match current.legal_review_status {
        ReviewStatus::Draft => {}
        ReviewStatus::UnderReview if writes => return Err(PolicyVersionError::WrongStep),
        ReviewStatus::Approved if writes => return Err(PolicyVersionError::Frozen),
        ReviewStatus::UnderReview | ReviewStatus::Approved => {}
        ReviewStatus::Published if writes || moves_date => return Err(PolicyVersionError::Frozen),
        ReviewStatus::Published => {}
    }
    let mut policy = current.clone();
    policy.effective_date = command.effective_date.unwrap_or(policy.effective_date);
    policy.policy_content = command.policy_content.unwrap_or(policy.policy_content);
    policy.content_hash = ContentHash::of(&policy.policy_content);
    policy.major_changes = command.major_changes.unwrap_or(policy.major_changes);
    policy.acceptance_required = command.acceptance_required.unwrap_or(policy.acceptance_required);
    check(policy.major_changes.as_ref())?;
    if policy == *current {
        return Ok(Vec::new());
    }
    if writes && !policy.authors.contains(&edited_by) {
        policy.authors.push(edited_by);
    }
    Ok(vec![PolicyVersionEvent::PolicyDraftEdited { policy, edited_by }])
}

/// Who submits what is submitted changes nothing.
pub(super) fn submit(version: &PolicyVersion, command: SubmitPolicy) -> Decided {
    let current = version.existing()?;
    let submitted_by = command.submitted_by;
    match current.legal_review_status {
        ReviewStatus::Draft => {}
        ReviewStatus::UnderReview => return Ok(Vec::new()),
        ReviewStatus::Approved | ReviewStatus::Published => {
            return Err(PolicyVersionError::WrongStep);
        }
    }
    let legal_review_status = ReviewStatus::UnderReview;
    let policy = PolicyDocument { legal_review_status, ..current.clone() };
    Ok(vec![PolicyVersionEvent::PolicySubmitted { policy, submitted_by }])
}

/// A version that somebody is to review.
fn under_review(
    version: &PolicyVersion,
    reviewer: Actor,
    is_legal: bool,
) -> Result<&PolicyDocument, PolicyVersionError> {
    let current = version.existing()?;
    if !is_legal {
        return Err(PolicyVersionError::NotLegal);
    }
    if current.authors.contains(&reviewer) {
        return Err(PolicyVersionError::OwnWork);
    }
    Ok(current)
}

pub(super) fn request_changes(version: &PolicyVersion, command: RequestPolicyChanges) -> Decided {
    let RequestPolicyChanges { requested_by, is_legal, reason } = command;
    let current = under_review(version, requested_by, is_legal)?;
    if current.legal_review_status != ReviewStatus::UnderReview {
        return Err(PolicyVersionError::WrongStep);
    }
    let legal_review_status = ReviewStatus::Draft;
    let policy = PolicyDocument { legal_review_status, ..current.clone() };
    Ok(vec![PolicyVersionEvent::PolicyChangesRequested { policy, requested_by, reason }])
}

/// Who approves again what it approved changes nothing.
pub(super) fn approve(version: &PolicyVersion, command: ApprovePolicy) -> Decided {
    let ApprovePolicy { reviewed_by, is_legal, now } = command;
    let current = under_review(version, reviewed_by, is_legal)?;
    match current.legal_review_status {
        ReviewStatus::UnderReview => {}
        ReviewStatus::Approved if current.reviewed_by == Some(reviewed_by) => {
            return Ok(Vec::new());
        }
        _ => return Err(PolicyVersionError::WrongStep),
    }
    let policy = PolicyDocument {
        legal_review_status: ReviewStatus::Approved,
        reviewed_by: Some(reviewed_by),
        reviewed_at: Some(now),
        ..current.clone()
    };
    Ok(vec![PolicyVersionEvent::PolicyApproved { policy }])
}

pub(super) fn publish(version: &PolicyVersion, command: PublishPolicy) -> Decided {
    let PublishPolicy { published_by, now } = command;
    let current = version.existing()?;
    match current.legal_review_status {
        ReviewStatus::Approved => {}
        ReviewStatus::Published => return Ok(Vec::new()),
        ReviewStatus::Draft | ReviewStatus::UnderReview => {
            return Err(PolicyVersionError::WrongStep);
        }
    }
    let policy = PolicyDocument {
        legal_review_status: ReviewStatus::Published,
        effective_date: current.effective_date.max(now),
        published_at: Some(now),
        ..current.clone()
    };
    Ok(vec![PolicyVersionEvent::PolicyPublished { policy, published_by }])
}

pub(super) fn mark_notified(version: &PolicyVersion, command: MarkPolicyNotified) -> Decided {
    let current = version.existing()?;
    let notified_by = command.notified_by;
    if current.legal_review_status != ReviewStatus::Published {
        return Err(PolicyVersionError::NotPublished);
    }
    if current.notification_sent {
        return Ok(Vec::new());
    }
    let policy = PolicyDocument { notification_sent: true, ..current.clone() };
    Ok(vec![PolicyVersionEvent::PolicyNotificationSent { policy, notified_by }])
}
