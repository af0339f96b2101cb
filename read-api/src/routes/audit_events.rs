//! The log itself, as it is stored, line by line, for those who audit it.
//!
//! Memory stays bounded however long the log is: it is read a page at a time, when the client has
//! taken the page before, and no connection is held between pages.

use agora_domain::{Actor, registry::AGGREGATES};
use agora_event_store::{
    EventFilter, Position, RecordedEvent,
    read::{self, rfc3339_micros, to_db},
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use chrono::{DateTime, Utc};
use futures::stream;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    error::{ReadError, database},
    freshness::fresh,
    params::{self, FromParams, Params, Says, number},
    reply,
    request::Read,
};

/// How many events one statement reads at most.
const PAGE: usize = 500;
/// How many positions one statement looks at, so that a filter that matches little gives way now
/// and then: to a client who has left, and to the statement's time limit.
const WINDOW: Position = 50_000;

/// An event as the log holds it: texts byte for byte as they were hashed, personal values sealed.
#[derive(Serialize, ToSchema)]
pub struct Event<'a> {
    /// Place in the log's order: 1, 2, 3 … without gaps. Go on with it as `after`.
    #[schema(value_type = u64)]
    position: Position,
    event_id: Uuid,
    #[schema(example = "post")]
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    sequence: u64,
    #[schema(example = "PostCreated")]
    event_type: &'a str,
    #[schema(example = "1")]
    event_version: &'a str,
    #[schema(value_type = Object)]
    payload: &'a RawValue,
    #[schema(value_type = Object)]
    metadata: &'a RawValue,
    #[schema(example = "2026-11-20T12:00:00.123456Z")]
    recorded_at: String,
    /// `payload` and `metadata` as texts, byte for byte as they were hashed.
    payload_text: &'a str,
    metadata_text: &'a str,
    /// What the log stores as SHA-256 over all of this but the position (docs/entry-hash.md).
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    entry_hash: &'a str,
}

/// Which events are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only after this position: the last one that you have.
    #[param(value_type = u64, required = false, default = 0, example = 4711)]
    after: Position,
    /// At most so many events; without it, all up to the newest.
    #[param(minimum = 1)]
    limit: Option<u64>,
    /// Only events of one type.
    #[param(rename = "type", example = "PostCreated")]
    event_type: Option<String>,
    /// Only events of aggregates of one type.
    #[param(example = "post")]
    aggregate_type: Option<String>,
    /// Only events of one aggregate.
    aggregate_id: Option<String>,
    /// Only what somebody did: `member:<uuid>`, `admin:<uuid>`, `system`.
    #[param(value_type = Option<String>)]
    actor: Option<Actor>,
    /// Only from this time on.
    from: Option<DateTime<Utc>>,
    /// Only before this time.
    to: Option<DateTime<Utc>>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self {
            after: params.value("after", |text| number(text, 0..=u64::MAX)).unwrap_or(0),
            limit: params.value("limit", |text| number(text, 1..=u64::MAX)),
            event_type: params.value("type", event_type),
            aggregate_type: params.value("aggregate_type", aggregate_type),
            aggregate_id: params.value("aggregate_id", params::token),
            actor: params.value("actor", params::actor),
            from: params.value("from", params::instant),
            to: params.value("to", params::instant),
        }
    }
}

/// A name that does not exist is refused: an auditor must not take a typing error for "nothing".
fn event_type(text: &str) -> Result<String, Says> {
    let mut names = AGGREGATES.iter().flat_map(|aggregate| aggregate.events);
    match names.any(|(name, _)| *name == text) {
        true => Ok(text.to_owned()),
        false => Err("must be a type of event, such as PostCreated".into()),
    }
}

fn aggregate_type(text: &str) -> Result<String, Says> {
    match AGGREGATES.iter().any(|aggregate| aggregate.aggregate_type == text) {
        true => Ok(text.to_owned()),
        false => Err("must be a type of aggregate, such as post".into()),
    }
}

/// Streams the log's events, one JSON object a line (NDJSON), in their order.
///
/// To follow the log, ask again with `after` = the position of the last line or, where the reply
/// ended without reaching `limit`, `Agora-Position`: everything up to there was looked at. A reply
/// that breaks off ends the connection early; go on after its last whole line.
#[utoipa::path(get, path = "/v1/audit/events", tag = "Audit", params(Filter),
    responses((status = 200, description = "The events, one a line", body = Event,
               content_type = "application/x-ndjson")))]
