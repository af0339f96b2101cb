//! What admins changed of what is others' (E16, MOD-07): each community's for everybody, without
//! anything personal (MOD-08); one's own notices with their reasons (MOD-06); all of it for admins and
//! auditors.

use agora_domain::values::CommunityName;
use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::{FromRow, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::token_is_missing,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, Sealed, with_position},
};

/// An act of moderation, as everybody may see it.
#[derive(Serialize, FromRow, ToSchema)]
pub struct PublicEntry {
    id: Uuid,
    /// Set where it was a post.
    community_platform_post_id: Option<Uuid>,
    /// Set where it was a comment. Where neither is set it was the community itself.
    comment_id: Option<Uuid>,
    performed_adminuser_id: Uuid,
    /// `edit`, `delete` or `restore`.
    #[schema(example = "delete")]
    action_type: String,
    created_at: Instant,
    #[serde(skip)]
    position: i64,
}

/// An act of moderation with its reason (E16).
#[derive(Serialize, ToSchema)]
pub struct Entry {
    id: Uuid,
    /// Set where it was a post.
    community_platform_post_id: Option<Uuid>,
    /// Set where it was a comment. Where neither is set it was the community itself.
    comment_id: Option<Uuid>,
    community_id: Option<Uuid>,
    performed_adminuser_id: Uuid,
    /// `edit`, `delete` or `restore`.
    #[schema(example = "delete")]
    action_type: String,
    /// Null where it was erased.
    #[schema(max_length = 255)]
    action_reason: Option<String>,
    created_at: Instant,
    /// Null where nobody has appealed.
    appeal: Option<AppealState>,
}

/// What became of an appeal (MOD-08).
#[derive(Serialize, ToSchema)]
pub struct AppealState {
    appealed_at: Instant,
    /// `upheld` or `overturned`; null while it is open.
    outcome: Option<String>,
    /// Null while it is open, and where it was erased.
    #[schema(max_length = 255)]
    decision_reason: Option<String>,
    decided_at: Option<Instant>,
}

/// As it stands in the read table, the reason sealed.
#[derive(FromRow)]
struct EntryRow {
    id: Uuid,
    community_platform_post_id: Option<Uuid>,
    comment_id: Option<Uuid>,
    community_id: Option<Uuid>,
    performed_adminuser_id: Uuid,
    action_type: String,
    action_reason: Option<String>,
    created_at: Instant,
    position: i64,
    appealed_at: Option<Instant>,
    outcome: Option<String>,
    decision_reason: Option<String>,
    decided_at: Option<Instant>,
}

async fn open(opener: &Opener, rows: Vec<EntryRow>) -> Result<Vec<Entry>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let (kind, id) = match (row.community_platform_post_id, row.comment_id) {
            (Some(post), _) => ("post", post),
            (None, Some(comment)) => ("comment", comment),
            (None, None) => ("community", row.community_id.unwrap_or_default()),
        };
        let decision = row.decision_reason.as_deref();
        slots.push((
            sealed.add(kind, id, "reason", row.action_reason.as_deref()),
            sealed.add("moderation_appeal", row.id, "reason", decision),
        ));
    }
    let open = sealed.open(opener).await?;
    let texts: Vec<_> = slots
        .into_iter()
        .map(|(reason, decision)| (open.text(reason), open.text(decision)))
        .collect();
    let entries = rows.into_iter().zip(texts).map(|(row, (reason, decision_reason))| Entry {
        id: row.id,
        community_platform_post_id: row.community_platform_post_id,
        comment_id: row.comment_id,
        community_id: row.community_id,
        performed_adminuser_id: row.performed_adminuser_id,
        action_type: row.action_type,
        action_reason: reason,
        created_at: row.created_at,
        appeal: row.appealed_at.map(|appealed_at| AppealState {
            appealed_at,
            outcome: row.outcome,
            decision_reason,
            decided_at: row.decided_at,
        }),
    });
    Ok(entries.collect())
}

