//! One client's stream: what it missed, from the log; then what its topic's channel brings.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use agora_event_store::{Position, read::of_types};
use agora_service::problem::Problem;
use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::stream;
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    LiveEvent, News, Place, RESUMABLE_POSITIONS, Topic, event,
    follow::{self, PAGE},
    seats::{Client, Seat},
};
use crate::{
    access::{Caller, Principal},
    app::Shared,
    error::ReadError,
    reply,
    request::Read,
};

/// How often a comment says that the stream is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client waits before it comes again.
const RETRY: Duration = Duration::from_secs(3);

/// Keeps proxies from holding the stream back.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a client asks for, once it is known that it may.
pub struct Opening {
    pub route: &'static str,
    pub topic: Topic,
    /// Of a post: its community.
    pub community: Option<Uuid>,
    /// It stays for this client even where it is deleted.
    pub is_own: bool,
    /// The position at which the client was found to see it.
    pub seen_at: Position,
    /// The last event that the client has.
    pub last_event_id: Option<Position>,
}

/// Begins a stream.
///
/// # Errors
/// 429 and 503 where there are too many.
pub async fn open(app: &Shared, read: &Read, opening: Opening) -> Result<Response, ReadError> {
    let client = match (&read.caller, read.client_address()) {
        (Caller::Principal(principal), _) => Client::Principal(principal.actor),
        // A guest makes itself as many signatures as it likes.
        (Caller::Guest | Caller::SignedGuest(_), Some(address)) => Client::at(address),
        // Only a router that is not served by `service::http` has none.
        (_, None) => return Err(Problem::internal().into()),
    };
    let seat = app.live.seats.take(client)?;
    let session = match read.principal() {
        Ok(Principal { session_id: Some(session), .. }) => {
            app.live.sessions.watch(*session, opening.route)
        }
        // A stream ends with the session that it was opened with.
        Ok(Principal { session_id: None, .. }) => {
            let detail = "Service accounts have no session for a stream to end with: read, or let a \
                          member or admin listen.";
            return Err(Problem::forbidden(detail).with_rule("ADM-07").into());
        }
        Err(_) => Arc::default(),
    };
    let mut connection = app.reads.acquire().await?;
    let served = follow::served(&mut connection).await?;
    drop(connection);
    let (receiver, place) = app.live.subscribe(opening.topic, opening.community, served.place);
    let seen_at = opening.seen_at;
    let after = opening.last_event_id.unwrap_or(seen_at);
    let missed = place.position.saturating_sub(after);
    let mut stream = Stream {
        app: Arc::clone(app),
        opening,
        receiver,
        session,
        after,
        missed_up_to: (missed > 0).then_some(place.position),
        waiting: VecDeque::new(),
        ending: None,
        has_ended: false,
        _seat: seat,
    };
    stream.waiting.push_back(ready(after, place));
    if missed > RESUMABLE_POSITIONS || after > served.head {
        stream.reset(Place { position: place.position.max(seen_at), ..place }, "missed_too_much");
    }
    let events = stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    headers.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    Ok(reply::at_position(response, seen_at))
}

/// Something to send.
enum Item {
    Event(Arc<LiveEvent>),
    Word(sse::Event),
}

struct Stream {
    app: Shared,
    opening: Opening,
    receiver: Receiver<News>,
    session: Arc<CancellationToken>,
    /// Everything up to here was told, or is not to be.
    after: Position,
    /// What the channel does not bring any more, to be read from the log first.
    missed_up_to: Option<Position>,
    waiting: VecDeque<Item>,
    /// Nothing more is to be told but why.
    ending: Option<&'static str>,
    /// That was told too.
    has_ended: bool,
    _seat: Seat,
}

