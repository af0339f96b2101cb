//! How a request says no.

use super::super::deletion_values::{BackupStatus, DeletionStatus};
use crate::refusal::{Refusal, RefusalKind};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DeletionRequestError {
    #[error("there is already a request of this id")]
    AlreadyExists,
    #[error("there is no such request")]
    NotFound,
    #[error(
        "a PARTIAL_DELETION names categories, of content, network and evidence; other scopes name none"
    )]
    WrongCategories,
    #[error("a request that is {} does not become {}", from.as_str(), to.as_str())]
    Transition { from: DeletionStatus, to: DeletionStatus },
    #[error("the person does not review its own request")]
    OwnRequest,
    #[error("the person's identity must be verified first")]
    NotVerified,
    #[error("the request asks for no verification, or has it already")]
    NothingToVerify,
    #[error("whoever verified the person's identity does not approve")]
    Verifier,
    #[error("another person must approve as well")]
    SameApprover,
    #[error("what stays, and who is told, is as the first approval says")]
    ApprovalDiffers,
    #[error("what stays must be among what was asked for, less than all of it, and no credential")]
    WrongRetention,
    #[error("the recipients must be 1 to 30 different ones")]
    WrongRecipients,
    #[error("only its person takes a request back")]
    NotTheSubject,
    #[error("the review has begun: the request can not be taken back any more")]
    ReviewBegun,
    #[error("this is the last active admin with the scope `global`: let there be another first")]
    LastGlobalAdmin,
    #[error("the deadline was put off already: it can be once")]
    AlreadyExtended,
    #[error("the deadline can be put off within the first month only")]
    TooLateToExtend,
    #[error("the request has ended: nothing of it changes any more")]
    Ended,
    #[error("the erasure is not under way")]
    NotProcessing,
    #[error("the erasure has nothing to do with this place")]
    ForeignStore,
    #[error("the places before it come first")]
    OutOfOrder,
    #[error("the request names no such recipient")]
    NoSuchRecipient,
    #[error("backups that are {} do not become {}", from.as_str(), to.as_str())]
    BackupTransition { from: BackupStatus, to: BackupStatus },
    #[error("something is still to be erased")]
    NotErased,
    #[error("backups still hold what was erased")]
    InBackups,
    #[error("a recipient of the data has not been told")]
    NotNotified,
}

impl Refusal for DeletionRequestError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::WrongCategories => "DDR-02",
            Self::Transition { .. }
            | Self::Ended
            | Self::NotProcessing
            | Self::NotTheSubject
            | Self::ReviewBegun => "DDR-03",
            Self::OwnRequest | Self::Verifier | Self::SameApprover | Self::ApprovalDiffers => {
                "DDR-08"
            }
            Self::NotVerified | Self::NothingToVerify => "DDR-07",
            Self::WrongRetention => "DDR-06",
            Self::WrongRecipients | Self::NoSuchRecipient | Self::NotNotified => "DDR-12",
            Self::LastGlobalAdmin => "ADM-05",
            Self::AlreadyExtended | Self::TooLateToExtend => "DDR-11",
            Self::ForeignStore | Self::OutOfOrder | Self::NotErased => "DDR-09",
            Self::BackupTransition { .. } | Self::InBackups => "DDR-10",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::OwnRequest | Self::Verifier | Self::SameApprover | Self::NotTheSubject => {
                RefusalKind::Forbidden
            }
            Self::WrongCategories
            | Self::WrongRetention
            | Self::WrongRecipients
            | Self::ForeignStore
            | Self::NoSuchRecipient => RefusalKind::Invalid,
            _ => RefusalKind::Conflict,
        }
    }
}
