//! The table, on the terminal and as a file.

use std::{fs, path::Path};

use hdrhistogram::Histogram;

use super::{Failure, http::Sustained, machine::Machine, peers::per_second, watch::Memory};
use crate::progress::say;

pub(super) struct Report {
    machine: Machine,
    rows: Vec<[String; 4]>,
}

impl Report {
    pub(super) fn new(machine: Machine) -> Self {
        for (name, value) in &machine.lines {
            say(&format!("{name}: {value}"));
        }
        Self { machine, rows: Vec::new() }
    }

    /// One line; told at once, because the whole takes long.
    pub(super) fn line(&mut self, what: &str, measured: String, goal: &str, met: Option<bool>) {
        let met = match met {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        };
        say(&format!("  {what}: {measured}   (goal: {goal}) {met}"));
        self.rows.push([what.to_owned(), measured, goal.to_owned(), met.to_owned()]);
    }

    /// A rate beside another's.
    pub(super) fn ratio(&mut self, what: &str, rate: f64, other: f64, of: &str, goal: f64) {
        let ratio = rate / other;
        let measured = format!("{}, {ratio:.2} × {of}", per_second(rate));
        self.line(what, measured, &format!("≥ {goal} × {of}"), Some(ratio >= goal));
    }

    /// Rates beside another's of the same round: what a machine does changes from one to the next.
    pub(super) fn ratios(&mut self, what: &str, rounds: &[[f64; 2]], of: &str, goal: f64) {
        let rate = median(rounds.iter().map(|[rate, _]| *rate));
        let ratios = || rounds.iter().map(|[rate, other]| rate / other);
        let (ratio, least) = (median(ratios()), ratios().fold(f64::INFINITY, f64::min));
        let measured = format!(
            "{}, {ratio:.2} × {of} (median of {} rounds, at least {least:.2})",
            per_second(rate),
            rounds.len()
        );
        self.line(what, measured, &format!("≥ {goal} × {of}"), Some(ratio >= goal));
    }

    pub(super) fn cast_vote(&mut self, connections: usize, sustained: &Sustained) {
        let Sustained { outcome, events_per_second, lag_events, lag, .. } = sustained;
        let measured = format!(
            "{}, p50 {:.1} ms, p99 {:.1} ms; {lag_events} events to project at the end, {:.2} s",
            per_second(*events_per_second),
            outcome.latency_ms(0.5),
            outcome.latency_ms(0.99),
            lag.as_secs_f64(),
        );
        let what = format!(
            "**cast-vote over HTTP, {connections} connections, {:.0} s, events appended**",
            outcome.seconds
        );
        let met = lag.as_secs_f64() <= 1.0 && outcome.refused + outcome.lost == 0;
        self.line(&what, measured, "projections at most 1 s behind at the end", Some(met));
    }

    pub(super) fn readable(&mut self, waits: &Histogram<u64>) {
        let [p50, p99] = [0.5, 0.99].map(|it| waits.value_at_quantile(it) as f64 / 1_000.0);
        self.line(
            "command accepted → readable, at 1,000 commands/s",
            format!("p50 {p50:.1} ms, p99 {p99:.1} ms ({} probes)", waits.len()),
            "p50 ≤ 5 ms, p99 ≤ 25 ms",
            Some(p50 <= 5.0 && p99 <= 25.0),
        );
    }

    pub(super) fn memory(&mut self, idle: &Memory, loaded: &Memory) {
        for (name, idle) in idle {
            let loaded = loaded.get(name).copied().unwrap_or(*idle);
            self.line(
                &format!("resident memory of {name}, idle / under load"),
                format!("{idle:.0} MB / {loaded:.0} MB"),
                "≤ 40 MB / ≤ 150 MB",
                Some(*idle <= 40.0 && loaded <= 150.0),
            );
        }
    }

