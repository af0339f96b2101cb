//! What an export is of, and how far it is.

use serde::{Deserialize, Serialize};

use super::{
    export_values::{
        DataCategory, DeliveryMethod, ExportSource, MobileOs, PlatformExportType, PlatformFormat,
        ReportFormat, SubjectFormat, SubjectRequestType,
    },
    report_content::PeriodLabel,
};
use crate::{
    actor::Actor,
    ids::{BufdirReportId, OrganizationId},
    personal::Personal,
    values::Email,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    StatutoryReport,
    SubjectData,
    PlatformData,
}

impl ExportKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StatutoryReport => "statutory_report",
            Self::SubjectData => "subject_data",
            Self::PlatformData => "platform_data",
        }
    }
}

/// What is exported, and as what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExportContent {
    StatutoryReport(StatutoryReport),
    SubjectData(SubjectData),
    PlatformData { export_type: PlatformExportType, format: PlatformFormat },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatutoryReport {
    pub report_id: BufdirReportId,
    /// The report's stream up to here is what the file shows, whatever happens to it later.
    pub report_sequence: u64,
    pub organization_id: OrganizationId,
    pub source: ExportSource,
    pub format: ReportFormat,
    /// As the report had it, so that histories need not look it up (BUF-24).
    pub report_period_label: PeriodLabel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile_os: Option<MobileOs>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectData {
    /// Whose data.
    pub subject: Actor,
    pub request_type: SubjectRequestType,
    /// All of them for a full export (DXR-02).
    pub data_categories: Vec<DataCategory>,
    pub format: SubjectFormat,
    pub delivery_method: DeliveryMethod,
    /// The subject's own confirmed address, where it is told by mail (DXR-08).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_address: Option<Personal<Email>>,
    /// SHA-256 in hexadecimal of what lets the subject download it (DXR-06).
    pub verification_token_sha256: Personal<Box<str>>,
}

impl ExportContent {
    pub const fn kind(&self) -> ExportKind {
        match self {
            Self::StatutoryReport(_) => ExportKind::StatutoryReport,
            Self::SubjectData(_) => ExportKind::SubjectData,
            Self::PlatformData { .. } => ExportKind::PlatformData,
        }
    }

    /// What a statutory export is about.
    pub fn statutory(&self) -> Option<&StatutoryReport> {
        match self {
            Self::StatutoryReport(report) => Some(report),
            _ => None,
        }
    }

    /// What an export of a person's data is about.
    pub fn subject_data(&self) -> Option<&SubjectData> {
        match self {
            Self::SubjectData(data) => Some(data),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

impl ExportStatus {
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether a job of a kind may move so (BUF-03, DXR-03, DEL-04). A statutory export and one of
    /// public data are never cancelled (K1).
    pub const fn may_become(self, next: Self, kind: ExportKind) -> bool {
        match (self, next) {
            (Self::Pending, Self::Processing | Self::Failed)
            | (Self::Processing, Self::Completed | Self::Failed) => true,
            (Self::Pending | Self::Processing, Self::Cancelled) => {
                matches!(kind, ExportKind::SubjectData)
            }
            _ => false,
        }
    }
}
