//! Questions that many requests ask at the same moment, asked of the database in one statement: most of what
//! a small statement costs is sent and set up once.
//!
//! A question is part of a statement that begins after it was asked, so its answer is as young as if it had
//! been asked alone. While the database is idle a question is asked at once; those that come while others
//! are being asked go together.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use agora_service::problem::Problem;
use batch_aint_one::{BatchError, Batcher, BatchingPolicy, Limits, Processor};
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::time::timeout;

use crate::error;

/// Statements of one kind under way at once.
const STATEMENTS: usize = 2;
/// What a pool for two kinds needs. Its statements should be planned once: their arrays have another length
/// each time, for which Postgres would plan them anew, and that takes several times as long as to run them.
pub const CONNECTIONS: u32 = 4;
const QUESTIONS_EACH: usize = 128;
/// Past that the database is too slow for what is asked, and more is refused.
const WAITING_MAX: usize = 4_096;
/// A statement that takes longer is given up with its connection, and so is a question that waits longer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked.
pub trait Ask: Send + Sync + 'static {
    type Question: Send + 'static;
    type Answer: Send + 'static;

    /// The answers, in the order of the questions.
    fn ask(
        connection: &mut PgConnection,
        questions: Vec<Self::Question>,
    ) -> impl Future<Output = Result<Vec<Self::Answer>, sqlx::Error>> + Send;
}

/// Asks questions of one kind.
pub struct Together<A: Ask>(Batcher<Asker<A>>);

impl<A: Ask> Together<A> {
    /// Must run inside tokio. `name` is for the traces.
    pub fn new(name: &'static str, pool: PgPool) -> Self {
        let limits = Limits::builder()
            .max_batch_size(QUESTIONS_EACH)
            .max_key_concurrency(STATEMENTS)
            .max_key_queued_items(WAITING_MAX)
            .build();
        let batcher = Batcher::builder()
            .name(name)
            .processor(Asker { pool, kind: PhantomData })
            .limits(limits)
            .batching_policy(BatchingPolicy::Immediate)
            .build();
        Self(batcher)
    }

    /// # Errors
    /// Where the database cannot be asked, or has more to do than it can.
    pub async fn ask(&self, question: A::Question) -> Result<A::Answer, Problem> {
        let answer = timeout(PATIENCE, self.0.add((), question));
        let Ok(answer) = answer.await else { return Err(error::database(&TOO_LONG)) };
        answer.map_err(|cause| match cause {
            BatchError::BatchFailed(cause) | BatchError::ResourceAcquisitionFailed(cause) => {
                error::database(&cause.0)
            }
            BatchError::Rejected(_) => error::database(&TOO_LONG),
            cause => {
                tracing::error!(%cause, "questions cannot be asked together");
                Problem::internal()
            }
        })
    }
}

const TOO_LONG: sqlx::Error = sqlx::Error::PoolTimedOut;

struct Asker<A> {
    pool: PgPool,
    kind: PhantomData<A>,
}

impl<A> Clone for Asker<A> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), kind: PhantomData }
    }
}

/// Everybody's whose question it was.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
struct Failed(Arc<sqlx::Error>);

impl<A: Ask> Processor for Asker<A> {
    type Key = ();
    type Input = A::Question;
    type Output = A::Answer;
    type Error = Failed;
    type Resources = PoolConnection<Postgres>;

    async fn acquire_resources(&self, (): ()) -> Result<Self::Resources, Failed> {
        self.pool.acquire().await.map_err(|cause| Failed(Arc::new(cause)))
    }

    async fn process(
        &self,
        (): (),
        questions: impl Iterator<Item = A::Question> + Send,
        mut connection: Self::Resources,
    ) -> Result<Vec<A::Answer>, Failed> {
        let asking = A::ask(&mut connection, questions.collect());
        match timeout(PATIENCE, asking).await {
            Ok(answers) => answers.map_err(|cause| Failed(Arc::new(cause))),
            Err(_) => {
                connection.close_on_drop();
                Err(Failed(Arc::new(TOO_LONG)))
            }
        }
    }
}
