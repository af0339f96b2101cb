//! The writing task: gathers what comes, and writes it in groups. It never waits for Postgres: while one
//! group is being written the next are gathered, a few wait in memory, and more go into the spool.
//!
//! A kill loses what was gathered for no longer than [`GATHER`] and is in no file yet, and the group that is
//! being written; an ordinary stop loses nothing.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use super::{
    AuditError, Entry, Message,
    entry::Routes,
    queue::{Queue, Taken},
    spool::{Oldest, Spool},
    store::Store,
};

/// How long a group is gathered (docs/security-audit.md: the window of a kill).
const GATHER: Duration = Duration::from_millis(100);
/// How often what has come is taken while a group is gathered: what a request has left in the queue is then still
/// in the processor's cache, and its memory is the next request's.
const TAKE_EVERY: Duration = Duration::from_millis(5);
const GROUP_MAX: usize = 2_000;
/// Groups that wait in memory for the one before them.
const WAITING_MAX: usize = 4;
/// A group that takes longer goes into the spool: it may be written twice, and is there once.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How often what is in the spool is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Counts entries that are nowhere, and says so.
pub(super) fn dropped(entries: usize, why: &str) {
    metrics::counter!("agora_security_audit_dropped").increment(entries as u64);
    tracing::error!(entries, why, "entries of the security audit log are lost");
}

type Acks = Vec<oneshot::Sender<()>>;
type Spools = Arc<Files>;

/// Its own file is the last, and the one that is written to.
struct Files {
    spools: Mutex<VecDeque<Spool>>,
    /// As the last work on them has left them: asked for each group, which is no reason to leave the thread.
    are_empty: AtomicBool,
    /// Told where a group was kept: whoever writes may have seen them empty a moment before.
    kept: Notify,
}

impl Files {
    fn new(spools: VecDeque<Spool>) -> Spools {
        let are_empty = AtomicBool::new(spools.iter().all(Spool::is_empty));
        Arc::new(Self { spools: Mutex::new(spools), are_empty, kept: Notify::new() })
    }

    fn are_empty(&self) -> bool {
        self.are_empty.load(Ordering::Acquire)
    }
}

#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    acks: Acks,
}

impl Group {
    fn is_full(&self) -> bool {
        self.entries.len() >= GROUP_MAX
    }
}

/// Starts the tasks. They end when the last sender of messages is gone, with whom the last one goes that puts
/// something into the queue, and all is written. The spools that were left are written first, then this process's
/// own.
pub(super) fn start(
    messages: mpsc::Receiver<Message>,
    queue: Arc<Queue>,
    store: Store,
    own: Spool,
    mut left: Vec<Spool>,
) {
    for counter in ["queued", "written", "spooled", "dropped", "truncated"] {
        metrics::counter!(format!("agora_security_audit_{counter}")).increment(0);
    }
    left.retain(|spool| !spool.is_empty());
    let spools = Files::new(left.into_iter().chain([own]).collect());
    let (groups, waiting) = mpsc::channel(WAITING_MAX);
    let (taken, routes) = (Taken::default(), Routes::default());
    let intake = Intake { messages, queue, taken, flush: None, routes };
    tokio::spawn(gather(intake, groups, Arc::clone(&spools)));
    tokio::spawn(write(waiting, store, spools));
}

/// What comes to the writing task.
struct Intake {
    /// Read while nothing is left of what was taken from the queue.
    messages: mpsc::Receiver<Message>,
    queue: Arc<Queue>,
    /// In no group yet.
    taken: Taken,
    /// Who waits until that is stored.
    flush: Option<oneshot::Sender<()>>,
    routes: Routes,
}

impl Intake {
    fn is_empty(&self) -> bool {
        let nothing_taken = self.taken.is_empty() && self.flush.is_none();
        nothing_taken && self.messages.is_empty() && self.queue.is_empty()
    }

    /// Waits until something has come, the first of which may be in the group then; false where nothing can
    /// come any more.
    async fn wait(&mut self, group: &mut Group) -> bool {
        while self.is_empty() {
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(message) => {
                        self.put(message, group);
                        return true;
                    }
                    // What was put into the queue before the last sender went is there by now.
                    None => return !self.queue.is_empty(),
                },
                () = self.queue.filled() => {}
            }
        }
        true
    }

    /// Puts what has come into a group, as far as it fits.
    fn fill(&mut self, group: &mut Group) {
        let mut is_queue_taken = false;
        loop {
            while !group.is_full()
                && let Some(access) = self.taken.pop()
            {
                Entry::of_access(access, 1, &mut self.routes, &mut group.entries);
            }
            if !self.taken.is_empty() {
                return;
            }
            group.acks.extend(self.flush.take());
            if group.is_full() {
                return;
            }
            match self.messages.try_recv() {
                Ok(message) => self.put(message, group),
                Err(_) if is_queue_taken => return,
                Err(_) => {
                    self.queue.take(&mut self.taken);
                    is_queue_taken = true;
                }
            }
        }
    }

    fn put(&mut self, message: Message, group: &mut Group) {
        match message {
            Message::Counted(access, times) => {
                Entry::of_access(*access, times, &mut self.routes, &mut group.entries);
            }
            Message::Entry(entry) => group.entries.push(*entry),
            Message::Flush(done) => {
                self.queue.take(&mut self.taken);
                self.flush = Some(done);
            }
        }
    }
}

