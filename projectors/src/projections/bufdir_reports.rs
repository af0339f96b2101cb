//! Statutory reports as they stand (E21). Their notes stay sealed, in the places that they were sealed
//! for.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "bufdir_reports",
    version: 1,
    event_types: &["BufdirReportCreated", "BufdirReportRevised", "BufdirReportSubmitted"],
    columns: Columns::Payload,
    tables: &["bufdir_reports"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    BufdirReportCreated { report: Document, created_by: By },
    BufdirReportRevised { report: Document },
    BufdirReportSubmitted { report: Document, submitted_by: By },
}

#[derive(Deserialize)]
struct By {
    id: Uuid,
}

#[derive(Deserialize)]
struct Document {
    report_id: Uuid,
    organization_id: Uuid,
    period_label: String,
    period_from: NaiveDate,
    period_to: NaiveDate,
    schema_version: String,
    sections: Box<RawValue>,
}

impl Document {
    fn measures(&self) -> Result<i32, serde_json::Error> {
        #[derive(Deserialize)]
        struct Section<'a> {
            #[serde(borrow)]
            measures: Vec<&'a RawValue>,
        }
        let sections: Vec<Section<'_>> = serde_json::from_str(self.sections.get())?;
        let measures: usize = sections.iter().map(|section| section.measures.len()).sum();
        Ok(i32::try_from(measures).unwrap_or(i32::MAX))
    }
}

/// A report after a batch; each event carries all of it.
struct Report {
    document: Document,
    measures: i32,
    /// These three are used only where there is no row yet.
    created_by: Uuid,
    created_at: DateTime<Utc>,
    position: u64,
    updated_at: DateTime<Utc>,
    submitted: Option<(Uuid, DateTime<Utc>)>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut reports: BTreeMap<Uuid, Report> = BTreeMap::new();
    for event in events {
        let (at, position, sequence) = (event.recorded_at, event.position, event.sequence);
        let (document, created_by, submitted) = match payload(event)? {
            Event::BufdirReportCreated { report, created_by } => (report, created_by.id, None),
            Event::BufdirReportRevised { report } => (report, Uuid::nil(), None),
            Event::BufdirReportSubmitted { report, submitted_by } => {
                (report, Uuid::nil(), Some((submitted_by.id, at)))
            }
        };
        let measures = document.measures().map_err(|error| ApplyError::Payload {
            position,
            event_type: event.event_type.clone(),
            reason: format!("{:?} error in its sections", error.classify()),
        })?;
        let id = document.report_id;
        let begun = reports.get(&id);
        let (created_by, created_at, position) = begun
            .map_or((created_by, at, position), |begun| {
                (begun.created_by, begun.created_at, begun.position)
            });
        let report = Report {
            document,
            measures,
            created_by,
            created_at,
            position,
            updated_at: at,
            submitted,
            sequence,
        };
        reports.insert(id, report);
    }
    write(&reports, connection).await
}

async fn write(
    reports: &BTreeMap<Uuid, Report>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || reports.values();
    let documents = || reports.values().map(|report| &report.document);
    sqlx::query(
        "INSERT INTO bufdir_reports (id, organization_id, period_label, period_from, period_to,
             schema_version, status, measure_count, sections, created_by_user_id, created_at,
             updated_at, submitted_by_user_id, submitted_at, position, sequence)
         SELECT id, organization_id, period_label, period_from, period_to, schema_version,
                CASE WHEN submitted_at IS NULL THEN 'draft' ELSE 'submitted' END, measure_count,
                sections::jsonb, created_by, created_at, updated_at, submitted_by, submitted_at,
                position, sequence
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::date[], $5::date[], $6::text[],
             $7::integer[], $8::text[], $9::uuid[], $10::timestamptz[], $11::timestamptz[],
             $12::uuid[], $13::timestamptz[], $14::bigint[], $15::bigint[])
             AS r (id, organization_id, period_label, period_from, period_to, schema_version,
                   measure_count, sections, created_by, created_at, updated_at, submitted_by,
                   submitted_at, position, sequence)
         ON CONFLICT (id) DO UPDATE SET
             period_from = excluded.period_from, period_to = excluded.period_to,
             status = excluded.status, measure_count = excluded.measure_count,
             sections = excluded.sections, updated_at = excluded.updated_at,
             submitted_by_user_id = excluded.submitted_by_user_id,
             submitted_at = excluded.submitted_at, sequence = excluded.sequence",
    )
    .bind(reports.keys().copied().collect::<Vec<_>>())
    .bind(documents().map(|document| document.organization_id).collect::<Vec<_>>())
    .bind(documents().map(|document| document.period_label.as_str()).collect::<Vec<_>>())
    .bind(documents().map(|document| document.period_from).collect::<Vec<_>>())
    .bind(documents().map(|document| document.period_to).collect::<Vec<_>>())
    .bind(documents().map(|document| document.schema_version.as_str()).collect::<Vec<_>>())
    .bind(all().map(|report| report.measures).collect::<Vec<_>>())
    .bind(documents().map(|document| document.sections.get()).collect::<Vec<_>>())
    .bind(all().map(|report| report.created_by).collect::<Vec<_>>())
    .bind(all().map(|report| report.created_at).collect::<Vec<_>>())
    .bind(all().map(|report| report.updated_at).collect::<Vec<_>>())
    .bind(all().map(|report| report.submitted.map(|(by, _)| by)).collect::<Vec<_>>())
    .bind(all().map(|report| report.submitted.map(|(_, at)| at)).collect::<Vec<_>>())
    .bind(all().map(|report| number(report.position)).collect::<Vec<_>>())
    .bind(all().map(|report| number(report.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
