//! The security audit log (E27): one entry for each login, logout, API access, data export, consent
//! change, incident and admin action (docs/security-audit.md).
//!
//! Accesses are handed over in passing and written by one task, in groups. While Postgres or the vault is
//! away, or more comes than can be written, groups go into a file, sealed, and are written from there in
//! their order. What comes from the log's events is written by who follows the log
//! (`agora_process_managers::security_audit`), which can begin again at any time: an entry is there once.

pub mod chain;
mod clients;
mod door;
mod entry;
mod marks;
pub mod packs;
mod queue;
mod row;
mod sealing;
mod spool;
mod store;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use agora_service::{
    clock,
    geoip::{Countries, CountriesArgs},
    http::access::{Access, Audit},
    postgres,
};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

pub use clients::fill_in;
pub use entry::{Entry, Person};
pub use row::Row;
pub use sealing::{
    LeafName, Opened, index_of_address, index_of_session, index_of_user, open, session_hash,
};
pub use store::Store;

use self::{
    door::{Door, Next},
    queue::Queue,
};
use crate::{Vault, vault::VaultError};

/// Accesses that wait for the writing task at most, beside those that it has taken and that are in no group yet.
/// What comes beyond that before it takes them is lost, and counted.
const QUEUE: usize = 32_768;
/// Requests of refused addresses go into the queue only while no more than this waits in it.
const DOOR_SHARE: usize = QUEUE / 4;
/// Why accesses are lost.
const FULL: &str = "the queue is full";
const NOBODY_WRITES: &str = "the writing task is gone";
/// Messages that wait for it at most. Whoever sends one more waits itself.
const MESSAGES: usize = 4_096;
/// How often what was counted of them is told.
const COUNTED_EVERY: Duration = Duration::from_secs(1);

/// What an operator decides.
#[derive(Clone, Debug, clap::Args)]
pub struct SecurityAuditArgs {
    /// Whether API accesses are written to the security audit log
    #[arg(long, env = "AGORA_SECURITY_AUDIT", default_value_t = true, action = clap::ArgAction::Set)]
    pub security_audit: bool,

    /// Folder for the files that keep entries while Postgres is away; below the state folder where it is
    /// not given
    #[arg(long, env = "AGORA_SECURITY_AUDIT_SPOOL")]
    pub security_audit_spool: Option<PathBuf>,

    /// The most megabytes of such a file; what does not fit is lost, and said
    #[arg(long, env = "AGORA_SECURITY_AUDIT_SPOOL_MB", default_value_t = 2_048,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub security_audit_spool_mb: u64,

    #[command(flatten)]
    pub countries: CountriesArgs,

    #[arg(long = "security-audit-home", env = "AGORA_HOME", default_value = ".agora", hide = true)]
    audit_home: PathBuf,
}

impl SecurityAuditArgs {
    /// Where and how much.
    pub fn spool(&self, service: &'static str) -> SpoolAt {
        let folder = self.security_audit_spool.clone();
        SpoolAt {
            folder: folder.unwrap_or_else(|| self.audit_home.join("spool")),
            service,
            bytes_max: self.security_audit_spool_mb << 20,
        }
    }
}

/// A connection for [`SecurityAudit::start`] alone, so that neither it nor anybody else waits for the other. One,
/// since what its backend has found out about the day's partitions is there for the next group: of two each would
/// have to find it out. After a write that was given up, it takes some seconds until there is a new one.
///
/// # Errors
/// Where the URL is not one of Postgres.
pub fn connection(url: &str, application_name: &str) -> Result<PgPool, sqlx::Error> {
    let pool = postgres::Pool {
        url,
        application_name,
        max_connections: 1,
        statement_timeout: Some(Duration::from_secs(30)),
        plans: postgres::Plans::Lookups,
    };
    pool.open()
}

