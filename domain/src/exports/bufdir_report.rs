//! A statutory report of an organization on one period (E21's `bufdir_reports`).
//!
//! Life cycle: created as a draft → revised any number of times → submitted, and frozen from then on: what
//! was handed to an authority does not change. A correction is a report of its own. An organization has
//! one draft at a time for a period and schema version; that is a claim, released by the submission.
//! Only the session's own organization reaches a report: of any other it does not exist (BUF-15).
//!
//! Each event carries the whole report, so that an export can be of the state at any sequence, and a
//! report that is revised a thousand times is as cheap to load as a new one.

use serde::{Deserialize, Serialize};

use super::report_content::{
    PeriodLabel, ReportDay, ReportPeriod, SchemaVersion, Section, SectionsFault, carried_on, check,
};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{BufdirReportId, OrganizationId},
    refusal::{Refusal, RefusalKind},
};

/// A report as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportDocument {
    pub report_id: BufdirReportId,
    pub organization_id: OrganizationId,
    pub period_label: PeriodLabel,
    pub period_from: ReportDay,
    pub period_to: ReportDay,
    pub schema_version: SchemaVersion,
    pub sections: Vec<Section>,
}

impl ReportDocument {
    /// How many figures it has.
    pub fn measures(&self) -> usize {
        self.sections.iter().map(|section| section.measures.len()).sum()
    }

    /// The natural key of its draft: one for an organization, a period and a schema version.
    pub fn draft_key(&self) -> String {
        draft_key(self.organization_id, &self.period_label, &self.schema_version)
    }
}

/// As [`ReportDocument::draft_key`], of a report that is not there yet.
pub fn draft_key(
    organization_id: OrganizationId,
    period_label: &PeriodLabel,
    schema_version: &SchemaVersion,
) -> String {
    format!("{organization_id}/{period_label}/{schema_version}")
}

/// A report as the log tells it. `Default` is the one that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BufdirReport {
    document: Option<ReportDocument>,
    submitted: bool,
}

impl BufdirReport {
    pub fn exists(&self) -> bool {
        self.document.is_some()
    }

    pub fn document(&self) -> Option<&ReportDocument> {
        self.document.as_ref()
    }

    pub fn organization_id(&self) -> Option<OrganizationId> {
        self.document.as_ref().map(|document| document.organization_id)
    }

    pub fn is_submitted(&self) -> bool {
        self.submitted
    }

