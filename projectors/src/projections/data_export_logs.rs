//! Every export of a person's or of the platform's data (E20): an entry for each job of these kinds
//! (DEL-06).

use agora_domain::{Actor, exports::export_job::ExportStatus};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    exports::{self, Content, Life, Requested, Row, Word},
    projection::{ApplyError, Columns, Projection, number},
};

pub(super) const PROJECTION: Projection = Projection {
    name: "data_export_logs",
    version: 1,
    event_types: exports::EVENT_TYPES,
    columns: Columns::All,
    tables: &["data_export_logs"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

const TABLE: &str = "data_export_logs";
/// Stands where nobody's address is known (K20).
const NO_ADDRESS: &str = "::";

#[derive(Serialize, Deserialize)]
struct Entry {
    id: Uuid,
    member_user_id: Option<Uuid>,
    admin_user_id: Option<Uuid>,
    export_type: String,
    export_format: String,
    requested_ip: String,
    created_at: DateTime<Utc>,
    kind: String,
    position: i64,
    #[serde(flatten)]
    life: Life,
}

#[derive(Deserialize)]
struct Metadata {
    /// Sealed text.
    ip: Option<String>,
}

impl Row for Entry {
    const RENAMED: &'static [(&'static str, &'static str)] = &[("hidden_at", "deleted_at")];
    /// It has three words for five: what is not at its end is pending, and who cancelled it got nothing
    /// (DEL-04).
    const WORD: Word = |status| match status {
        ExportStatus::Pending | ExportStatus::Processing => "pending",
        ExportStatus::Completed => "completed",
        ExportStatus::Failed | ExportStatus::Cancelled => "failed",
    };

    fn begin(
        id: Uuid,
        event: &RecordedEvent,
        requested: Requested,
        life: Life,
    ) -> Result<Option<Self>, ApplyError> {
        let (kind, export_type, export_format, subject) = match requested.content {
            Content::StatutoryReport { .. } => return Ok(None),
            Content::SubjectData { format, subject, .. } => {
                ("subject_data", "user_data".to_owned(), format.to_lowercase(), Some(subject))
            }
            Content::PlatformData { export_type, format } => {
                ("platform_data", export_type, format, None)
            }
        };
        let metadata: Metadata =
            serde_json::from_str(&event.metadata).map_err(|error| ApplyError::Payload {
                position: event.position,
                event_type: event.event_type.clone(),
                reason: format!("{:?} error in the metadata", error.classify()),
            })?;
        // Who asked and, where an admin asked for a member, whose data it is (DEL-02).
        let people = [requested.requested_by, subject];
        let of = |id: fn(Actor) -> Option<Uuid>| people.into_iter().flatten().find_map(id);
        Ok(Some(Self {
            id,
            member_user_id: of(|actor| actor.as_member().map(|id| id.0)),
            admin_user_id: of(|actor| actor.as_admin().map(|id| id.0)),
            export_type,
            export_format,
            requested_ip: metadata.ip.unwrap_or_else(|| NO_ADDRESS.to_owned()),
            created_at: requested.triggered_at,
            kind: kind.to_owned(),
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
    let known = exports::load::<Entry>(TABLE, &ids, connection).await?;
    let rows = exports::fold(events, known)?;
    exports::replace(TABLE, &ids, rows.values(), connection).await
}
