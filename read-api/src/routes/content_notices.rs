//! Notices of content that is illegal or breaks the terms (DSA Art. 16, LAW-10): one's own with what came
//! of them; for admins and auditors everybody's. Who gave one is told to nobody else, not to the author
//! either.

use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    routes::{appeals::Chosen, data_export_requests::SEE_ALL},
    rows::{Instant, Sealed, with_position},
};

/// A notice.
#[derive(Serialize, ToSchema)]
pub struct ContentNotice {
    #[serde(flatten)]
    row: NoticeRow,
    /// Null where it was erased.
    explanation: Option<String>,
    /// Null while it is open, and where it was erased.
    decision_reason: Option<String>,
}

#[derive(Serialize, ToSchema, FromRow)]
pub struct NoticeRow {
    notice_id: Uuid,
    /// `post` or `comment`.
    #[schema(example = "post")]
    content_kind: String,
    content_id: Uuid,
    community_id: Uuid,
    /// `member`, `admin` or `guest`.
    notifier_kind: String,
    notifier_id: Uuid,
    /// ILLEGAL_CONTENT or BREAKS_TERMS.
    #[schema(example = "ILLEGAL_CONTENT")]
    ground: String,
    created_at: Instant,
    /// ACTION_TAKEN or NO_ACTION; null while it is open.
    outcome: Option<String>,
    decided_by: Option<Uuid>,
    decided_at: Option<Instant>,
    /// The number of its events: for `If-Match` of `decide-content-notice`.
    sequence: i64,
    #[serde(skip)]
    position: i64,
    #[serde(skip)]
    #[sqlx(rename = "explanation")]
    sealed_explanation: String,
    #[serde(skip)]
    #[sqlx(rename = "decision_reason")]
    sealed_reason: Option<String>,
}

async fn open(opener: &Opener, rows: Vec<NoticeRow>) -> Result<Vec<ContentNotice>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let explanation = Some(row.sealed_explanation.as_str());
        let reason = row.sealed_reason.as_deref();
        slots.push((
            sealed.add("content_notice", row.notice_id, "explanation", explanation),
            sealed.add("content_notice", row.notice_id, "reason", reason),
        ));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots.into_iter().map(|(a, b)| (open.text(a), open.text(b))).collect();
    let notices = rows.into_iter().zip(texts);
    Ok(notices
        .map(|(row, (explanation, decision_reason))| ContentNotice {
            row,
            explanation,
            decision_reason,
        })
        .collect())
}

/// Lists notices, the newest first: one's own; for admins and auditors everybody's.
#[utoipa::path(get, path = "/v1/content-notices", tag = "Compliance", params(Chosen, Page),
    responses((status = 200, description = "A part of the list", body = List<ContentNotice>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Chosen, Page)>,
) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let (Chosen { open: only_open }, page) = &read.query;
    let sees_all = me.roles.include(SEE_ALL);
    if sees_all {
        read.record_audit_read(&app, "/v1/content-notices").await;
    }
    let own = (!sees_all).then_some(me.actor.id);
    let list = format!("content-notices/{own:?}/{only_open}");
    let before: i64 = page.place(&app, &list, i64::MAX)?;
    let whose = if own.is_some() { "AND notifier_id = $3" } else { "AND $3::uuid IS NULL" };
    let chosen = if *only_open { "AND outcome IS NULL" } else { "" };
    let statement = format!(
        "SELECT p.*, n.*
         FROM (SELECT coalesce(read.served_position('content_notices'), 0) AS served OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT * FROM read.content_notices WHERE position < $1 {whose} {chosen}
             ORDER BY position DESC LIMIT $2
         ) n ON true
         ORDER BY n.position DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement).bind(before).bind(page.rows()).bind(own);
        with_position::<NoticeRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| last.position);
    let items = open(&app.opener, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}