    pub(super) fn write(&self, path: &Path, quick: bool) -> Result<(), Failure> {
        let mut text = String::from(
            "# Benchmarks\n\nWritten by `deploy/bench`, which measures all of it in one run, one \
             after the other, on one machine with the load generator on it too, and on one \
             Postgres. Absolute numbers vary by machine; the ratios are what counts.\n\n",
        );
        if quick {
            text.push_str("A quick run (`--quick`): the times are too short for good numbers.\n\n");
        }
        for (name, value) in &self.machine.lines {
            text.push_str(&format!("- {name}: {value}\n"));
        }
        text.push_str("\n| what | measured | goal | met |\n|---|---|---|---|\n");
        for [what, measured, goal, met] in &self.rows {
            text.push_str(&format!("| {what} | {measured} | {goal} | {met} |\n"));
        }
        text.push_str(NOTES);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, keep_attempts(path, text))?;
        say(&format!("written to {}", path.display()));
        Ok(())
    }
}

/// What was tried by hand stays over runs.
fn keep_attempts(path: &Path, text: String) -> String {
    const ATTEMPTS: &str = "\n## Attempts";
    let old = fs::read_to_string(path).unwrap_or_default();
    match old.find(ATTEMPTS) {
        Some(at) => text + &old[at..],
        None => text,
    }
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        values if values.len() % 2 == 1 => values[middle],
        values => f64::midpoint(values[middle - 1], values[middle]),
    }
}

const NOTES: &str = "
## How it is measured

- **The event** is the same on every side: a `PostVoteCast` with the payload and the metadata that \
`cast-vote` writes, a sealed address included.
- **pgbench** inserts one row a statement, prepared, into a table in the form that postgres-es \
prescribes; no order, no checks. **postgres-es** runs `CqrsFramework::execute` with a pool of 32 on \
such a table, a new stream each time.
- **Plain batches** have the columns and indexes of `log.events` and number their rows; one \
connection, 256 rows a statement. **The append path** is `EventLog::append` in process with 256 \
units in flight, each with four guards, in a database of its own.
- **cast-vote over HTTP** is a closed loop of keep-alive connections. Each request has its session \
checked, takes its decision on guarded streams, seals the address and is answered after the commit; \
relay, projectors and process managers run. No voter votes twice on a post, so every accepted \
request appends one event; events are counted in the log. The lag of the slowest projection is \
taken when the load ends, and awaited before anything else runs.
- **Exports** are made in process as a worker makes them: a statement's rows, the format, SHA-256 and \
a file on the disk, beside `COPY` of the same table to nowhere, in rounds of all of them. A person's \
bundle holds each row in two files, so `COPY` counts twice: of the votes alone, which decides, and by \
the bundle's statements, which look for each vote's events, too. The memory is this program's own.
- **Refused requests** are compared by CPU time, of the service as the kernel counts it, and with that of \
all Postgres' processes, which for a vote includes what the relay, projections and entries of the security \
audit log cost there.
- **Reads** have a fixed rate over 64 connections, for ten seconds after two that do not count, and \
their latency counts from when they were due. They read a page \
of 20: feeds of a hundred communities, of which the larger are read more often; the home feeds of \
eight members of 25 communities each; posts, of which each second one has 20 comments or more, each \
with its comments by score, one request after the other, so that there are two for each of the rate. \
A frequent word is in about half of the posts, a rare one in a few of a hundred thousand. The \
content is written through the appender as the domain's events and sealed as commands seal it; \
comments are twice the posts and votes four times by default (`--comments-per-post`, \
`--votes-per-post`; `--read-sizes` chooses the sizes), spread unevenly over posts; all of it is some \
minutes old, so the hot lists leave nothing out.
- **Rebuilds** are runs of `projectors rebuild <name>`, from the start of the process to the swap; \
the rate is the whole log by that time, as for `COPY`.
- **The relay** carries a log that was filled beforehand into a stream of its own.
- **Accepted → readable**: after each reply of a vote, a read with its position as `min_position`; \
the time is that of the read.
";
