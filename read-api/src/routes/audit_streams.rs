//! One aggregate as it was at any time, with the events that made it so (ESX-09), and the
//! history of posts and comments for their authors and for admins (PST-12). Both fold the log anew, past every read table.

use agora_domain::{
    Actor,
    ids::{CommentId, IntegrationId, PostId},
    site::configuration::ConfigurationKey,
};
use agora_event_store::{
    EventFilter, Position, RecordedEvent,
    read::{self, rfc3339_micros},
};
use agora_service::{clock, problem::Problem};
use axum::{extract::State, response::Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    access::Roles,
    app::{App, Shared},
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params, Says, number, wrong_path},
    replay::Replay,
    reply::List,
    request::Read,
};

/// How many events one statement reads.
const PAGE: usize = 500;

/// An aggregate as it was.
#[derive(Serialize, ToSchema)]
pub struct StreamState {
    #[schema(example = "post")]
    aggregate_type: String,
    aggregate_id: String,
    /// The number of its events then.
    sequence: u64,
    /// Of its last event then.
    #[schema(value_type = u64)]
    position: Position,
    /// Of its last event then.
    #[schema(example = "2026-11-20T12:00:00.123456Z")]
    recorded_at: String,
    /// The state then. Personal values are open; erased ones are `{"$erased": true}`, hashes of
    /// passwords `{"$withheld": true}`.
    #[schema(value_type = Object)]
    state: Value,
    /// The events that made it so, the oldest first.
    #[schema(inline)]
    events: List<StreamEvent>,
}

/// An event of the aggregate; personal values as in `state`.
#[derive(Serialize, ToSchema)]
pub struct StreamEvent {
    #[schema(value_type = u64)]
    position: Position,
    event_id: Uuid,
    sequence: u64,
    #[schema(example = "PostEdited")]
    event_type: String,
    #[schema(example = "1")]
    event_version: String,
    /// Who did it: `member:<uuid>`, `admin:<uuid>` or `system:<nil uuid>`.
    actor: Option<String>,
    #[schema(value_type = Object)]
    payload: Value,
    #[schema(example = "2026-11-20T12:00:00.123456Z")]
    recorded_at: String,
}

/// When, and which part of the events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// A time (RFC 3339) or a position of the log; now, where absent. Not in the future.
    #[param(value_type = Option<String>, example = "2026-01-31T12:00:00Z")]
    as_of: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    Position(Position),
    Time(DateTime<Utc>),
}

impl FromParams for AsOf {
    fn from_params(params: &mut Params) -> Self {
        let as_of = params.value("as_of", |text| {
            if text.bytes().all(|byte| byte.is_ascii_digit()) {
                number(text, 0..=u64::MAX).map(Moment::Position)
            } else {
                params::instant(text).map(Moment::Time)
            }
            .map_err(|_| Says::Borrowed("must be a time (RFC 3339) or a position of the log"))
        });
        Self { as_of }
    }
}

/// Shows an aggregate as it was at a time or position, with its events up to then.
#[utoipa::path(get, path = "/v1/audit/streams/{type}/{id}", tag = "Audit",
    params(("type" = String, Path, description = "The aggregate's type", example = "post"),
           ("id" = String, Path, description = "The aggregate's id"), AsOf, Page),
    responses((status = 200, description = "The aggregate as it was", body = StreamState),
              (status = 304), (status = 404)))]
pub async fn show(
    State(app): State<Shared>,
    read: Read<(AsOf, Page)>,
) -> Result<Response, ReadError> {
    let aggregate_type =
        params::token(read.path.text("type")).map_err(|says| wrong_path("type", &says))?;
    let aggregate_id =
        params::token(read.path.text("id")).map_err(|says| wrong_path("id", &says))?;
    read.record_audit_read(&app, "/v1/audit/streams/{type}/{id}").await;
    let (head, stream) = state_as_of(&app, &read, &aggregate_type, &aggregate_id).await?;
    Ok(read.object(head, &stream))
}