async fn gather(mut intake: Intake, groups: mpsc::Sender<Group>, spools: Spools) {
    let (mut goes_on, mut usual) = (false, 0);
    loop {
        let mut group = Group::default();
        if !intake.wait(&mut group).await {
            return;
        }
        group.entries.reserve(usual);
        let until = Instant::now() + GATHER;
        let mut is_over = goes_on;
        loop {
            intake.fill(&mut group);
            if is_over || group.is_full() {
                break;
            }
            // Not woken for each of those that come: that would cost every request more than all else here.
            tokio::select! {
                () = tokio::time::sleep(TAKE_EVERY) => is_over = Instant::now() >= until,
                () = intake.queue.hurried() => is_over = true,
            }
        }
        usual = group.entries.len();
        // What was there when somebody began to wait is taken without another pause.
        goes_on = group.is_full() && !intake.is_empty();
        if let Err(full) = groups.try_send(group) {
            let Group { entries, acks } = full.into_inner();
            keep(&spools, entries).await;
            if !acks.is_empty() {
                // Those before it are stored when these are told so.
                let (groups, after) = (groups.clone(), Group { entries: Vec::new(), acks });
                tokio::spawn(async move { groups.send(after).await });
            }
        }
    }
}

fn acknowledge(acks: Acks) {
    for done in acks {
        // The caller may have gone; its entry is stored all the same.
        let _ = done.send(());
    }
}

async fn write(mut waiting: mpsc::Receiver<Group>, store: Store, spools: Spools) {
    loop {
        // What waits in the files is older than what comes.
        let is_drained = drain(&store, &spools).await;
        let group = tokio::select! {
            group = waiting.recv() => group,
            () = spools.kept.notified(), if is_drained => continue,
            () = tokio::time::sleep(RETRY), if !is_drained => continue,
        };
        let Some(Group { entries, acks }) = group else { return };
        if !spools.are_empty() || !written(store.write(&entries), entries.len()).await {
            keep(&spools, entries).await;
        }
        acknowledge(acks);
    }
}

async fn written(write: impl Future<Output = Result<(), AuditError>>, entries: usize) -> bool {
    match tokio::time::timeout(WRITE_LIMIT, write).await {
        Ok(Ok(())) => {
            metrics::counter!("agora_security_audit_written").increment(entries as u64);
            true
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, entries, "security audit entries have to wait");
            false
        }
        Err(_) => {
            tracing::warn!(entries, "security audit entries take too long");
            false
        }
    }
}

/// Puts a group into this process's file.
async fn keep(spools: &Spools, entries: Vec<Entry>) {
    let count = entries.len();
    if count == 0 {
        return;
    }
    let kept = on_disk(spools, move |spools| match spools.back_mut() {
        Some(own) => own.keep(&entries).map(|()| own.bytes()),
        None => Err(std::io::Error::other("there is no spool")),
    });
    match kept.await {
        Ok(bytes) => {
            metrics::counter!("agora_security_audit_spooled").increment(count as u64);
            metrics::gauge!("agora_security_audit_spool_bytes").set(bytes as f64);
            spools.kept.notify_one();
        }
        Err(error) => dropped(count, &error.to_string()),
    }
}

/// Writes what the files hold, in their order; false where it cannot, and has to be tried again.
async fn drain(store: &Store, spools: &Spools) -> bool {
    while !spools.are_empty() {
        let oldest = on_disk(spools, |spools| {
            let Some(first) = spools.iter_mut().find(|spool| !spool.is_empty()) else {
                return Ok(Oldest::Nothing);
            };
            first.oldest()
        });
        let up_to = match oldest.await {
            Ok(Oldest::Nothing) => return true,
            Ok(Oldest::Entries(entries, up_to)) => {
                if !written(store.write_again(&entries), entries.len()).await {
                    return false;
                }
                up_to
            }
            Ok(Oldest::Broken(up_to)) => {
                dropped(1, "a record of the spool file cannot be read");
                up_to
            }
            Err(error) => {
                tracing::error!(%error, "the spool file cannot be read");
                return false;
            }
        };
        let drained = on_disk(spools, move |spools| {
            // Nothing but this task takes from the files, so it is the one that was read from.
            let Some(first) = spools.iter_mut().find(|spool| !spool.is_empty()) else {
                return Ok(());
            };
            first.drained(up_to)
        });
        if let Err(error) = drained.await {
            // What was written is written again, and is there once.
            tracing::error!(%error, "the spool file cannot be shortened");
            return false;
        }
        metrics::gauge!("agora_security_audit_spool_bytes").set(0.0);
    }
    true
}

/// Work on the files, which waits for the disk, off the async threads.
async fn on_disk<T: Send + 'static>(
    spools: &Spools,
    work: impl FnOnce(&mut VecDeque<Spool>) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let spools = Arc::clone(spools);
    tokio::task::spawn_blocking(move || {
        let mut files = spools.spools.lock().unwrap_or_else(PoisonError::into_inner);
        let worked = work(&mut files);
        spools.are_empty.store(files.iter().all(Spool::is_empty), Ordering::Release);
        worked
    })
    .await
    .unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests;
