//! A version of the privacy policy (E28).
//!
//! Life cycle: drafted → edited any number of times → submitted for legal review → sent back as a draft,
//! or approved by somebody who wrote none of it (PPV-14) → published → noted that people were told. The
//! text and all that is about it are frozen from the approval on; the date from which it is to hold can
//! be moved until the publication (PPV-06). A correction is another version. From when a published
//! version holds, and until when, follows from the [series](super::policy_series).
//!
//! Each event carries the whole version: it is loaded by its last one, however often it was edited.

mod decisions;
#[cfg(test)]
mod tests;

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
            PolicyVersionCommand::Draft(command) => decisions::draft(self, command),
            PolicyVersionCommand::Edit(command) => decisions::edit(self, command),
            PolicyVersionCommand::Submit(command) => decisions::submit(self, command),
            PolicyVersionCommand::RequestChanges(command) => {
                decisions::request_changes(self, command)
            }
            PolicyVersionCommand::Approve(command) => decisions::approve(self, command),
            PolicyVersionCommand::Publish(command) => decisions::publish(self, command),
            PolicyVersionCommand::MarkNotified(command) => decisions::mark_notified(self, command),
        }
    }
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
