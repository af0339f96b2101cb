//! The newest events of this process, so that the relay need not read back what was just written.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{Position, RecordedEvent};

/// As small as will do: what the relay is behind by is read back from the log, and memory that is
/// soon used again is still in the processor's caches.
const EVENTS_MAX: usize = 2_048;
const BYTES_MAX: usize = 16 << 20;

/// A run of events without a gap, ending at the newest.
#[derive(Default)]
pub struct Recent {
    run: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    events: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
}

impl Recent {
    pub(crate) fn push(&self, events: impl IntoIterator<Item = RecordedEvent>) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if run.events.back().is_some_and(|last| last.position + 1 != event.position) {
                run.clear();
            }
            run.bytes += event.bytes();
            run.events.push_back(Arc::new(event));
        }
        while run.events.len() > EVENTS_MAX || run.bytes > BYTES_MAX {
            let Some(oldest) = run.events.pop_front() else { break };
            run.bytes -= oldest.bytes();
        }
    }

    pub(crate) fn clear(&self) {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The events directly after a position; empty where they are not (or no longer) here.
    pub fn after(&self, position: Position, limit: usize) -> Vec<Arc<RecordedEvent>> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = run.events.front() else { return Vec::new() };
        let Some(skip) = (position + 1).checked_sub(first.position) else { return Vec::new() };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        run.events.iter().skip(skip).take(limit).cloned().collect()
    }
}

impl Run {
    fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests;
