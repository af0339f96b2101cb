//! Appeals against acts of moderation (MOD-08): all of them, for who decides and who audits. One's own
//! stand with one's notices ([`super::moderation_log`]).

use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params},
    reply::List,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

/// An appeal.
#[derive(Serialize, ToSchema)]
pub struct Appeal {
    /// Of the act that it is against, in the moderation log.
    id: Uuid,
    community_platform_post_id: Option<Uuid>,
    comment_id: Option<Uuid>,
    community_id: Option<Uuid>,
    /// What the moderator did: `edit` or `delete`.
    #[schema(example = "delete")]
    action_type: String,
    /// Who cannot decide it.
    performed_adminuser_id: Uuid,
    appellant_memberuser_id: Option<Uuid>,
    appellant_adminuser_id: Option<Uuid>,
    /// Null where it was erased.
    #[schema(max_length = 1_000)]
    text: Option<String>,
    created_at: Instant,
    /// `upheld` or `overturned`; null while it is open.
    outcome: Option<String>,
    decided_adminuser_id: Option<Uuid>,
    /// Null while it is open, and where it was erased.
    #[schema(max_length = 255)]
    decision_reason: Option<String>,
    decided_at: Option<Instant>,
    /// The number of its events: for `If-Match` of `decide-appeal`.
    sequence: i64,
}

#[derive(FromRow)]
struct AppealRow {
    id: Uuid,
    community_platform_post_id: Option<Uuid>,
    comment_id: Option<Uuid>,
    community_id: Option<Uuid>,
    action_type: String,
    performed_adminuser_id: Uuid,
    appellant_memberuser_id: Option<Uuid>,
    appellant_adminuser_id: Option<Uuid>,
    appeal_text: String,
    created_at: Instant,
    position: i64,
    outcome: Option<String>,
    decided_adminuser_id: Option<Uuid>,
    decision_reason: Option<String>,
    decided_at: Option<Instant>,
    sequence: i64,
}

async fn open(opener: &Opener, rows: Vec<AppealRow>) -> Result<Vec<Appeal>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let text = sealed.add("moderation_appeal", row.id, "text", Some(&row.appeal_text));
        let reason = row.decision_reason.as_deref();
        slots.push((text, sealed.add("moderation_appeal", row.id, "reason", reason)));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> =
        slots.into_iter().map(|(text, reason)| (open.text(text), open.text(reason))).collect();
    let appeals = rows.into_iter().zip(texts).map(|(row, (text, decision_reason))| Appeal {
        id: row.id,
        community_platform_post_id: row.community_platform_post_id,
        comment_id: row.comment_id,
        community_id: row.community_id,
        action_type: row.action_type,
        performed_adminuser_id: row.performed_adminuser_id,
        appellant_memberuser_id: row.appellant_memberuser_id,
        appellant_adminuser_id: row.appellant_adminuser_id,
        text,
        created_at: row.created_at,
        outcome: row.outcome,
        decided_adminuser_id: row.decided_adminuser_id,
        decision_reason,
        decided_at: row.decided_at,
        sequence: row.sequence,
    });
    Ok(appeals.collect())
}

/// Which appeals.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Chosen {
    /// True: only those that wait for a decision.
    #[param(required = false, default = false)]
    pub(super) open: bool,
}

impl FromParams for Chosen {
    fn from_params(params: &mut Params) -> Self {
        let open = params.value("open", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false".into()),
        });
        Self { open: open.unwrap_or_default() }
    }
}

/// Lists appeals, the newest first.
#[utoipa::path(get, path = "/v1/appeals", tag = "Audit", params(Chosen, Page),
    responses((status = 200, description = "A part of the list", body = List<Appeal>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Chosen, Page)>,
) -> Result<Response, ReadError> {
    read.record_audit_read(&app, "/v1/appeals").await;
    let (Chosen { open: only_open }, page) = &read.query;
    let list = format!("appeals/{only_open}");
    let before: i64 = page.place(&app, &list, i64::MAX)?;
    let chosen = if *only_open { "AND outcome IS NULL" } else { "" };
    let statement = format!(
        "SELECT p.*, a.*
         FROM (SELECT coalesce(read.served_position('moderation_appeals'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT * FROM read.moderation_appeals WHERE position < $1 {chosen}
             ORDER BY position DESC LIMIT $2
         ) a ON true
         ORDER BY a.position DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement).bind(before).bind(page.rows());
        with_position::<AppealRow>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| last.position);
    let items = open(&app.opener, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}
