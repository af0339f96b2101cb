//! A statutory report as the log had it when its export was asked for: a table a section.

use agora_command_api::App;
use agora_domain::exports::{
    bufdir_report::{BufdirReport, BufdirReportEvent, ReportDocument},
    export_job::{Job, StatutoryReport},
    organization::Organization,
    report_content::{Measure, MeasureValue},
};
use agora_event_store::read;
use chrono::{DateTime, Utc};

use super::{
    document::{Cell, Column, ColumnKind, Document, PdfRows, Period, ReportState, Table},
    stream::Rows,
    trouble::{GENERATION_FAILED, Trouble, said},
};

pub struct Report {
    pub document: Document,
    content: ReportDocument,
}

/// The report at the sequence that the job names, whatever happened to it later.
pub async fn load(
    app: &App,
    job: &Job,
    wanted: &StatutoryReport,
    generated_at: DateTime<Utc>,
) -> Result<Report, Trouble> {
    let report_id = wanted.report_id.to_string();
    let event = {
        let mut connection = app.log.pool().acquire().await?;
        read::at_sequence(&mut connection, "bufdir_report", &report_id, wanted.report_sequence)
            .await?
    };
    let gone = || Trouble::Never { code: GENERATION_FAILED, message: said(GENERATION_FAILED) };
    let event = event.ok_or_else(gone)?;
    let (content, state) = match app.log.read_event::<BufdirReport>(&event).await? {
        BufdirReportEvent::BufdirReportCreated { report, .. }
        | BufdirReportEvent::BufdirReportRevised { report, .. } => (report, ReportState::Draft),
        BufdirReportEvent::BufdirReportSubmitted { report, .. } => (report, ReportState::Submitted),
    };
    // Requests are checked; a file of another tenant's must not be made even so (BUF-15).
    if content.organization_id != wanted.organization_id {
        return Err(gone());
    }
    let organization = app.log.load::<Organization>(&wanted.organization_id.to_string()).await?;
    let name = organization.state.name().map(|name| name.as_str().to_owned());
    let document = Document {
        kind: job.content.kind().as_str(),
        title: title(content.period_label.as_str()),
        job_id: job.job_id.0,
        organization: name,
        period: Some(Period {
            label: content.period_label.to_string(),
            from: content.period_from.0,
            to: content.period_to.0,
        }),
        state: Some(state),
        schema_version: Some(content.schema_version.to_string()),
        generated_at,
        position: event.position,
        pdf_rows: PdfRows::All,
    };
    Ok(Report { document, content })
}

fn title(period_label: &str) -> String {
    let kind = match period_label.split_once('-') {
        None => "Annual",
        Some((_, part)) if part.starts_with('Q') => "Quarterly",
        Some(_) => "Monthly",
    };
    format!("{kind} activity report {period_label}")
}

impl Report {
    pub async fn give(&self, rows: &mut Rows) -> Result<(), Trouble> {
        for section in &self.content.sections {
            let (name, title) = (section.key.to_string(), section.title.as_str().to_owned());
            rows.table(Table { name, title, columns: columns() }).await?;
            for measure in &section.measures {
                rows.row(cells(measure)).await?;
            }
        }
        Ok(())
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("key", "Key", ColumnKind::Text, 4),
        Column::new("label", "Measure", ColumnKind::Text, 6),
        Column::new("value", "Value", ColumnKind::Decimal, 3),
        Column::new("unit", "Unit", ColumnKind::Text, 2),
        Column::new("note", "Note", ColumnKind::Text, 5),
    ]
}

fn cells(measure: &Measure) -> Vec<Cell> {
    let value = match &measure.value {
        MeasureValue::Number(number) => Cell::Decimal(number.to_string()),
        MeasureValue::Text(text) => Cell::text(text.as_str()),
    };
    vec![
        Cell::text(measure.key.as_str()),
        Cell::text(measure.label.as_str()),
        value,
        Cell::optional(measure.unit.as_ref().map(|unit| unit.as_str())),
        Cell::optional(measure.note_text()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_called_by_its_period() {
        assert_eq!(title("2025"), "Annual activity report 2025");
        assert_eq!(title("2025-Q1"), "Quarterly activity report 2025-Q1");
        assert_eq!(title("2025-03"), "Monthly activity report 2025-03");
    }
}
