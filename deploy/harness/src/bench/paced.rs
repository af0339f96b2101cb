//! Reads at a fixed rate. Each is due at a time that was fixed beforehand, and its latency counts
//! from then: a service that stalls cannot slow down what is asked of it.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    sync::{Semaphore, oneshot},
    task::LocalSet,
};

use super::Failure;
use crate::{
    client::{ClientError, Connection, status},
    load,
};

/// Requests under way at most. What is due while all are busy waits, and its latency counts that.
const CONNECTIONS: usize = 64;

/// What one client asks for, one request after the other.
pub(super) type Visit = Vec<Vec<u8>>;

#[derive(Clone)]
pub(super) struct Paced {
    pub(super) address: String,
    /// Asked for in turn.
    pub(super) visits: Arc<Vec<Visit>>,
    /// Visits a second.
    pub(super) rate: u32,
    pub(super) time: Duration,
}

/// Which visits are due.
struct Due {
    /// A permit for each that nobody has begun with.
    told: Arc<Semaphore>,
    /// Of the next one.
    number: Cell<u32>,
}

#[derive(Debug)]
pub(super) struct Read {
    /// Microseconds a visit.
    pub(super) latency: Histogram<u64>,
    pub(super) failed: u64,
    /// Why the first of them did.
    pub(super) why: Option<String>,
    pub(super) rate: f64,
}

impl Paced {
    /// Runs on a thread of its own, so that it takes no more than one core from what it measures.
    pub(super) async fn run(self) -> Result<Read, Failure> {
        let (done, read) = oneshot::channel();
        std::thread::Builder::new().name("reads".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let result = runtime.map(|runtime| LocalSet::new().block_on(&runtime, self.all()));
            // Where nobody waits any more, nobody wants the numbers.
            let _ = done.send(result);
        })?;
        Ok(read.await.map_err(io::Error::other)??)
    }

    async fn all(self) -> Read {
        let begun = Instant::now();
        let due = Rc::new(Due { told: Arc::new(Semaphore::new(0)), number: Cell::new(0) });
        let clock = self.clone().tell(begun, Arc::clone(&due.told));
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|_| tokio::task::spawn_local(self.clone().work(begun, Rc::clone(&due))))
            .collect();
        let mut all = Read { latency: load::histogram(), failed: 0, why: None, rate: 0.0 };
        for worker in workers {
            let own = worker.await.expect("the worker does not panic");
            all.latency += own.latency;
            all.failed += own.failed;
            all.why = all.why.or(own.why);
        }
        clock.join().expect("the clock does not panic");
        all.rate = all.latency.len() as f64 / begun.elapsed().max(self.time).as_secs_f64();
        all
    }

    fn after(&self, number: u32) -> Duration {
        Duration::from_secs_f64(f64::from(number) / f64::from(self.rate))
    }

    /// Tells when each visit is due: by the system's clock, since tokio's goes by the millisecond.
    fn tell(self, begun: Instant, told: Arc<Semaphore>) -> JoinHandle<()> {
        std::thread::spawn(move || {
            for after in (0..).map(|number| self.after(number)).take_while(|it| *it < self.time) {
                #[expect(clippy::disallowed_methods, reason = "this thread is its own")]
                std::thread::sleep((begun + after).saturating_duration_since(Instant::now()));
                told.add_permits(1);
            }
            // Past the last visit each worker sees that there is none.
            told.add_permits(CONNECTIONS);
        })
    }

    async fn work(self, begun: Instant, due: Rc<Due>) -> Read {
        let mut read = Read { latency: load::histogram(), failed: 0, why: None, rate: 0.0 };
        let mut connection = None;
        while let Ok(told) = due.told.acquire().await {
            told.forget();
            let number = due.number.replace(due.number.get() + 1);
            let after = self.after(number);
            if after >= self.time {
                break;
            }
            let due_at = begun + after;
            // Hopelessly behind: what is still due has failed.
            let result = if due_at.elapsed() > self.time {
                Err("it was not asked for in time".to_owned())
            } else {
                self.visit(&mut connection, number).await
            };
            match result {
                Ok(()) => read.latency.saturating_record(due_at.elapsed().as_micros() as u64),
                Err(why) => {
                    connection = None;
                    read.failed += 1;
                    read.why.get_or_insert(why);
                }
            }
        }
        read
    }

    async fn visit(&self, connection: &mut Option<Connection>, number: u32) -> Result<(), String> {
        for request in &self.visits[number as usize % self.visits.len()] {
            let status = self.send(connection, request).await.map_err(|error| error.to_string())?;
            if status != 200 {
                let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
                return Err(format!("{status} on {}", String::from_utf8_lossy(line)));
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        connection: &mut Option<Connection>,
        request: &[u8],
    ) -> Result<u16, ClientError> {
        let open = match connection {
            Some(open) => open,
            None => connection.insert(Connection::open(&self.address).await?),
        };
        open.exchange(request, |head, _| status(head)).await
    }
}
