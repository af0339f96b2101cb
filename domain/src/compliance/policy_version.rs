//! A version of the privacy policy (E28).
//!
//! Life cycle: drafted → edited any number of times → submitted for legal review → sent back as a draft,
//! or approved by somebody who wrote none of it (PPV-14) → published → noted that people were told. The
//! text and all that is about it are frozen from the approval on; the date from which it is to hold can
//! be moved until the publication (PPV-06). A correction is another version. From when a published
//! version holds, and until when, follows from the [series](super::policy_series).
//!
//! Each event carries the whole version: it is loaded by its last one, however often it was edited.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    policy_series::PublishedVersion,
    policy_values::{ContentHash, ReviewStatus, VersionNumber},
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::PolicyVersionId,
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::{MajorChange, PolicyContent, Reason},
};

/// The most changes that a version names.
pub const MAJOR_CHANGES_MAX: usize = 100;

/// A version as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDocument {
    pub version_id: PolicyVersionId,
    pub version_number: VersionNumber,
    /// From when it is to hold; once published, from when it does.
    pub effective_date: DateTime<Utc>,
    pub policy_content: PolicyContent,
    pub content_hash: ContentHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major_changes: Option<Vec<MajorChange>>,
    pub acceptance_required: bool,
    pub legal_review_status: ReviewStatus,
    /// Everybody who wrote in it: none of them reviews it.
    pub authors: Vec<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_by: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
    pub notification_sent: bool,
}

impl PolicyDocument {
    /// What the series holds of it.
    fn published(&self) -> PublishedVersion {
        PublishedVersion {
            version_id: self.version_id,
            version_number: self.version_number.clone(),
            content_hash: self.content_hash.clone(),
            effective_date: self.effective_date,
            acceptance_required: self.acceptance_required,
            has_major_changes: self.major_changes.as_ref().is_some_and(|list| !list.is_empty()),
        }
    }
}

/// A version as the log tells it. `Default` is the one that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    document: Option<PolicyDocument>,
}

impl PolicyVersion {
    pub fn document(&self) -> Option<&PolicyDocument> {
        self.document.as_ref()
    }

    fn existing(&self) -> Result<&PolicyDocument, PolicyVersionError> {
        self.document.as_ref().ok_or(PolicyVersionError::NotFound)
    }

