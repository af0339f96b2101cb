//! A closed loop of cast-vote: so many connections, each with one request in flight.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{task::LocalSet, time::sleep_until};
use uuid::Uuid;

use crate::{
    ballot::{Ballots, Says},
    client::{ClientError, Connection, status},
    scene::Scene,
};

/// How much to send.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    pub time: Duration,
    /// Requests a second over all connections; as fast as replies come where there is none.
    pub rate: Option<u32>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub accepted: u64,
    /// Statuses other than 200.
    pub refused: u64,
    pub lost: u64,
    pub seconds: f64,
    /// Microseconds.
    pub latency: Histogram<u64>,
}

impl Outcome {
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.seconds
    }

    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// Every pair of voter and post once, over all loads of a scene.
pub struct Votes {
    ballots: Ballots,
    posts: Vec<Uuid>,
    next: AtomicU64,
}

impl Votes {
    pub fn new(address: &str, scene: &Scene) -> Self {
        let ballots = Ballots::new(address, &scene.voters);
        Self { ballots, posts: scene.posts.clone(), next: AtomicU64::new(0) }
    }

    fn pairs(&self) -> u64 {
        self.ballots.voters() as u64 * self.posts.len() as u64
    }

    /// How many votes are left before a voter would vote twice.
    pub fn left(&self) -> u64 {
        self.pairs().saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Writes the next request; none where every pair is used up.
    fn render(&self, request: &mut Vec<u8>) -> Option<(usize, Uuid)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.pairs() {
            return None;
        }
        let voters = self.ballots.voters() as u64;
        // A voter's posts differ: the first term takes each value once for a given voter.
        let (voter, post) =
            (number % voters, (number / voters + number % voters) % self.posts.len() as u64);
        let (voter, post) = (voter as usize, self.posts[post as usize]);
        self.ballots.render(request, voter, post, Says::Up);
        Some((voter, post))
    }
}

/// Runs a load on a thread of its own, so that it takes no more than one core from what it measures.
pub async fn run(votes: Arc<Votes>, load: Load) -> io::Result<Outcome> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map(|runtime| LocalSet::new().block_on(&runtime, all(votes, load)));
        // Where nobody waits any more, nobody wants the numbers.
        let _ = done.send(result);
    })?;
    outcome.await.map_err(io::Error::other)?
}

async fn all(votes: Arc<Votes>, load: Load) -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let workers: Vec<_> = (0..load.connections)
        .map(|index| {
            let pace = load.rate.map(|rate| Pace {
                next: begun.into(),
                every: Duration::from_secs_f64(load.connections as f64 / f64::from(rate)),
                offset: index as f64 / load.connections as f64,
            });
            tokio::task::spawn_local(work(Arc::clone(&votes), Arc::clone(&stop), pace))
        })
        .collect();
    tokio::time::sleep(load.time).await;
    stop.store(true, Ordering::Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    let mut outcome = Outcome { accepted: 0, refused: 0, lost: 0, seconds, latency: histogram() };
    for worker in workers {
        let own = worker.await.expect("the worker does not panic");
        outcome.accepted += own.accepted;
        outcome.refused += own.refused;
        outcome.lost += own.lost;
        outcome.latency += own.latency;
    }
    outcome
}

struct Pace {
    next: tokio::time::Instant,
    every: Duration,
    offset: f64,
}

async fn work(votes: Arc<Votes>, stop: Arc<AtomicBool>, mut pace: Option<Pace>) -> Outcome {
    let mut outcome =
        Outcome { accepted: 0, refused: 0, lost: 0, seconds: 0.0, latency: histogram() };
    let mut connection = None;
    let mut request = Vec::with_capacity(1_024);
    if let Some(pace) = &mut pace {
        pace.next += pace.every.mul_f64(pace.offset);
    }
    while !stop.load(Ordering::Relaxed) {
        if votes.render(&mut request).is_none() {
            break;
        }
        if let Some(pace) = &mut pace {
            sleep_until(pace.next).await;
            pace.next += pace.every;
        }
        let begun = Instant::now();
        match send(&mut connection, &votes.ballots.address, &request).await {
            Ok(200) => outcome.accepted += 1,
            Ok(_) => outcome.refused += 1,
            Err(_) => {
                connection = None;
                outcome.lost += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        }
        outcome.latency.saturating_record(begun.elapsed().as_micros() as u64);
    }
    outcome
}

async fn send(
    connection: &mut Option<Connection>,
    address: &str,
    request: &[u8],
) -> Result<u16, ClientError> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(address).await?),
    };
    open.exchange(request, |head, _| status(head)).await
}

/// Of microseconds, up to a minute.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::agora::Session;

    #[test]
    fn pvt_02_no_voter_votes_twice_on_a_post() {
        let voter = |number: usize| Session {
            id: Uuid::from_u128(number as u128),
            email: String::new(),
            token: format!("token-{number}"),
        };
        let posts: Vec<_> = (0..11).map(Uuid::from_u128).collect();
        let scene = Scene { voters: (0..7).map(voter).collect(), posts };
        let votes = Votes::new("127.0.0.1:1", &scene);
        let (mut seen, mut request) = (HashSet::new(), Vec::new());
        while let Some(pair) = votes.render(&mut request) {
            assert!(seen.insert(pair));
        }
        assert_eq!(seen.len(), 77);
        assert_eq!(votes.left(), 0);
    }
}