/// Shows a post as it was at a time or position, with its events up to then: to its author and to
/// admins.
#[utoipa::path(get, path = "/v1/posts/{id}/history", tag = "Posts",
    params(("id" = Uuid, Path, description = "The post's id"), AsOf, Page),
    responses((status = 200, description = "The post as it was", body = StreamState),
              (status = 304), (status = 404)))]
pub async fn post_history(
    State(app): State<Shared>,
    read: Read<(AsOf, Page)>,
) -> Result<Response, ReadError> {
    let id: PostId = read.path.parse("id")?;
    history(&app, &read, "post", &id.to_string(), "PST-12").await
}

/// Shows a comment as it was at a time or position, with its events up to then: to its author and
/// to admins.
#[utoipa::path(get, path = "/v1/comments/{id}/history", tag = "Comments",
    params(("id" = Uuid, Path, description = "The comment's id"), AsOf, Page),
    responses((status = 200, description = "The comment as it was", body = StreamState),
              (status = 304), (status = 404)))]
pub async fn comment_history(
    State(app): State<Shared>,
    read: Read<(AsOf, Page)>,
) -> Result<Response, ReadError> {
    let id: CommentId = read.path.parse("id")?;
    history(&app, &read, "comment", &id.to_string(), "CMT-10").await
}

/// Shows a configuration key as it was at a time or position, with every value that it had up to
/// then, who gave it and when.
#[utoipa::path(get, path = "/v1/configuration/{key}/history", tag = "Site",
    params(("key" = String, Path, description = "The key", pattern = "^[a-z0-9_.]{1,64}$"),
           AsOf, Page),
    responses((status = 200, description = "The key as it was", body = StreamState),
              (status = 304), (status = 404)))]
pub async fn configuration_history(
    State(app): State<Shared>,
    read: Read<(AsOf, Page)>,
) -> Result<Response, ReadError> {
    let key: ConfigurationKey = read.path.parse("key")?;
    read.record_audit_read(&app, "/v1/configuration/{key}/history").await;
    let (head, stream) = state_as_of(&app, &read, "configuration", key.as_str()).await?;
    Ok(read.object(head, &stream))
}

/// Shows an integration as it was at a time or position, with every change up to then, who made it and
/// when. Settings are withheld.
#[utoipa::path(get, path = "/v1/integrations/{id}/history", tag = "Site",
    params(("id" = Uuid, Path, description = "The integration's id"), AsOf, Page),
    responses((status = 200, description = "The integration as it was", body = StreamState),
              (status = 304), (status = 404)))]
pub async fn integration_history(
    State(app): State<Shared>,
    read: Read<(AsOf, Page)>,
) -> Result<Response, ReadError> {
    let id: IntegrationId = read.path.parse("id")?;
    read.record_audit_read(&app, "/v1/integrations/{id}/history").await;
    let (head, stream) = state_as_of(&app, &read, "integration", &id.to_string()).await?;
    Ok(read.object(head, &stream))
}

/// What somebody wrote, as it was: for its author and for admins.
async fn history(
    app: &App,
    read: &Read<(AsOf, Page)>,
    aggregate_type: &str,
    aggregate_id: &str,
    rule: &'static str,
) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let administers = me.roles.include(Roles::ADMIN);
    // From the first event, so that whoever may not read the history does not make it be read.
    let author = author(app, aggregate_type, aggregate_id).await?;
    let is_author = author.is_none_or(|author| author == me.actor);
    if !administers && !is_author {
        let detail = format!("Only the {aggregate_type}'s author and admins may read its history.");
        return Err(Problem::forbidden(detail).with_rule(rule).into());
    }
    let (head, stream) = state_as_of(app, read, aggregate_type, aggregate_id).await?;
    Ok(read.object(head, &stream))
}

