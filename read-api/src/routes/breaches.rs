//! The register of breaches of personal data, with the 72 hours of Art. 33(1) GDPR (LAW-08, INC-14).

use agora_domain::security::breach::AUTHORITY_WITHIN;
use agora_event_store::{Opener, vault::VaultError};
use agora_service::clock;
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

const AGGREGATE: &str = "breach";

/// A breach of personal data. Texts are null where they were not said, or erased.
#[derive(Serialize, ToSchema)]
pub struct RegisteredBreach {
    /// The incident that it is.
    incident_id: Uuid,
    aware_at: Instant,
    /// Until when the authority is to be told.
    authority_due_at: Instant,
    authority_notified_at: Option<Instant>,
    /// `DUE`, `OVERDUE`, `NOTIFIED`, `NOTIFIED_LATE` or `NOT_REQUIRED`.
    #[schema(example = "DUE")]
    authority_status: &'static str,
    /// How long there is time; null where nothing is due.
    seconds_left: Option<i64>,
    subjects_notified_at: Option<Instant>,
    /// What happened (Art. 33(3)(a)).
    nature: Option<String>,
    subjects_affected: Option<u64>,
    records_affected: Option<u64>,
    /// Whom to ask (b).
    contact_point: Option<String>,
    /// What is likely to come of it (c).
    likely_consequences: Option<String>,
    /// What was and will be done (d).
    measures: Option<String>,
    /// Whether all four items are there.
    content_complete: bool,
    notifications: Vec<BreachNotification>,
    #[schema(value_type = Object)]
    declared_by: Value,
    declared_at: Instant,
    updated_at: Instant,
    /// The number of its events: for `If-Match` of `record-breach-notification`.
    sequence: i64,
}

/// Who was told, or why nobody had to be.
#[derive(Serialize, ToSchema)]
pub struct BreachNotification {
    #[schema(example = "AUTHORITY")]
    kind: String,
    /// Of the authority: which notification it is, from 1 (Art. 33(4)).
    phase: Option<u32>,
    notified_at: Option<String>,
    reason: Option<String>,
    #[schema(value_type = Object)]
    recorded_by: Value,
    recorded_at: String,
}

#[derive(FromRow)]
struct Row {
    incident_id: Uuid,
    aware_at: Instant,
    content: Json<Content>,
    authority_notified_at: Option<Instant>,
    subjects_notified_at: Option<Instant>,
    notifications: Json<Vec<Stored>>,
    declared_by: Json<Value>,
    declared_at: Instant,
    updated_at: Instant,
    position: i64,
    sequence: i64,
}

#[derive(Deserialize)]
struct Content {
    nature: Option<String>,
    subjects_affected: Option<u64>,
    records_affected: Option<u64>,
    contact_point: Option<String>,
    likely_consequences: Option<String>,
    measures: Option<String>,
}

#[derive(Deserialize)]
struct Stored {
    kind: String,
    phase: Option<u32>,
    notified_at: Option<String>,
    reason: Option<String>,
    recorded_by: Value,
    recorded_at: String,
}

/// Lists the breaches of personal data, the newest first.
#[utoipa::path(get, path = "/v1/breaches", tag = "Security", params(Page),
    responses((status = 200, description = "A part of the list", body = List<RegisteredBreach>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let page = &read.query;
    let before: i64 = page.place(&app, "breaches", i64::MAX)?;
    read.record_audit_read(&app, "/v1/breaches").await;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, b.*
             FROM (SELECT coalesce(read.served_position('breaches'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT * FROM read.breaches WHERE position < $1
                 ORDER BY position DESC LIMIT $2
             ) b ON true
             ORDER BY b.position DESC",
        )
        .bind(before)
        .bind(page.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let part = page.cut(&app, "breaches", rows, |last| last.position);
    let mut items = Vec::with_capacity(part.items.len());
    for row in part.items {
        items.push(open(&app.opener, row, clock::now()).await?);
    }
    Ok(read.list(position, &List { items, next: part.next }))
}

async fn open(
    opener: &Opener,
    row: Row,
    now: DateTime<Utc>,
) -> Result<RegisteredBreach, VaultError> {
    let (id, content) = (row.incident_id, &row.content.0);
    let mut sealed = Sealed::default();
    let items = [
        ("content.nature", &content.nature),
        ("content.contact_point", &content.contact_point),
        ("content.likely_consequences", &content.likely_consequences),
        ("content.measures", &content.measures),
    ];
    let items = items.map(|(field, text)| sealed.add(AGGREGATE, id, field, text.as_deref()));
    let mut reasons = Vec::new();
    for stored in &row.notifications.0 {
        reasons.push(sealed.add(AGGREGATE, id, "reason", stored.reason.as_deref()));
    }
    let open = sealed.open(opener).await?;
    let complete =
        [&content.nature, &content.contact_point, &content.likely_consequences, &content.measures];
    let content_complete = complete.iter().all(|text| text.is_some());
    let [nature, contact_point, likely_consequences, measures] = items.map(|slot| open.text(slot));
    let reasons: Vec<_> = reasons.into_iter().map(|slot| open.text(slot)).collect();
    let waived = row.notifications.0.iter().any(|it| it.kind == "AUTHORITY_NOT_REQUIRED");
    let due = row.aware_at.0 + AUTHORITY_WITHIN;
    let authority_status = match row.authority_notified_at {
        Some(Instant(at)) if at > due => "NOTIFIED_LATE",
        Some(_) => "NOTIFIED",
        None if waived => "NOT_REQUIRED",
        None if now > due => "OVERDUE",
        None => "DUE",
    };
    let waits = matches!(authority_status, "DUE" | "OVERDUE");
    let (subjects_affected, records_affected) =
        (content.subjects_affected, content.records_affected);
    let notifications = row.notifications.0.into_iter().zip(reasons).map(|(stored, reason)| {
        let Stored { kind, phase, notified_at, recorded_by, recorded_at, .. } = stored;
        BreachNotification { kind, phase, notified_at, reason, recorded_by, recorded_at }
    });
    Ok(RegisteredBreach {
        incident_id: id,
        aware_at: row.aware_at,
        authority_due_at: Instant(due),
        authority_notified_at: row.authority_notified_at,
        authority_status,
        seconds_left: waits.then(|| (due - now).num_seconds().max(0)),
        subjects_notified_at: row.subjects_notified_at,
        nature,
        subjects_affected,
        records_affected,
        contact_point,
        likely_consequences,
        measures,
        content_complete,
        notifications: notifications.collect(),
        declared_by: row.declared_by.0,
        declared_at: row.declared_at,
        updated_at: row.updated_at,
        sequence: row.sequence,
    })
}
