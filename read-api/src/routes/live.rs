//! Live streams (server-sent events) of a post, a community, one's own account.

use agora_domain::{ids::PostId, values::CommunityName};
use agora_service::problem::{FieldError, Problem};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName},
    response::Response,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    live::{self, LiveEvent, Opening, Topic},
    params::number,
    request::Read,
    rows::with_position,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The position of the last event that the client has.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    // A browser that was told no id yet sends an empty one.
    let Some(value) = headers.get(&LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    number(value.to_str().unwrap_or(""), 0..=u64::MAX).map(Some).map_err(|says| {
        Problem::wrong_fields(vec![FieldError {
            pointer: "/header/Last-Event-ID".into(),
            rule: None,
            detail: format!("`Last-Event-ID` {says}.").into(),
        }])
    })
}

#[derive(FromRow)]
struct SeenPost {
    id: Uuid,
    community_id: Uuid,
    is_own: bool,
}

/// Tells what happens to a post: edits, deletion, new and changed comments, scores.
///
/// Server-sent events. `ready` comes first; then one event for each of the log's, in its order, named
/// by its type, with its position as `id`: `PostEdited`, `PostDeleted`, `PostRestored`,
/// `PostVoteCast`, `CommentCreated`, `CommentEdited`, `CommentDeleted`, `CommentRestored`,
/// `CommentVoteCast`, `CommunityDeleted`. Each is told once the reads show it. Votes that come close
/// to each other are told as one event. Send `Last-Event-ID` to go on where you were; `reset` says
/// that too much was missed (more than 10,000 positions) or that the log has another history: read
/// the post anew with `min_position` = its position. `end` says why a stream ends: `gone`,
/// `session_ended`, `too_slow`, `shutdown` or `unavailable`; after the last three come again.
#[utoipa::path(get, path = "/v1/live/posts/{id}", tag = "Live",
    params(("id" = Uuid, Path, description = "The post's id"),
           ("Last-Event-ID" = Option<u64>, Header,
            description = "The `id` of the last event that you have, or the position of a read")),
    responses((status = 200, description = "The events, for as long as the connection lasts",
               body = LiveEvent, content_type = "text/event-stream"),
              (status = 404), (status = 429)))]
pub async fn post(
    State(app): State<Shared>,
    headers: HeaderMap,
    read: Read,
) -> Result<Response, ReadError> {
    let id: PostId = read.path.parse("id")?;
    let last_event_id = last_event_id(&headers)?;
    let viewer = read.caller.actor().map(|actor| actor.id);
    let (seen_at, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, o.*
             FROM (SELECT least(coalesce(read.served_position('posts'), 0),
                                coalesce(read.served_position('communities'), 0)) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT o.id, c.id AS community_id,
                        coalesce(coalesce(o.author_memberuser_id, o.author_adminuser_id) = $2,
                                 false) AS is_own, o.deleted_at
                 FROM read.posts o
                 JOIN read.communities c
                   ON c.id = o.community_platform_community_id AND c.deleted_at IS NULL
                 WHERE o.id = $1
             ) o ON o.deleted_at IS NULL OR o.is_own",
        )
        .bind(id.0)
        .bind(viewer)
        .fetch_all(&app.reads)
        .await?;
        with_position::<SeenPost>(&rows)
    })
    .await?;
    let Some(post) = rows.into_iter().next() else {
        return Err(ReadError::not_found(
            seen_at,
            "There is no post of this id, or it is deleted.",
        ));
    };
    let opening = Opening {
        route: "/v1/live/posts/{id}",
        topic: Topic::Post(post.id),
        community: Some(post.community_id),
        is_own: post.is_own,
        seen_at,
        last_event_id,
    };
    live::open(&app, &read, opening).await
}

/// Tells what happens in a community: posts and their scores, its metadata and rules.
///
/// As the stream of a post, with these events: `PostCreated`, `PostEdited`, `PostDeleted`,
/// `PostRestored`, `PostVoteCast`, `CommunityUpdated`, `CommunityRecategorised`, `CommunityRulesSet`,
/// `CommunityRulesCleared`, `CommunityDeleted`.
#[utoipa::path(get, path = "/v1/live/communities/{name}", tag = "Live",
    params(("name" = String, Path, description = "Its name, in upper or lower case",
            min_length = 5, max_length = 32, pattern = "^[A-Za-z0-9_-]+$"),
           ("Last-Event-ID" = Option<u64>, Header,
            description = "The `id` of the last event that you have, or the position of a read")),
    responses((status = 200, description = "The events, for as long as the connection lasts",
               body = LiveEvent, content_type = "text/event-stream"),
              (status = 404), (status = 429)))]
pub async fn community(
    State(app): State<Shared>,
    headers: HeaderMap,
    read: Read,
) -> Result<Response, ReadError> {
    let name: CommunityName = read.path.parse("name")?;
    let last_event_id = last_event_id(&headers)?;
    let (seen_at, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.id
             FROM (SELECT coalesce(read.served_position('communities'), 0) OFFSET 0) p
             LEFT JOIN read.communities c ON lower(c.name) = $1 AND c.deleted_at IS NULL",
        )
        .bind(name.folded())
        .fetch_all(&app.reads)
        .await?;
        with_position::<(i64, Uuid)>(&rows)
    })
    .await?;
    let Some((_, id)) = rows.into_iter().next() else {
        return Err(ReadError::not_found(seen_at, "There is no community of this name."));
    };
    let opening = Opening {
        route: "/v1/live/communities/{name}",
        topic: Topic::Community(id),
        community: Some(id),
        is_own: false,
        seen_at,
        last_event_id,
    };
    live::open(&app, &read, opening).await
}

/// Tells what concerns oneself: replies to what one wrote, acts of moderation, sessions, suspension.
///
/// As the stream of a post, with these events: `CommentCreated` (an answer to one's own post or
/// comment), `PostModerated`, `CommentModerated` (the reason is in `/v1/me/moderation-notices`),
/// `SessionIssued`, `SessionRevoked`, `AllSessionsRevoked` (everybody's, but perhaps one's own),
/// `MemberSuspended`, `MemberReinstated`.
#[utoipa::path(get, path = "/v1/live/me", tag = "Live",
    params(("Last-Event-ID" = Option<u64>, Header,
            description = "The `id` of the last event that you have, or the position of a read")),
    responses((status = 200, description = "The events, for as long as the connection lasts",
               body = LiveEvent, content_type = "text/event-stream"),
              (status = 429)))]
pub async fn me(
    State(app): State<Shared>,
    headers: HeaderMap,
    read: Read,
) -> Result<Response, ReadError> {
    let me = read.principal()?.actor;
    let last_event_id = last_event_id(&headers)?;
    let (seen_at, ()) = fresh(&app.projected, read.freshness, || async {
        let position: i64 = sqlx::query_scalar(
            "SELECT least(coalesce(read.served_position('comments'), 0),
                          coalesce(read.served_position('moderation_log'), 0),
                          coalesce(read.served_position('sessions'), 0))",
        )
        .fetch_one(&app.reads)
        .await?;
        Ok((agora_event_store::read::from_db(position), ()))
    })
    .await?;
    let opening = Opening {
        route: "/v1/live/me",
        topic: Topic::Account(me),
        community: None,
        is_own: false,
        seen_at,
        last_event_id,
    };
    live::open(&app, &read, opening).await
}
