//! Live streams: what happens to a post, in a community, to an account, told as server-sent events.
//!
//! One follower a process reads the log, whoever listens, and hands each event to the channels of its
//! topics. An event is told once the read tables hold it, so that who hears of it can read it, and the
//! scores that go with it are those of then or newer. The broker only wakes the follower; what is told
//! stands in the log, so a forged message tells nothing, and without a broker the follower looks by
//! itself.
//!
//! **Architecture invariants.** A stream holds ids, numbers and times: nothing personal, and never who
//! voted (PVT-10). A client costs a place in a ring that is as long for all: who reads too slowly falls
//! out of it and is dropped. A position is told to a client once, in order, whatever falls out between.

mod event;
mod follow;
mod seats;
mod sessions;
mod stream;
mod things;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agora_event_store::Position;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use event::{LiveEvent, Score, Topic};
pub use seats::Limits;
pub use stream::{Opening, open};

use crate::app::Shared;
use event::Told;
use seats::Seats;
use sessions::Sessions;

/// Batches of a topic that a client may be behind. The follower makes at most forty a second.
pub const BATCHES_KEPT: usize = 64;
/// A client that missed more positions than this reads the resource anew instead.
pub const RESUMABLE_POSITIONS: Position = 10_000;
/// Clients whose missed events are read from the log at the same time; others wait for their turn.
const REPLAYS_AT_ONCE: usize = 4;

/// Where the log is followed to, and in which of its histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    position: Position,
    epoch: Uuid,
}

/// What a channel carries.
#[derive(Clone)]
enum News {
    /// Events of the topic, in their order.
    Events(Arc<[Arc<LiveEvent>]>),
    /// The log has another history now, which the clients know nothing of.
    Reset(Place),
}

struct Channel {
    sender: broadcast::Sender<News>,
    /// Of a post: its community, whose end is the post's end too.
    community: Option<Uuid>,
}

#[derive(Default)]
struct Channels {
    /// None while nobody listens: then nothing is read either.
    followed: Option<Place>,
    topics: HashMap<Topic, Channel>,
}

/// What live streams share.
pub struct Live {
    channels: Mutex<Channels>,
    /// Somebody listens where nobody did.
    woken: Notify,
    replays: Semaphore,
    seats: Seats,
    sessions: Sessions,
    shutdown: CancellationToken,
}

/// Follows the log and looks after sessions, until shutdown.
pub async fn run(app: Shared) {
    let shutdown = app.live.shutdown.clone();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = follow::follow(&app) => {}
        () = sessions::look_after(&app) => {}
    }
}

impl Live {
    pub fn new(limits: Limits, shutdown: CancellationToken) -> Self {
        Self {
            channels: Mutex::default(),
            woken: Notify::new(),
            replays: Semaphore::new(REPLAYS_AT_ONCE),
            seats: Seats::new(limits),
            sessions: Sessions::default(),
            shutdown,
        }
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        // Every change of the map is whole.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to a topic. All events after the place that is returned will come; `served` is where
    /// following begins if nobody listens yet.
    fn subscribe(
        &self,
        topic: Topic,
        community: Option<Uuid>,
        served: Place,
    ) -> (broadcast::Receiver<News>, Place) {
        let mut channels = self.channels();
        let place = *channels.followed.get_or_insert(served);
        let channel = channels
            .topics
            .entry(topic)
            .or_insert_with(|| Channel { sender: broadcast::Sender::new(BATCHES_KEPT), community });
        let receiver = channel.sender.subscribe();
        self.woken.notify_one();
        (receiver, place)
    }

    /// How far the log is followed, if anybody listens.
    fn followed(&self) -> Option<Place> {
        let mut channels = self.channels();
        channels.topics.retain(|_, channel| channel.sender.receiver_count() > 0);
        if channels.topics.is_empty() {
            channels.followed = None;
        }
        channels.followed
    }

    /// Tells what happened up to a position.
    fn tell(&self, up_to: Position, told: Vec<Told>) {
        let mut channels = self.channels();
        let mut batches: HashMap<Topic, Vec<Arc<LiveEvent>>> = HashMap::new();
        for Told { event, topics } in told {
            let event = Arc::new(event);
            let mut put = |topic| batches.entry(topic).or_default().push(Arc::clone(&event));
            topics.into_iter().for_each(&mut put);
            if let Some(community) = event.closes_community() {
                let posts = channels.topics.iter().filter(|(topic, channel)| {
                    matches!(topic, Topic::Post(_)) && channel.community == Some(community)
                });
                posts.for_each(|(topic, _)| put(*topic));
            }
            if event.concerns_every_account() {
                let topics = channels.topics.keys();
                topics
                    .filter(|topic| matches!(topic, Topic::Account(_)))
                    .copied()
                    .for_each(&mut put);
            }
        }
        for (topic, batch) in batches {
            if let Some(channel) = channels.topics.get(&topic) {
                // Fails where the last listener has just left.
                let _ = channel.sender.send(News::Events(batch.into()));
            }
        }
        if let Some(place) = &mut channels.followed {
            place.position = up_to;
        }
    }

    /// Follows another history of the log from here on.
    fn begin_anew(&self, place: Place) {
        let mut channels = self.channels();
        channels.followed = Some(place);
        for channel in channels.topics.values() {
            let _ = channel.sender.send(News::Reset(place));
        }
    }
}