    /// What a publication at this time adds to the series. Nothing holds before it is published, so a
    /// date that has passed meanwhile becomes the time of the publication (PPV-08).
    pub fn as_published(&self, now: DateTime<Utc>) -> Option<PublishedVersion> {
        let published = self.document.as_ref()?.published();
        let effective_date = published.effective_date.max(now);
        Some(PublishedVersion { effective_date, ..published })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum PolicyVersionCommand {
    Draft(DraftPolicy),
    Edit(EditPolicyDraft),
    Submit(SubmitPolicy),
    RequestChanges(RequestPolicyChanges),
    Approve(ApprovePolicy),
    Publish(PublishPolicy),
    MarkNotified(MarkPolicyNotified),
}

#[derive(Clone, Debug, PartialEq)]
pub struct DraftPolicy {
    pub version_id: PolicyVersionId,
    pub version_number: VersionNumber,
    pub effective_date: DateTime<Utc>,
    pub policy_content: PolicyContent,
    pub major_changes: Option<Vec<MajorChange>>,
    pub acceptance_required: bool,
    pub drafted_by: Actor,
}

/// What is not named stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct EditPolicyDraft {
    pub effective_date: Option<DateTime<Utc>>,
    pub policy_content: Option<PolicyContent>,
    pub major_changes: Option<Option<Vec<MajorChange>>>,
    pub acceptance_required: Option<bool>,
    pub edited_by: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SubmitPolicy {
    pub submitted_by: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RequestPolicyChanges {
    pub requested_by: Actor,
    pub is_legal: bool,
    pub reason: Personal<Reason>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ApprovePolicy {
    pub reviewed_by: Actor,
    /// Whether the reviewer has the scope `legal`.
    pub is_legal: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PublishPolicy {
    pub published_by: Actor,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MarkPolicyNotified {
    pub notified_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PolicyVersionEvent {
    PolicyDrafted {
        policy: PolicyDocument,
        drafted_by: Actor,
    },
    PolicyDraftEdited {
        policy: PolicyDocument,
        edited_by: Actor,
    },
    PolicySubmitted {
        policy: PolicyDocument,
        submitted_by: Actor,
    },
    PolicyChangesRequested {
        policy: PolicyDocument,
        requested_by: Actor,
        /// What is to be changed.
        reason: Personal<Reason>,
    },
    PolicyApproved {
        policy: PolicyDocument,
    },
    PolicyPublished {
        policy: PolicyDocument,
        published_by: Actor,
    },
    PolicyNotificationSent {
        policy: PolicyDocument,
        notified_by: Actor,
    },
}

domain_event!(PolicyVersionEvent {
    PolicyDrafted => "1",
    PolicyDraftEdited => "1",
    PolicySubmitted => "1",
    PolicyChangesRequested => "1",
    PolicyApproved => "1",
    PolicyPublished => "1",
    PolicyNotificationSent => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyVersionError {
    #[error("there is already a version of this id")]
    AlreadyExists,
    #[error("there is no such version of the privacy policy")]
    NotFound,
    #[error("the legal review of the version is not at the step that this follows on")]
    WrongStep,
    #[error("the version is frozen: a correction is another version")]
    Frozen,
    #[error("only an admin with the scope `legal` reviews a policy")]
    NotLegal,
    #[error("who wrote in a version does not review it")]
    OwnWork,
    #[error("only of a published version people are told")]
    NotPublished,
    #[error("a version names at most 100 changes")]
    TooManyChanges,
}

impl Refusal for PolicyVersionError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::WrongStep => "PPV-04",
            Self::Frozen | Self::TooManyChanges => "PPV-06",
            Self::NotLegal | Self::OwnWork => "PPV-14",
            Self::NotPublished => "PPV-12",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::NotLegal | Self::OwnWork => RefusalKind::Forbidden,
            Self::TooManyChanges => RefusalKind::Invalid,
            _ => RefusalKind::Conflict,
        }
    }
}

aggregate!(
    PolicyVersion,
    "policy_version",
    PolicyVersionCommand,
    PolicyVersionEvent,
    PolicyVersionError
);

type Decided = Result<Vec<PolicyVersionEvent>, PolicyVersionError>;

impl Decide for PolicyVersion {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: PolicyVersionCommand) -> Decided {
        match command {
            PolicyVersionCommand::Draft(command) => draft(self, command),
            PolicyVersionCommand::Edit(command) => edit(self, command),
            PolicyVersionCommand::Submit(command) => submit(self, command),
            PolicyVersionCommand::RequestChanges(command) => request_changes(self, command),
            PolicyVersionCommand::Approve(command) => approve(self, command),
            PolicyVersionCommand::Publish(command) => publish(self, command),
            PolicyVersionCommand::MarkNotified(command) => mark_notified(self, command),
        }
    }
}

fn check(major_changes: Option<&Vec<MajorChange>>) -> Result<(), PolicyVersionError> {
    match major_changes {
        Some(changes) if changes.len() > MAJOR_CHANGES_MAX => {
            Err(PolicyVersionError::TooManyChanges)
        }
        _ => Ok(()),
    }
}

fn draft(version: &PolicyVersion, command: DraftPolicy) -> Decided {
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

fn edit(version: &PolicyVersion, command: EditPolicyDraft) -> Decided {
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
fn submit(version: &PolicyVersion, command: SubmitPolicy) -> Decided {
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

fn request_changes(version: &PolicyVersion, command: RequestPolicyChanges) -> Decided {
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
fn approve(version: &PolicyVersion, command: ApprovePolicy) -> Decided {
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

fn publish(version: &PolicyVersion, command: PublishPolicy) -> Decided {
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

fn mark_notified(version: &PolicyVersion, command: MarkPolicyNotified) -> Decided {
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

impl PolicyVersion {
    fn apply(&mut self, event: PolicyVersionEvent) {
        let (PolicyVersionEvent::PolicyDrafted { policy, .. }
        | PolicyVersionEvent::PolicyDraftEdited { policy, .. }
        | PolicyVersionEvent::PolicySubmitted { policy, .. }
        | PolicyVersionEvent::PolicyChangesRequested { policy, .. }
        | PolicyVersionEvent::PolicyApproved { policy }
        | PolicyVersionEvent::PolicyPublished { policy, .. }
        | PolicyVersionEvent::PolicyNotificationSent { policy, .. }) = event;
        self.document = Some(policy);
    }
}

#[cfg(test)]
mod tests;
