//! I2: the total order is dense, streams have no gap, nothing is there twice; the entry hashes fit.

use std::collections::{HashMap, HashSet};

use super::{Findings, Observed};

pub(super) fn check(observed: &Observed, findings: &mut Findings) {
    let mut ids = HashSet::new();
    let mut streams: HashMap<(&str, &str), i64> = HashMap::new();
    let mut last = None;
    for (position, event) in (1..).zip(&observed.events) {
        if event.position != position {
            findings
                .add("I2", format!("position {position} is missing: {} follows", event.position));
            break;
        }
        if !ids.insert(event.event_id) {
            findings.add("I2", format!("the event at {position} is in the log twice"));
        }
        let sequence = streams.entry((&event.aggregate_type, &event.aggregate_id)).or_default();
        *sequence += 1;
        if event.sequence != *sequence {
            let what = format!(
                "the event at {position} has the sequence {}, not {sequence}",
                event.sequence
            );
            findings.add("I2", what);
        }
        if last.is_some_and(|last| event.recorded_at < last) {
            findings
                .add("I2", format!("the event at {position} was recorded before the one before"));
        }
        last = Some(event.recorded_at);
    }
    for position in &observed.wrong_hashes {
        findings.add("I6", format!("the entry hash at {position} does not fit"));
    }
}