    /// The report, where it is the organization's: of another's nobody is told that it exists.
    fn of(&self, organization_id: OrganizationId) -> Result<&ReportDocument, BufdirReportError> {
        self.document
            .as_ref()
            .filter(|document| document.organization_id == organization_id)
            .ok_or(BufdirReportError::NotFound)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum BufdirReportCommand {
    Create(CreateReport),
    Revise(ReviseReport),
    Submit(SubmitReport),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateReport {
    pub report_id: BufdirReportId,
    /// The session's.
    pub organization_id: OrganizationId,
    pub period: ReportPeriod,
    pub schema_version: SchemaVersion,
    pub sections: Vec<Section>,
    pub created_by: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReviseReport {
    /// The session's.
    pub organization_id: OrganizationId,
    /// Each stays as it is where nothing is said.
    pub period_from: Option<ReportDay>,
    pub period_to: Option<ReportDay>,
    /// All of them: they replace those before.
    pub sections: Vec<Section>,
    pub revised_by: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SubmitReport {
    /// The session's.
    pub organization_id: OrganizationId,
    pub submitted_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BufdirReportEvent {
    BufdirReportCreated { report: ReportDocument, created_by: Actor },
    BufdirReportRevised { report: ReportDocument, revised_by: Actor },
    BufdirReportSubmitted { report: ReportDocument, submitted_by: Actor },
}

domain_event!(BufdirReportEvent {
    BufdirReportCreated => "1",
    BufdirReportRevised => "1",
    BufdirReportSubmitted => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BufdirReportError {
    #[error("there is already a report of this id")]
    AlreadyExists,
    #[error("there is no such report")]
    NotFound,
    #[error("the report is submitted and does not change any more: a correction is a new report")]
    Submitted,
    #[error("a report that is submitted has at least one measure")]
    Empty,
    #[error("a period must not end before it begins")]
    PeriodBackwards,
    #[error("the days of a report must lie within the period that its label names")]
    PeriodOutsideLabel,
    #[error("a report has at most 50 sections of at most 200 measures")]
    TooManyMeasures,
    #[error("a key names one section, and one measure of the whole report")]
    KeyTwice,
    #[error("the sections of a report are at most 64 KiB as JSON")]
    TooLong,
}

impl Refusal for BufdirReportError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "REL-10",
            Self::NotFound => "BUF-15",
            Self::PeriodBackwards | Self::PeriodOutsideLabel => "BUF-24",
            _ => "REL-09",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists | Self::Submitted => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
            _ => RefusalKind::Invalid,
        }
    }
}

impl From<SectionsFault> for BufdirReportError {
    fn from(fault: SectionsFault) -> Self {
        match fault {
            SectionsFault::TooMany => Self::TooManyMeasures,
            SectionsFault::KeyTwice => Self::KeyTwice,
            SectionsFault::TooLong => Self::TooLong,
        }
    }
}

aggregate!(
    BufdirReport,
    "bufdir_report",
    BufdirReportCommand,
    BufdirReportEvent,
    BufdirReportError
);

impl Decide for BufdirReport {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: BufdirReportCommand,
    ) -> Result<Vec<BufdirReportEvent>, BufdirReportError> {
        match command {
            BufdirReportCommand::Create(command) => create(self, command),
            BufdirReportCommand::Revise(command) => revise(self, command),
            BufdirReportCommand::Submit(command) => submit(self, command),
        }
    }
}

fn check_period(
    label: &PeriodLabel,
    from: ReportDay,
    to: ReportDay,
) -> Result<(), BufdirReportError> {
    if from > to {
        return Err(BufdirReportError::PeriodBackwards);
    }
    let (first, last) = label.days();
    if from.0 < first || to.0 > last {
        return Err(BufdirReportError::PeriodOutsideLabel);
    }
    Ok(())
}

fn create(
    report: &BufdirReport,
    command: CreateReport,
) -> Result<Vec<BufdirReportEvent>, BufdirReportError> {
    if report.exists() {
        return Err(BufdirReportError::AlreadyExists);
    }
    let ReportPeriod { label, from, to } = command.period;
    check_period(&label, from, to)?;
    check(&command.sections)?;
    let report = ReportDocument {
        report_id: command.report_id,
        organization_id: command.organization_id,
        period_label: label,
        period_from: from,
        period_to: to,
        schema_version: command.schema_version,
        sections: command.sections,
    };
    Ok(vec![BufdirReportEvent::BufdirReportCreated { report, created_by: command.created_by }])
}

fn revise(
    report: &BufdirReport,
    command: ReviseReport,
) -> Result<Vec<BufdirReportEvent>, BufdirReportError> {
    let current = report.of(command.organization_id)?;
    if report.submitted {
        return Err(BufdirReportError::Submitted);
    }
    let period_from = command.period_from.unwrap_or(current.period_from);
    let period_to = command.period_to.unwrap_or(current.period_to);
    check_period(&current.period_label, period_from, period_to)?;
    check(&command.sections)?;
    let sections = carried_on(&current.sections, command.sections);
    let revised = ReportDocument { period_from, period_to, sections, ..current.clone() };
    if revised == *current {
        return Ok(Vec::new());
    }
    let revised_by = command.revised_by;
    Ok(vec![BufdirReportEvent::BufdirReportRevised { report: revised, revised_by }])
}

/// Who submits what is submitted changes nothing.
fn submit(
    report: &BufdirReport,
    command: SubmitReport,
) -> Result<Vec<BufdirReportEvent>, BufdirReportError> {
    let current = report.of(command.organization_id)?;
    if report.submitted {
        return Ok(Vec::new());
    }
    if current.measures() == 0 {
        return Err(BufdirReportError::Empty);
    }
    let sections = carried_on(&current.sections, current.sections.clone());
    Ok(vec![BufdirReportEvent::BufdirReportSubmitted {
        report: ReportDocument { sections, ..current.clone() },
        submitted_by: command.submitted_by,
    }])
}

impl BufdirReport {
    fn apply(&mut self, event: BufdirReportEvent) {
        let (report, submitted) = match event {
            BufdirReportEvent::BufdirReportCreated { report, .. }
            | BufdirReportEvent::BufdirReportRevised { report, .. } => (report, false),
            BufdirReportEvent::BufdirReportSubmitted { report, .. } => (report, true),
        };
        (self.document, self.submitted) = (Some(report), submitted);
    }
}

#[cfg(test)]
mod tests;
