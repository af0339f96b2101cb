//! I3 and I4: every live read table equals the fold of the log; no checkpoint is beyond the head, and
//! after healing none is behind it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Findings, Observed, brief};
use crate::fold::{self, TABLES};

/// Differing rows that are told of one table.
const ROWS_MAX: usize = 5;

pub(super) fn check(observed: &Observed, findings: &mut Findings) {
    processes(observed, findings);
    let head = observed.events.last().map_or(0, |event| event.position);
    for checkpoint in &observed.checkpoints {
        let (name, position) = (&checkpoint.name, checkpoint.position);
        if position > head {
            findings.add("I3", format!("{name} says {position}, the log ends at {head}"));
        }
        if position < head {
            findings.add("I4", format!("{name} is at {position} of {head}"));
        }
        if !checkpoint.is_running {
            findings.add("I4", format!("{name} does not run"));
        }
    }
    let expected = fold::fold(&observed.events);
    for (table, _) in TABLES {
        let (Some(expected), Some(live)) = (expected.get(table), observed.tables.get(table)) else {
            findings.add("I3", format!("{table} was not read"));
            continue;
        };
        let mut told = 0;
        let keys = expected.keys().chain(live.keys().filter(|key| !expected.contains_key(*key)));
        for key in keys.filter(|key| expected.get(*key) != live.get(*key)) {
            told += 1;
            if told <= ROWS_MAX {
                let (wanted, is) = (brief(expected.get(key)), brief(live.get(key)));
                findings.add(
                    "I3",
                    format!("{table} {key}: the log gives {wanted}, the table has {is}"),
                );
            }
        }
        if told > ROWS_MAX {
            findings.add("I3", format!("{table}: {told} rows differ"));
        }
    }
}

/// Every session that is open has one wake-up for its end, and no other has.
fn processes(observed: &Observed, findings: &mut Findings) {
    let mut open = BTreeSet::new();
    for event in &observed.events {
        let Ok(session) = event.aggregate_id.parse::<Uuid>() else { continue };
        match event.event_type.as_str() {
            "SessionIssued" => drop(open.insert(session)),
            "SessionRevoked" => drop(open.remove(&session)),
            _ => {}
        }
    }
    for session in open.symmetric_difference(&observed.wake_ups) {
        findings.add("I4", format!("the wake-up of session {session} is missing, or one too many"));
    }
}
