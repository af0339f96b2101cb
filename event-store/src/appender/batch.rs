//! Which units go into one batch.
//!
//! A unit waits for the next batch where it touches or guards a stream, or takes or releases a
//! claim, or uses an idempotency key, that an earlier unit of this batch writes: inside a batch all
//! checks see the log as it was before. Batches are bounded in units and bytes.

use std::collections::{HashSet, VecDeque};

use super::Submission;
use crate::{
    Position, Unit,
    cache::{Cache, Checked},
};

pub(super) const UNITS_MAX: usize = 512;
pub(super) const BYTES_MAX: usize = 4 << 20;

/// Units that are written by one call.
pub(super) struct Batch {
    pub units: Vec<Submission>,
    /// All guards were checked in process at least up to here; the database checks the rest.
    pub known: Position,
    /// Expected sequences were checked in process up to here, where they were.
    pub cached: Position,
}

pub(super) struct Gathered {
    pub batch: Batch,
    /// Units whose guards moved already: they need not go to the database.
    pub moved: Vec<Submission>,
}

/// Takes from the front of `waiting` what fits into one batch, and leaves the rest in order.
pub(super) fn gather(waiting: &mut VecDeque<Submission>, cache: &Cache) -> Gathered {
    let mut written = Written::default();
    let mut units = Vec::with_capacity(waiting.len().min(UNITS_MAX));
    let mut left = VecDeque::new();
    let mut moved = Vec::new();
    let mut bytes = 0;
    // The writer alone begins a history, and it is here.
    let (cached, history) = (cache.known(), cache.history());
    let mut known = cached;
    while let Some(mut submission) = waiting.pop_front() {
        let unit_bytes = submission.unit.bytes();
        let full =
            units.len() == UNITS_MAX || (!units.is_empty() && bytes + unit_bytes > BYTES_MAX);
        if full {
            left.push_back(submission);
            break;
        }
        if written.meets(&submission) {
            // What comes after it on the same streams must wait behind it.
            written.add(&submission);
            left.push_back(submission);
            continue;
        }
        match check_guards(&mut submission.unit, cache, history, known) {
            Some(holds_to) => known = holds_to,
            None => {
                moved.push(submission);
                continue;
            }
        }
        submission.is_checked = is_checked(&submission.unit, cache);
        bytes += unit_bytes;
        written.add(&submission);
        units.push(submission);
    }
    left.append(waiting);
    *waiting = left;
    Gathered { batch: Batch { units, known, cached }, moved }
}

/// Whether an event is its unit's first on its stream. Units are small: looking back is cheaper than
/// remembering.
pub(super) fn opens(unit: &Unit, index: usize) -> bool {
    let key = unit.events[index].stream.key();
    unit.events[..index].iter().all(|before| before.stream.key() != key)
}

/// Whether the cache knows all streams of a unit to be where it expects them.
fn is_checked(unit: &Unit, cache: &Cache) -> bool {
    let events = unit.events.iter().enumerate();
    cache.has_all(events.filter(|(index, _)| opens(unit, *index)).map(|(_, event)| event))
}

/// Notes for each guard up to where it holds. The lowest of these, at most `known`; `None` where one
/// has moved, or where they were taken from a history that is lost: its positions mean other events.
fn check_guards(unit: &mut Unit, cache: &Cache, history: u64, known: Position) -> Option<Position> {
    if unit.history.is_some_and(|theirs| theirs != history) {
        return None;
    }
    let mut lowest = known;
    for guard in &mut unit.guards {
        match cache.check(guard.key, guard.known) {
            Checked::Moved => return None,
            Checked::HoldsTo(position) => {
                guard.known = position;
                lowest = lowest.min(position);
            }
        }
    }
    Some(lowest)
}

/// What the units of a batch write.
#[derive(Default)]
struct Written {
    streams: HashSet<i64>,
    claims: HashSet<(&'static str, String)>,
    /// Who takes or releases claims of which scope.
    owners: HashSet<(&'static str, String)>,
    /// A release names its owner and not its keys, so a take of its scope may need what it frees.
    released_scopes: HashSet<&'static str>,
    receipts: HashSet<(String, String)>,
}

impl Written {
    fn meets(&self, Submission { unit, .. }: &Submission) -> bool {
        unit.events.iter().any(|event| self.streams.contains(&event.stream.key()))
            || unit.guards.iter().any(|guard| self.streams.contains(&guard.key))
            || unit.takes.iter().any(|claim| {
                self.released_scopes.contains(claim.scope)
                    || self.claims.contains(&(claim.scope, claim.key.clone()))
            })
            || unit
                .releases
                .iter()
                .any(|claim| self.owners.contains(&(claim.scope, claim.aggregate_id.clone())))
            || unit.receipt.as_ref().is_some_and(|receipt| {
                self.receipts
                    .contains(&(receipt.principal.clone(), receipt.idempotency_key.clone()))
            })
    }

    fn add(&mut self, Submission { unit, .. }: &Submission) {
        self.streams.extend(unit.events.iter().map(|event| event.stream.key()));
        for claim in &unit.takes {
            self.claims.insert((claim.scope, claim.key.clone()));
            self.owners.insert((claim.scope, claim.aggregate_id.clone()));
        }
        for claim in &unit.releases {
            self.released_scopes.insert(claim.scope);
            self.owners.insert((claim.scope, claim.aggregate_id.clone()));
        }
        if let Some(receipt) = &unit.receipt {
            self.receipts.insert((receipt.principal.clone(), receipt.idempotency_key.clone()));
        }
    }
}