/// Where entries are kept while they cannot be written.
#[derive(Clone, Debug)]
pub struct SpoolAt {
    pub folder: PathBuf,
    /// Names the files.
    pub service: &'static str,
    pub bytes_max: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What goes to the writing task.
enum Message {
    /// A request of a refused address that stands for so many.
    Counted(Box<Access>, u64),
    Entry(Box<Entry>),
    /// All before it is stored, accesses in the queue included, in Postgres or in the file.
    Flush(oneshot::Sender<()>),
}

/// The way to the writing task. Cheap to clone.
#[derive(Clone)]
pub struct SecurityAudit {
    way: Arc<Way>,
    payload_key: Arc<crate::vault::Key>,
}

struct Way {
    queue: Arc<Queue>,
    /// Without it the writing task ends: so it stands beside the queue, of which the task cannot tell who has it.
    messages: mpsc::Sender<Message>,
    door: Door,
}

impl SecurityAudit {
    /// Starts the writing task, which first writes what a file of before still holds. What is written says
    /// in which country addresses are, where `countries` knows it.
    ///
    /// # Errors
    /// Where the folder of the spool cannot be written to.
    pub fn start(
        pool: PgPool,
        vault: Vault,
        spool: &SpoolAt,
        countries: Countries,
    ) -> std::io::Result<Self> {
        let payload_key = Arc::new(vault.masters().derive("security-audit/payload"));
        let (own, left) = spool::open(spool, vault.masters()).map_err(|error| {
            let folder = spool.folder.display();
            std::io::Error::new(error.kind(), format!("the spool folder {folder}: {error}"))
        })?;
        let (messages, received) = mpsc::channel(MESSAGES);
        let queue = Arc::new(Queue::new(QUEUE, DOOR_SHARE));
        let store = store::Store::new(pool, vault).locating(countries);
        writer::start(received, Arc::clone(&queue), store, own, left);
        let way = Arc::new(Way { queue, messages, door: Door::default() });
        tokio::spawn(tell_counted(Arc::downgrade(&way)));
        Ok(Self { way, payload_key })
    }

    /// What tells this log of every request of a service.
    pub fn door(&self) -> Audit {
        let way = Arc::clone(&self.way);
        let queued = metrics::counter!("agora_security_audit_queued");
        let sink = move |access: Access| {
            let Some(access) = way.past_the_door(access) else { return };
            queued.increment(1);
            if way.messages.is_closed() {
                writer::dropped(1, NOBODY_WRITES);
            } else if !way.queue.push(access) {
                writer::dropped(1, FULL);
            }
        };
        let counting = Arc::clone(&self.way);
        let counter = move |client| counting.door.count(client, clock::now().timestamp());
        Audit::new(&self.payload_key, Arc::new(sink), Arc::new(counter))
    }

    /// Writes an entry; returns when it is stored, in Postgres or in the file.
    pub async fn write(&self, entry: Entry) {
        metrics::counter!("agora_security_audit_queued").increment(1);
        if self.way.messages.send(Message::Entry(Box::new(entry))).await.is_ok() {
            self.flush().await;
        }
    }

    /// Waits until everything that was handed over before is stored.
    pub async fn flush(&self) {
        self.way.send_counted().await;
        let (done, is_done) = oneshot::channel();
        if self.way.messages.send(Message::Flush(done)).await.is_ok() {
            self.way.queue.hurry();
            // Dropped unanswered only when the process goes down.
            let _ = is_done.await;
        }
    }
}

impl Way {
    /// An access that is told of by itself, as all are but some of refused addresses.
    fn past_the_door(&self, access: Access) -> Option<Access> {
        if !access.at_the_door {
            return Some(access);
        }
        match self.door.pass(Box::new(access), self.queue.has_room_at_the_door()) {
            Next::Tell(access) => Some(*access),
            Next::Wait => None,
            Next::Lose => {
                writer::dropped(1, FULL);
                None
            }
        }
    }

    async fn send_counted(&self) {
        for (access, times) in self.door.counted(clock::now().timestamp()) {
            metrics::counter!("agora_security_audit_queued").increment(1);
            if self.messages.send(Message::Counted(access, times)).await.is_err() {
                return;
            }
        }
    }
}

/// Tells what the door counts, until nobody has anything to tell any more.
async fn tell_counted(way: Weak<Way>) {
    loop {
        tokio::time::sleep(COUNTED_EVERY).await;
        let Some(way) = way.upgrade() else { return };
        way.send_counted().await;
    }
}