/// Lists what admins changed in a community, the newest first.
#[utoipa::path(get, path = "/v1/communities/{name}/moderation-log", tag = "Communities",
    params(("name" = String, Path, description = "The community's name, in upper or lower case",
            min_length = 5, max_length = 32, pattern = "^[A-Za-z0-9_-]+$"), Page),
    responses((status = 200, description = "A part of the list", body = List<PublicEntry>),
              (status = 404)))]
pub async fn of_community(
    State(app): State<Shared>,
    read: Read<Page>,
) -> Result<Response, ReadError> {
    let name: CommunityName = read.path.parse("name")?;
    let list = format!("moderation/{}", name.folded());
    let before: i64 = read.query.place(&app, &list, i64::MAX)?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, m.*, c.id AS community
             FROM (SELECT least(coalesce(read.served_position('moderation_log'), 0),
                                coalesce(read.served_position('communities'), 0)) OFFSET 0) p
             LEFT JOIN read.communities c ON lower(c.name) = $1 AND c.deleted_at IS NULL
             LEFT JOIN LATERAL (
                 SELECT id, community_platform_post_id, comment_id, performed_adminuser_id,
                        action_type, created_at, position
                 FROM read.moderation_log WHERE community_id = c.id AND position < $2
                 ORDER BY position DESC LIMIT $3
             ) m ON true
             ORDER BY m.position DESC",
        )
        .bind(name.folded())
        .bind(before)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        let community: Option<Uuid> =
            rows.first().map(|row| row.try_get("community")).transpose()?.flatten();
        let (position, entries) = with_position::<PublicEntry>(&rows)?;
        Ok((position, community.map(|_| entries)))
    })
    .await?;
    let rows =
        rows.ok_or_else(|| ReadError::not_found(position, "There is no community of this name."))?;
    let part = read.query.cut(&app, &list, rows, |last| last.position);
    Ok(read.list(position, &part))
}

/// Lists what admins changed of what one wrote oneself, with the reasons, the newest first. Guests show
/// the signature that they wrote with.
#[utoipa::path(get, path = "/v1/me/moderation-notices", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Entry>)))]
pub async fn notices(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let me = read.caller.actor().ok_or_else(token_is_missing)?;
    let mine = Some((format!("author_{}user_id", me.kind.as_str()), me.id));
    list(&app, &read, &format!("notices/{me}"), mine).await
}

/// Lists everything that admins changed of what others wrote, the newest first.
#[utoipa::path(get, path = "/v1/moderation-log", tag = "Audit", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Entry>)))]
pub async fn all(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    read.record_audit_read(&app, "/v1/moderation-log").await;
    list(&app, &read, "moderation", None).await
}

async fn list(
    app: &Shared,
    read: &Read<Page>,
    list: &str,
    author: Option<(String, Uuid)>,
) -> Result<Response, ReadError> {
    let before: i64 = read.query.place(app, list, i64::MAX)?;
    let of_author =
        author.as_ref().map_or(String::new(), |(column, _)| format!("AND {column} = $3"));
    let statement = format!(
        "SELECT p.*, m.*
         FROM (SELECT least(coalesce(read.served_position('moderation_log'), 0),
                            coalesce(read.served_position('moderation_appeals'), 0)) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT m.id, m.community_platform_post_id, m.comment_id, m.community_id,
                    m.performed_adminuser_id, m.action_type, m.action_reason, m.created_at,
                    m.position, a.created_at AS appealed_at, a.outcome, a.decision_reason,
                    a.decided_at
             FROM read.moderation_log m LEFT JOIN read.moderation_appeals a ON a.id = m.id
             WHERE m.position < $1 {of_author}
             ORDER BY m.position DESC LIMIT $2
         ) m ON true
         ORDER BY m.position DESC"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement).bind(before).bind(read.query.rows());
        let query = match &author {
            Some((_, id)) => query.bind(id),
            None => query,
        };
        let rows = query.fetch_all(&app.reads).await?;
        with_position::<EntryRow>(&rows)
    })
    .await?;
    let part = read.query.cut(app, list, rows, |last| last.position);
    let items = open(&app.opener, part.items).await?;
    Ok(read.list(position, &List { items, next: part.next }))
}