impl Stream {
    /// The next event; `None` after the one that says why there are no more.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if self.has_ended {
                return None;
            }
            if let Some(reason) = self.ending {
                self.has_ended = true;
                metrics::counter!("agora_live_ended_total", "reason" => reason).increment(1);
                return Some(end(reason));
            }
            if let Some(reason) = self.is_over() {
                self.ending = Some(reason);
                continue;
            }
            if let Some(item) = self.waiting.pop_front() {
                return Some(match item {
                    Item::Word(word) => word,
                    Item::Event(event) => self.told(&event),
                });
            }
            if let Some(up_to) = self.missed_up_to {
                if let Err(error) = self.read_missed(up_to).await {
                    tracing::warn!(%error, "missed events cannot be read");
                    self.ending = Some("unavailable");
                }
                continue;
            }
            tokio::select! {
                biased;
                () = self.session.cancelled() => {}
                () = self.app.live.shutdown.cancelled() => {}
                news = self.receiver.recv() => self.take(news),
            }
        }
    }

    fn is_over(&self) -> Option<&'static str> {
        if self.session.is_cancelled() {
            Some("session_ended")
        } else if self.app.live.shutdown.is_cancelled() {
            Some("shutdown")
        } else {
            None
        }
    }

    fn take(&mut self, news: Result<News, RecvError>) {
        match news {
            Ok(News::Events(events)) => self.keep(events.iter().cloned()),
            Ok(News::Reset(place)) => self.reset(place, "history_changed"),
            // It would go on from its last event, if it came again.
            Err(RecvError::Lagged(_)) => self.ending = Some("too_slow"),
            Err(RecvError::Closed) => self.ending = Some("unavailable"),
        }
    }

    /// Keeps what the client does not have yet.
    fn keep(&mut self, events: impl Iterator<Item = Arc<LiveEvent>>) {
        for event in events {
            if event.position > self.after {
                self.after = event.position;
                self.waiting.push_back(Item::Event(event));
            }
        }
    }

    fn told(&mut self, event: &LiveEvent) -> sse::Event {
        if self.closes(event) {
            self.ending = Some("gone");
        }
        sse::Event::default()
            .id(event.position.to_string())
            .event(&event.event_type)
            .data(json!(event).to_string())
    }

    /// Whether the client may not see any more of the topic. What was done before it was found to
    /// see it has been undone since.
    fn closes(&self, event: &LiveEvent) -> bool {
        let deleted = match self.opening.topic {
            Topic::Account(_) => false,
            Topic::Community(_) => event.closes_community().is_some(),
            Topic::Post(_) => {
                let deleted = event.event_type == "PostDeleted" && !self.opening.is_own;
                deleted || event.closes_community().is_some()
            }
        };
        deleted && event.position > self.opening.seen_at
    }

    /// The client has to read anew, and hears what happens from a place on.
    fn reset(&mut self, place: Place, reason: &'static str) {
        self.waiting.retain(|item| matches!(item, Item::Word(_)));
        self.missed_up_to = None;
        self.after = place.position;
        let data = json!({ "position": place.position, "epoch": place.epoch, "reason": reason });
        let word = sse::Event::default().id(place.position.to_string()).event("reset");
        self.waiting.push_back(Item::Word(word.data(data.to_string())));
    }

    /// Reads the next missed events from the log.
    async fn read_missed(&mut self, up_to: Position) -> Result<(), sqlx::Error> {
        let app = Arc::clone(&self.app);
        let _turn = app.live.replays.acquire().await;
        let mut connection = app.reads.acquire().await?;
        let types: Vec<String> = event::TYPES.iter().map(|name| (*name).to_owned()).collect();
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let events = of_types(&mut connection, self.after, up_to, limit, &types).await?;
        let read_up_to = match events.last() {
            Some(last) if events.len() == PAGE => last.position,
            _ => up_to,
        };
        let told = event::compose(&mut connection, &events).await?;
        let Opening { topic, community, .. } = self.opening;
        let mine = told.into_iter().filter(|told| {
            let closes = told.event.closes_community();
            told.topics.contains(&topic)
                || match topic {
                    Topic::Post(_) => closes.is_some() && closes == community,
                    Topic::Account(_) => told.event.concerns_every_account(),
                    Topic::Community(_) => false,
                }
        });
        self.keep(mine.map(|told| Arc::new(told.event)));
        self.after = read_up_to;
        self.missed_up_to = (read_up_to < up_to).then_some(up_to);
        Ok(())
    }
}

/// The stream has begun; its id makes a client that hears nothing else come back to the same place.
fn ready(after: Position, place: Place) -> Item {
    let data = json!({ "position": after, "epoch": place.epoch });
    let word = sse::Event::default().id(after.to_string()).event("ready").retry(RETRY);
    Item::Word(word.data(data.to_string()))
}

fn end(reason: &str) -> sse::Event {
    sse::Event::default().event("end").data(json!({ "reason": reason }).to_string())
}
