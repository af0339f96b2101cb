//! The aggregates that decisions read, kept fresh from the log.
//!
//! `known` is the position up to which every entry reflects the log. The appender alone moves it,
//! in position order: first the streams that others wrote are forgotten, then its own new states
//! are put in. A stale entry can therefore not claim to be fresh; and guards and expected sequences
//! make even that harmless: it would cost a retry, never a wrong event.

use std::{
    any::Any,
    collections::{HashMap, VecDeque},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;

use crate::{
    Position, StreamName,
    unit::{NewEvent, StateAfter},
};

/// How many changes of streams are remembered to check guards in process. Guards that are older
/// than these are checked in the database.
const CHANGES_MAX: usize = 32_768;

pub struct Cache {
    inner: Mutex<Inner>,
}

struct Inner {
    known: Position,
    /// Raised when everything is forgotten: what was loaded before is not put in after.
    generation: u64,
    /// Raised when the log turns out to be another than the one that was known (a restore).
    history: u64,
    entries: LruCache<i64, Entry>,
    /// The last position at which a stream changed, for changes after `changes_since`.
    changed: HashMap<i64, Position>,
    order: VecDeque<(Position, i64)>,
    changes_since: Position,
}

struct Entry {
    stream: StreamName,
    sequence: u64,
    state: Arc<dyn Any + Send + Sync>,
}

/// A state from the cache.
pub struct Hit {
    pub state: Arc<dyn Any + Send + Sync>,
    pub sequence: u64,
    pub known: Position,
}

/// Taken before a load, given back with what was loaded.
#[derive(Clone, Copy)]
pub struct Ticket {
    pub known: Position,
    generation: u64,
}

/// What the cache can say of a guard.
pub(crate) enum Checked {
    /// The stream has not changed since, up to this position.
    HoldsTo(Position),
    Moved,
}

impl Cache {
    pub fn new(entries_max: NonZeroUsize, known: Position) -> Self {
        Self {
            inner: Mutex::new(Inner {
                known,
                generation: 0,
                history: 0,
                entries: LruCache::new(entries_max),
                changed: HashMap::new(),
                order: VecDeque::new(),
                changes_since: known,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way, so a poisoned cache is a whole one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn known(&self) -> Position {
        self.lock().known
    }

    /// Which of the histories that this process has seen the positions belong to.
    pub fn history(&self) -> u64 {
        self.lock().history
    }

    pub fn ticket(&self) -> Ticket {
        let inner = self.lock();
        Ticket { known: inner.known, generation: inner.generation }
    }

    pub fn get(&self, stream: &StreamName) -> Option<Hit> {
        let mut inner = self.lock();
        let known = inner.known;
        let entry = inner.entries.get(&stream.key())?;
        (entry.stream == *stream).then(|| Hit {
            state: Arc::clone(&entry.state),
            sequence: entry.sequence,
            known,
        })
    }

    /// Keeps what was loaded, unless the stream changed since the ticket was taken.
    pub fn put_loaded(&self, ticket: Ticket, loaded: StateAfter) {
        let mut inner = self.lock();
        let fresh = inner.generation == ticket.generation
            && matches!(inner.check(loaded.stream.key(), ticket.known), Checked::HoldsTo(known) if known == inner.known);
        if fresh {
            inner.put(loaded);
        }
    }

    pub(crate) fn check(&self, key: i64, known: Position) -> Checked {
        self.lock().check(key, known)
    }

    /// Whether every event is the next of its stream, as far as is known here.
    pub(crate) fn has_all<'a>(&self, mut next: impl Iterator<Item = &'a NewEvent>) -> bool {
        let inner = self.lock();
        next.all(|event| {
            let entry = inner.entries.peek(&event.stream.key());
            entry.is_some_and(|it| it.stream == event.stream && it.sequence + 1 == event.sequence)
        })
    }

    /// Takes in what happened from `known` + 1 on: each change's position and stream, then the new
    /// states of the caller's own units, up to the new known position.
    pub(crate) fn advance(
        &self,
        changes: impl IntoIterator<Item = (Position, i64)>,
        states: impl IntoIterator<Item = StateAfter>,
        known: Position,
    ) {
        let mut inner = self.lock();
        for (position, key) in changes {
            inner.entries.pop(&key);
            inner.changed.insert(key, position);
            inner.order.push_back((position, key));
        }
        while inner.order.len() > CHANGES_MAX {
            if let Some((position, key)) = inner.order.pop_front() {
                inner.changes_since = position;
                if inner.changed.get(&key) == Some(&position) {
                    inner.changed.remove(&key);
                }
            }
        }
        for state in states {
            inner.put(state);
        }
        inner.known = known;
    }

    /// Forgets all, since the log is another one: positions that were known tell nothing of it.
    pub(crate) fn begin_history(&self, known: Position) {
        // At one go: nobody may see the new history with what was known of the old one.
        let mut inner = self.lock();
        inner.history += 1;
        inner.forget(known);
    }

    /// Forgets all: others may have written what is not known.
    pub(crate) fn forget(&self, known: Position) {
        self.lock().forget(known);
    }

    /// Forgets every state: some may hold what was opened with a key that is gone. What is known of
    /// changes stays.
    pub(crate) fn let_go(&self) {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.entries.clear();
    }

    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inner {
    fn forget(&mut self, known: Position) {
        self.generation += 1;
        self.entries.clear();
        self.changed.clear();
        self.order.clear();
        self.known = known;
        self.changes_since = known;
    }

    fn check(&self, key: i64, known: Position) -> Checked {
        if known > self.known {
            // Known from a history that has been lost (a restore): it tells nothing of this one.
            return Checked::Moved;
        }
        if known < self.changes_since {
            return Checked::HoldsTo(known);
        }
        match self.changed.get(&key) {
            Some(position) if *position > known => Checked::Moved,
            _ => Checked::HoldsTo(self.known),
        }
    }

    fn put(&mut self, state: StateAfter) {
        self.entries.put(
            state.stream.key(),
            Entry { stream: state.stream, sequence: state.sequence, state: state.state },
        );
    }
}

#[cfg(test)]
mod tests;
