//! What people ask for about themselves (E23), with its deadline and its delivery.

use agora_domain::exports::export_job::ExportStatus;
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
    name: "data_export_requests",
    version: 1,
    event_types: exports::EVENT_TYPES,
    columns: Columns::Payload,
    tables: &["data_export_requests"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

const TABLE: &str = "data_export_requests";

#[derive(Serialize, Deserialize)]
struct Request {
    id: Uuid,
    user_id: Uuid,
    user_kind: String,
    requested_by_admin: Option<Uuid>,
    request_type: String,
    data_categories: Vec<String>,
    export_format: String,
    requested_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    verification_token: String,
    delivery_method: String,
    delivery_address: Option<String>,
    position: i64,
    #[serde(flatten)]
    life: Life,
}

impl Row for Request {
    const ID: &'static str = "request_id";
    const RENAMED: &'static [(&'static str, &'static str)] = &[
        ("id", "request_id"),
        ("processing_started_at", "processed_at"),
        ("error_message", "failure_reason"),
    ];
    const WORD: Word = |status| match status {
        ExportStatus::Pending => "PENDING",
        ExportStatus::Processing => "PROCESSING",
        ExportStatus::Completed => "COMPLETED",
        ExportStatus::Failed => "FAILED",
        ExportStatus::Cancelled => "CANCELLED",
    };

    fn begin(
        id: Uuid,
        event: &RecordedEvent,
        requested: Requested,
        life: Life,
    ) -> Result<Option<Self>, ApplyError> {
        let Content::SubjectData {
            subject,
            request_type,
            data_categories,
            format,
            delivery_method,
            delivery_address,
            verification_token_sha256,
        } = requested.content
        else {
            return Ok(None);
        };
        let on_behalf = requested.requested_by.filter(|requester| *requester != subject);
        Ok(Some(Self {
            id,
            user_id: subject.id,
            user_kind: subject.kind.as_str().to_owned(),
            requested_by_admin: on_behalf.map(|admin| admin.id),
            request_type,
            data_categories,
            export_format: format,
            requested_at: requested.triggered_at,
            created_at: requested.triggered_at,
            verification_token: verification_token_sha256,
            delivery_method,
            delivery_address,
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
    let known = exports::load::<Request>(TABLE, &ids, connection).await?;
    let rows = exports::fold(events, known)?;
    exports::replace(TABLE, &ids, rows.values(), connection).await
}
