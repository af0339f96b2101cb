//! The statutory export log (E21): every export of a report, and in the archive those that are older
//! than a year (BUF-25). A row is in one of the two tables, and in none of them ever deleted (BUF-09).

use std::collections::{BTreeSet, HashMap};

use agora_domain::exports::export_job::ExportStatus;
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    exports::{self, Content, Life, Requested, Row, Word},
    projection::{ApplyError, Columns, Projection, number},
};

pub(super) const PROJECTION: Projection = Projection {
    name: "bufdir_export_logs",
    version: 1,
    event_types: exports::EVENT_TYPES,
    columns: Columns::Payload,
    tables: &["bufdir_export_archive", "bufdir_export_logs"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

const LIVE: &str = "bufdir_export_logs";
const ARCHIVE: &str = "bufdir_export_archive";

#[derive(Serialize, Deserialize)]
struct Export {
    id: Uuid,
    bufdir_report_id: Uuid,
    organization_id: Uuid,
    exported_by_user_id: Option<Uuid>,
    exported_by_kind: Option<String>,
    export_source: String,
    export_format: String,
    triggered_at: DateTime<Utc>,
    report_period_label: Option<String>,
    report_sequence: i64,
    position: i64,
    #[serde(flatten)]
    life: Life,
}

impl Row for Export {
    const WORD: Word = ExportStatus::as_str;

    fn begin(
        id: Uuid,
        event: &RecordedEvent,
        requested: Requested,
        mut life: Life,
    ) -> Result<Option<Self>, ApplyError> {
        let Content::StatutoryReport {
            report_id,
            report_sequence,
            organization_id,
            source,
            format,
            report_period_label,
            mobile_os,
        } = requested.content
        else {
            return Ok(None);
        };
        life.metadata = mobile_os
            .map(|mobile_os| Map::from_iter([("mobile_os".to_owned(), Value::from(mobile_os))]));
        Ok(Some(Self {
            id,
            bufdir_report_id: report_id,
            organization_id,
            exported_by_user_id: requested.requested_by.map(|actor| actor.id),
            exported_by_kind: requested.requested_by.map(|actor| actor.kind.as_str().to_owned()),
            export_source: source,
            export_format: format,
            triggered_at: requested.triggered_at,
            report_period_label: Some(report_period_label),
            report_sequence: number(report_sequence),
            position: number(event.position),
            life,
        }))
    }

    fn life(&mut self) -> &mut Life {
        &mut self.life
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let ids = exports::ids(events)?;
    let mut known: HashMap<Uuid, Export> = exports::load(LIVE, &ids, connection).await?;
    known.extend(exports::load(ARCHIVE, &ids, connection).await?);
    let rows = exports::fold(events, known)?;
    make_months(rows.values(), connection).await?;
    let (archived, live): (Vec<_>, Vec<_>) =
        rows.values().partition(|row| row.life.archived_at.is_some());
    exports::replace(LIVE, &ids, live.into_iter(), connection).await?;
    exports::replace(ARCHIVE, &ids, archived.into_iter(), connection).await
}

/// Makes the partitions of the months of the rows.
async fn make_months(
    rows: impl Iterator<Item = &Export>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let months: BTreeSet<NaiveDate> =
        rows.filter_map(|row| row.triggered_at.date_naive().with_day(1)).collect();
    for month in months {
        sqlx::query("SELECT read.make_month_partition(current_schema(), $1, $2)")
            .bind(LIVE)
            .bind(month)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
