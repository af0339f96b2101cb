//! Accesses on their way to the writing task. A thread puts what it sees into a shard that is nearly always its own,
//! so that threads neither wait for one another nor write memory that another is about to read. The task takes
//! all that a shard holds by leaving an empty buffer in its place, so memory goes to and fro between the two and
//! none is asked for.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use agora_service::http::access::Access;
use tokio::sync::Notify;

/// Accesses in the order in which they came.
type Buffer = VecDeque<Access>;

/// On cache lines of its own: two, since processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// What one task takes from, whoever puts in.
pub(super) struct Queue {
    bounds: Bounds,
    shards: Box<[Apart<Mutex<Buffer>>]>,
    /// Told when something is where nothing was.
    filled: Apart<Notify>,
    /// Told when the task is to take what there is at once.
    hurry: Apart<Notify>,
}

/// Of each shard.
struct Bounds {
    /// So many wait in it at most.
    waiting_max: usize,
    /// Requests of refused addresses are put in only while fewer wait in it.
    at_the_door_max: usize,
}

/// A buffer that has room for more than so many has grown while too much came, and is not kept.
const KEPT_MAX: usize = 2_048;

static NEXT: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    /// Given out in turn, so that as many threads as there are processors have a shard each.
    static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
}

impl Queue {
    /// `all_max` and `at_the_door_max` are of all shards together, of which there are as many as threads run at
    /// once.
    pub(super) fn new(all_max: usize, at_the_door_max: usize) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of_shards(shards, all_max, at_the_door_max)
    }

    fn of_shards(shards: usize, all_max: usize, at_the_door_max: usize) -> Self {
        let share = |of: usize| (of / shards).max(1);
        let bounds =
            Bounds { waiting_max: share(all_max), at_the_door_max: share(at_the_door_max) };
        let shards = (0..shards).map(|_| Apart::default()).collect();
        Self { bounds, shards, filled: Apart::default(), hurry: Apart::default() }
    }

    /// The first shard in which fewer wait: this thread's own, or where that is full the next one that is not.
    fn with_less_than(&self, waiting_max: usize) -> Option<MutexGuard<'_, Buffer>> {
        let (own, all) = (NUMBER.with(|number| *number), self.shards.len());
        let mut shards = (0..all).map(|place| held(&self.shards[(own + place) % all]));
        shards.find(|waiting| waiting.len() < waiting_max)
    }

    /// Puts an access in; false where it is lost, since there is no room.
    pub(super) fn push(&self, access: Access) -> bool {
        let Some(mut waiting) = self.with_less_than(self.bounds.waiting_max) else {
            return false;
        };
        waiting.push_back(access);
        let count = waiting.len();
        drop(waiting);
        // The first wakes the task for all that come until it takes them. No access is slept on: it is there before
        // the task is told, the task looks after it was told, and what it is told while it does not wait is kept.
        if count == 1 {
            self.filled.0.notify_one();
        }
        // Or there may be no more room before it looks again.
        if count == (self.bounds.waiting_max / 2).max(2) {
            self.hurry();
        }
        true
    }

    /// Whether a request of a refused address would be put in.
    pub(super) fn has_room_at_the_door(&self) -> bool {
        self.with_less_than(self.bounds.at_the_door_max).is_some()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| held(shard).is_empty())
    }

    /// Waits until something was put in where nothing was. One task waits.
    pub(super) async fn filled(&self) {
        self.filled.0.notified().await;
    }

    /// Has the task take what there is at once.
    pub(super) fn hurry(&self) {
        self.hurry.0.notify_one();
    }

    /// Waits until [`Self::hurry`] says so.
    pub(super) async fn hurried(&self) {
        self.hurry.0.notified().await;
    }

    /// Takes all that waits, after what was taken before.
    pub(super) fn take(&self, taken: &mut Taken) {
        for shard in &self.shards {
            let mut waiting = held(shard);
            if !waiting.is_empty() {
                let empty = taken.empty.pop().unwrap_or_default();
                taken.full.push_back(mem::replace(&mut *waiting, empty));
            }
        }
    }
}

fn held(shard: &Apart<Mutex<Buffer>>) -> MutexGuard<'_, Buffer> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the task has taken.
#[derive(Default)]
pub(super) struct Taken {
    /// None of them is empty.
    full: VecDeque<Buffer>,
    /// For the next time.
    empty: Vec<Buffer>,
}

impl Taken {
    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty()
    }

    /// The next one; of one thread they come in their order.
    pub(super) fn pop(&mut self) -> Option<Access> {
        let buffer = self.full.front_mut()?;
        let access = buffer.pop_front();
        if buffer.is_empty()
            && let Some(mut buffer) = self.full.pop_front()
            && buffer.capacity() <= KEPT_MAX
        {
            // Begins at its start again, so that it does not wander through memory that nothing has touched.
            buffer.clear();
            self.empty.push(buffer);
        }
        access
    }
}

#[cfg(test)]
mod tests;
