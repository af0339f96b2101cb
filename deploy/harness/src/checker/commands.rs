//! I1: every acknowledged command is in the log exactly once, unknown ones zero or one times,
//! refused ones never.

use std::collections::HashMap;

use super::{Findings, Observed, Outcome};
use crate::fold::Event;

pub(super) fn check(observed: &Observed, findings: &mut Findings) {
    let mut by_trace: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in &observed.events {
        if let Some(trace) = event.metadata["traceparent"].as_str() {
            by_trace.entry(trace).or_default().push(event);
        }
    }
    for sent in &observed.sent {
        let found = by_trace.remove(sent.traceparent.as_str()).unwrap_or_default();
        let told = &sent.traceparent;
        match &sent.outcome {
            Outcome::Accepted(placed) => {
                let same = found.len() == placed.len()
                    && found.iter().zip(placed).all(|(event, placed)| {
                        event.event_id == placed.event_id && event.position == placed.position
                    });
                if !same {
                    let of: Vec<_> = found.iter().map(|event| event.position).collect();
                    let what = format!("command {told}: told {placed:?}, in the log at {of:?}");
                    findings.add("I1", what);
                }
            }
            Outcome::Refused if !found.is_empty() => {
                findings.add("I1", format!("refused command {told} is in the log"));
            }
            Outcome::Unknown => {
                let mut commands: Vec<_> =
                    found.iter().map(|event| event.metadata["command"].as_str()).collect();
                commands.dedup();
                if commands.len() > 1 {
                    findings.add("I1", format!("command {told} of unknown outcome is there twice"));
                }
            }
            Outcome::Refused => {}
        }
    }
}
