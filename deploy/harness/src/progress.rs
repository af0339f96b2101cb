//! How far a long step is: a bar on a terminal, a line now and then elsewhere.
#![expect(clippy::print_stdout, reason = "what a user of the command-line tools sees")]

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// Lines that a step prints where there is no terminal.
const LINES: u64 = 4;

/// One step. Cheap to clone.
#[derive(Clone)]
pub struct Progress {
    inner: Arc<Inner>,
}

struct Inner {
    what: &'static str,
    total: u64,
    done: AtomicU64,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(what: &'static str, total: usize) -> Self {
        let total = total as u64;
        let bar = std::io::stderr().is_terminal().then(|| bar(what, total));
        let (done, begun) = (AtomicU64::new(0), Instant::now());
        Self { inner: Arc::new(Inner { what, total, done, begun, bar }) }
    }

    /// One more is done.
    pub fn tick(&self) {
        let inner = &self.inner;
        let done = inner.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &inner.bar {
            Some(bar) => bar.inc(1),
            None if done < inner.total && done.is_multiple_of(inner.total.div_ceil(LINES)) => {
                println!("  {}: {} of {}", inner.what, HumanCount(done), HumanCount(inner.total));
            }
            None => {}
        }
    }

    /// Ends the step with a line that stays; returns how long it took in seconds.
    pub fn finish(&self) -> f64 {
        let inner = &self.inner;
        if let Some(bar) = &inner.bar {
            bar.finish_and_clear();
        }
        let (done, seconds) =
            (inner.done.load(Ordering::Relaxed), inner.begun.elapsed().as_secs_f64());
        let rate = HumanCount((done as f64 / seconds.max(0.001)) as u64);
        println!("  {}: {} in {seconds:.1} s, {rate}/s", inner.what, HumanCount(done));
        seconds
    }
}

fn bar(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "  {msg:24} {bar:32} {human_pos}/{human_len}  {per_sec}  {eta} left",
    )
    .expect("the template is well formed");
    ProgressBar::new(total).with_style(style).with_message(what)
}

/// Tells the user of a command-line tool.
pub fn say(text: &str) {
    println!("{text}");
}