/// Who wrote something, as its first event says.
async fn author(
    app: &App,
    aggregate_type: &str,
    aggregate_id: &str,
) -> Result<Option<Actor>, ReadError> {
    let payload: Option<String> =
        sqlx::query_scalar("SELECT payload::text FROM log.stream($1, $2) WHERE sequence = 1")
            .bind(aggregate_type)
            .bind(aggregate_id)
            .fetch_optional(&app.reads)
            .await?;
    let created: Option<Value> = payload.and_then(|payload| serde_json::from_str(&payload).ok());
    let fields = created.as_ref().and_then(|event| event.as_object()?.values().next());
    Ok(fields.and_then(|fields| Actor::deserialize(&fields["author"]).ok()))
}

async fn state_as_of(
    app: &App,
    read: &Read<(AsOf, Page)>,
    aggregate_type: &str,
    aggregate_id: &str,
) -> Result<(Position, StreamState), ReadError> {
    let (AsOf { as_of }, page) = &read.query;
    let list = format!("stream/{aggregate_type}/{aggregate_id}/{as_of:?}");
    let shown_after: u64 = page.place(app, &list, 0)?;
    let (head, ()) = fresh(&app.projected, read.freshness, || async {
        let mut connection = app.reads.acquire().await?;
        Ok((read::head(&mut connection).await?, ()))
    })
    .await?;
    let (up_to, to) = match *as_of {
        None => (head, None),
        Some(Moment::Position(position)) if position <= head => (position, None),
        Some(Moment::Time(time)) if time <= clock::now() => {
            // A filter's end is exclusive; the moment itself belongs to what was.
            (head, Some(time + TimeDelta::microseconds(1)))
        }
        Some(_) => {
            return Err(future(head).into());
        }
    };
    let no_stream = || ReadError::not_found(head, "There was no such aggregate then.");
    let mut replay = Replay::begin(&app.opener, aggregate_type).ok_or_else(no_stream)?;
    let filter = EventFilter {
        aggregate_type: Some(aggregate_type.to_owned()),
        aggregate_id: Some(aggregate_id.to_owned()),
        to,
        ..EventFilter::default()
    };
    let mut after = 0;
    let mut last: Option<RecordedEvent> = None;
    let mut shown = Vec::new();
    loop {
        let mut connection = app.reads.acquire().await?;
        let events = read::filtered(&mut connection, after, up_to, PAGE, &filter).await?;
        drop(connection);
        let whole = events.len() < PAGE;
        for event in events {
            let payload = replay.apply(&event).await?;
            // One more than the page holds tells that the list goes on.
            if event.sequence > shown_after && shown.len() <= page.limit {
                shown.push(stream_event(&event, payload));
            }
            after = event.position;
            last = Some(event);
        }
        if whole {
            break;
        }
    }
    let last = last.ok_or_else(no_stream)?;
    let state = StreamState {
        aggregate_type: last.aggregate_type,
        aggregate_id: last.aggregate_id,
        sequence: last.sequence,
        position: last.position,
        recorded_at: rfc3339_micros(last.recorded_at),
        state: replay.state(),
        events: page.cut(app, &list, shown, |event| event.sequence),
    };
    Ok((head, state))
}

fn stream_event(event: &RecordedEvent, payload: Value) -> StreamEvent {
    let metadata: Value = serde_json::from_str(&event.metadata).unwrap_or_default();
    StreamEvent {
        position: event.position,
        event_id: event.event_id,
        sequence: event.sequence,
        event_type: event.event_type.clone(),
        event_version: event.event_version.clone(),
        actor: metadata["actor"].as_str().map(str::to_owned),
        payload,
        recorded_at: rfc3339_micros(event.recorded_at),
    }
}

fn future(head: Position) -> Problem {
    let detail = format!(
        "`as_of` is in the future: the log ends at position {head}, and what comes is not known."
    );
    Problem::malformed(detail)
}
