//! How often a thing may change, where its whole stream is read when it is loaded (docs/rules.md,
//! "How often a thing may change").
//!
//! What ends a thing or protects somebody (a deletion, a suspension, a scope that is taken away) is
//! never refused. It needs something that was given before, and what gives is bounded, so no stream
//! reaches [`STREAM_MAX`].

/// After so many events that followed its creation a thing is not changed any more by whoever it
/// belongs to.
pub const CHANGES_MAX: u32 = 100;

/// As [`CHANGES_MAX`], for those who look after the things of others.
pub const CARETAKERS_CHANGES_MAX: u32 = 190;

/// No stream that is read whole has more events than this; a test that loads a longer one fails.
pub const STREAM_MAX: usize = 200;

/// There were too many changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangedTooOften;

/// Whether there is room for a change after so many events that followed the creation, of whatever
/// kind.
pub(crate) fn room(changes: u32, changes_max: u32) -> Result<(), ChangedTooOften> {
    (changes < changes_max).then_some(()).ok_or(ChangedTooOften)
}

#[cfg(test)]
pub(crate) mod tests {
    use cqrs_es::Aggregate;

    use crate::Decide;

    /// A thing after 500 rounds of all that is let through, with the number of those events.
    pub(crate) fn exhausted<A: Decide>(
        mut thing: A,
        round: impl Fn(u32) -> Vec<<A as Aggregate>::Command>,
    ) -> (A, usize) {
        let mut events = 0;
        for command in (0..500).flat_map(round) {
            for event in thing.decide(command).unwrap_or_default() {
                Aggregate::apply(&mut thing, event);
                events += 1;
            }
        }
        (thing, events)
    }
}
