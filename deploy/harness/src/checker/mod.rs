//! The invariants that must hold after every fault has healed, as pure functions over what was
//! observed: so that the checker itself can be tested with histories that break them.

mod commands;
mod log;
mod reads;
mod tables;

use std::{collections::BTreeSet, fmt};

use serde_json::Value;
use uuid::Uuid;

use crate::fold::{Event, Tables};

/// What became of a command, as its client saw it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The reply's events.
    Accepted(Vec<Placed>),
    /// For certain not carried out: a refusal, or a request that was never sent.
    Refused,
    /// No reply, or one that says that nobody knows.
    Unknown,
}

/// An event as the reply told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub event_id: Uuid,
    pub position: i64,
}

/// A command that a client sent; the trace id finds its events in the log.
#[derive(Clone, Debug)]
pub struct Sent {
    pub traceparent: String,
    pub outcome: Outcome,
}

/// A score that a client read.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Reads of one client are in their order.
    pub client: usize,
    pub min_position: i64,
    /// `Agora-Position` of the reply.
    pub position: i64,
    pub post: Uuid,
    pub upvotes: i64,
    pub downvotes: i64,
}

/// How far a projection or a process says that it is.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub name: String,
    pub position: i64,
    pub is_running: bool,
}

/// Everything that was observed, with the log and the tables after healing.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub events: Vec<Event>,
    /// Positions whose stored entry hash is not what the row gives.
    pub wrong_hashes: Vec<i64>,
    pub tables: Tables,
    pub checkpoints: Vec<Checkpoint>,
    /// Sessions whose end a process waits for.
    pub wake_ups: BTreeSet<Uuid>,
    pub sent: Vec<Sent>,
    pub seen: Vec<Seen>,
    /// Replies of 5xx that were no problem documents.
    pub bad_errors: Vec<String>,
    /// The log of every process, by name.
    pub logs: Vec<(String, String)>,
    /// What must be in no log: e-mail addresses, names, titles, passwords, tokens.
    pub secrets: Vec<String>,
    /// Why it did not heal by itself in time.
    pub not_healed: Option<String>,
}

/// An invariant that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, invariant: &'static str, what: String) {
        self.0.push(Violation { invariant, what });
    }
}

/// Everything that does not hold.
pub fn check(observed: &Observed) -> Vec<Violation> {
    let mut findings = Findings::default();
    commands::check(observed, &mut findings);
    log::check(observed, &mut findings);
    tables::check(observed, &mut findings);
    reads::check(observed, &mut findings);
    for (name, text) in &observed.logs {
        spoken(name, text, &observed.secrets, &mut findings);
    }
    for error in &observed.bad_errors {
        findings.add("I8", format!("a 5xx is no problem document: {error}"));
    }
    if let Some(why) = &observed.not_healed {
        findings.add("I9", why.clone());
    }
    findings.0
}

fn spoken(name: &str, text: &str, secrets: &[String], findings: &mut Findings) {
    if let Some(line) = text.lines().find(|line| line.contains("panicked at")) {
        findings.add("I8", format!("{name}: {line}"));
    }
    if secrets.iter().any(|secret| text.contains(secret.as_str())) {
        // What it is must not be told here either.
        findings.add("I8", format!("{name} holds personal data or a secret"));
    }
}

/// A value as short text.
fn brief(value: Option<&Value>) -> String {
    value.map_or("nothing".to_owned(), |value| value.to_string().chars().take(400).collect())
}

#[cfg(test)]
mod tests;
