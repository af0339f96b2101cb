//! Why a command on an export is refused.

use super::{ExportKind, ExportStatus};
use crate::refusal::{Refusal, RefusalKind};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExportJobError {
    #[error("there is already an export of this id")]
    AlreadyExists,
    #[error("there is no such export")]
    NotFound,
    #[error("there is no such report")]
    NoSuchReport,
    #[error("the organization is not the report's")]
    ForeignReport,
    #[error("an export is somebody's, but for those of SYSTEM_BATCH, which are nobody's")]
    WrongSource,
    #[error("the categories must be named, but for a FULL_EXPORT, which has them all")]
    WrongCategories,
    #[error("an export that is {} does not become {}", from.as_str(), to.as_str())]
    Transition { kind: ExportKind, from: ExportStatus, to: ExportStatus },
    #[error("the file's path must be the one that a file of this name has in this export")]
    ForeignPath,
    #[error("the times must be in order: requested, begun, ended, and none of them to come")]
    TimesOutOfOrder,
    #[error("the file is kept until the export expires")]
    NotExpired,
    #[error("the export was asked for less than a year ago")]
    TooYoung,
    #[error("the export has not ended")]
    NotEnded,
    #[error("only what a person asks for about itself has a deadline")]
    NoDeadline,
    #[error("the deadline was put off already: it can be once")]
    AlreadyExtended,
    #[error("the deadline can be put off within the first month only")]
    TooLateToExtend,
    #[error("the export has ended: nothing of it changes any more")]
    Frozen,
    #[error("the entry of a statutory export is never hidden")]
    NeverHidden,
}

impl Refusal for ExportJobError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::NoSuchReport => "BUF-01",
            Self::ForeignReport => "BUF-02",
            Self::WrongSource => "BUF-20",
            Self::WrongCategories => "DXR-02",
            Self::Transition { kind: ExportKind::StatutoryReport, .. } => "BUF-03",
            Self::Transition { kind: ExportKind::SubjectData, .. } => "DXR-03",
            Self::Transition { kind: ExportKind::PlatformData, .. } => "DEL-04",
            Self::ForeignPath => "BUF-04",
            Self::TimesOutOfOrder => "BUF-07",
            Self::NotExpired | Self::NeverHidden => "BUF-09",
            Self::TooYoung => "BUF-25",
            Self::NotEnded => "DEL-05",
            Self::NoDeadline | Self::AlreadyExtended | Self::TooLateToExtend => "DXR-10",
            Self::Frozen => "BUF-08",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound | Self::NoSuchReport => RefusalKind::NotFound,
            Self::ForeignReport
            | Self::WrongSource
            | Self::WrongCategories
            | Self::ForeignPath
            | Self::TimesOutOfOrder
            | Self::NoDeadline => RefusalKind::Invalid,
            Self::AlreadyExists
            | Self::Transition { .. }
            | Self::NotExpired
            | Self::TooYoung
            | Self::NotEnded
            | Self::AlreadyExtended
            | Self::TooLateToExtend
            | Self::Frozen
            | Self::NeverHidden => RefusalKind::Conflict,
        }
    }
}