pub async fn stream(State(app): State<Shared>, read: Read<Filter>) -> Result<Response, ReadError> {
    read.record_audit_read(&app, "/v1/audit/events").await;
    let (head, ()) = fresh(&app.projected, read.freshness, || async {
        let mut connection = app.reads.acquire().await?;
        Ok((read::head(&mut connection).await?, ()))
    })
    .await?;
    let Filter { after, limit, event_type, aggregate_type, aggregate_id, actor, from, to } =
        read.query;
    let mut after = after;
    if let Some(from) = from {
        after = after.max(last_before(&app.reads, from, head).await?);
    }
    let walk = Walk {
        pool: app.reads.clone(),
        // One aggregate's events are found by an index of their own, however far apart they are.
        window: match (&aggregate_type, &aggregate_id) {
            (Some(_), Some(_)) => Position::MAX,
            _ => WINDOW,
        },
        filter: EventFilter {
            event_type,
            aggregate_type,
            aggregate_id,
            actor: actor.map(|actor| actor.to_string()),
            from,
            to,
        },
        after,
        head: match to {
            Some(to) => last_before(&app.reads, to, head).await?,
            None => head,
        },
        left: limit.unwrap_or(u64::MAX),
    };
    let pages = stream::try_unfold(walk, |walk| async { walk.page().await.transpose() });
    Ok(reply::lines(head, Body::from_stream(pages)))
}

/// A way through the log, up to the head that it had at the start.
struct Walk {
    pool: PgPool,
    window: Position,
    filter: EventFilter,
    after: Position,
    head: Position,
    left: u64,
}

impl Walk {
    /// The next lines; `None` at the end.
    async fn page(mut self) -> Option<Result<(Bytes, Self), std::io::Error>> {
        while self.after < self.head && self.left > 0 {
            let up_to = self.head.min(self.after.saturating_add(self.window));
            let limit = PAGE.min(usize::try_from(self.left).unwrap_or(PAGE));
            let (events, hashes) = match self.read(up_to, limit).await {
                Ok(read) => read,
                // Ends the connection: the client sees that the reply is not whole.
                Err(error) => return Some(Err(std::io::Error::other(database(&error).detail))),
            };
            self.left -= events.len() as u64;
            self.after = match events.last() {
                Some(last) if events.len() == limit => last.position,
                _ => up_to,
            };
            if !events.is_empty() {
                return Some(lines(&events, &hashes).map(|lines| (lines, self)));
            }
        }
        None
    }

    /// The next events, and for each what the log stores as its hash.
    async fn read(
        &self,
        up_to: Position,
        limit: usize,
    ) -> Result<(Vec<RecordedEvent>, Vec<String>), sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let events =
            read::filtered(&mut connection, self.after, up_to, limit, &self.filter).await?;
        let hashes = sqlx::query_scalar(
            "SELECT encode(entry_hash, 'hex') FROM log.events
             WHERE position = ANY ($1) ORDER BY position",
        )
        .bind(events.iter().map(|event| to_db(event.position)).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        Ok((events, hashes))
    }
}

fn lines(events: &[RecordedEvent], hashes: &[String]) -> Result<Bytes, std::io::Error> {
    let mut lines = Vec::with_capacity(events.len() * 1_536);
    for (event, entry_hash) in events.iter().zip(hashes) {
        serde_json::to_writer(
            &mut lines,
            &Event {
                position: event.position,
                event_id: event.event_id,
                aggregate_type: &event.aggregate_type,
                aggregate_id: &event.aggregate_id,
                sequence: event.sequence,
                event_type: &event.event_type,
                event_version: &event.event_version,
                payload: serde_json::from_str(&event.payload)?,
                metadata: serde_json::from_str(&event.metadata)?,
                recorded_at: rfc3339_micros(event.recorded_at),
                payload_text: &event.payload,
                metadata_text: &event.metadata,
                entry_hash,
            },
        )?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}

/// The last position recorded before a time. Times never go back along the log and no position is
/// missing, so halving finds it in some twenty looks at the primary key; there is no index on times.
async fn last_before(
    pool: &PgPool,
    time: DateTime<Utc>,
    head: Position,
) -> Result<Position, sqlx::Error> {
    let (mut before, mut not_before) = (0, head + 1);
    while before + 1 < not_before {
        let middle = before + (not_before - before) / 2;
        let earlier: Option<bool> =
            sqlx::query_scalar("SELECT recorded_at < $2 FROM log.events WHERE position = $1")
                .bind(to_db(middle))
                .bind(time)
                .fetch_optional(pool)
                .await?;
        if earlier == Some(true) { before = middle } else { not_before = middle }
    }
    Ok(before)
}
