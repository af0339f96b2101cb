//! What keeps a read from being answered, and the one place that turns it into a problem document.

use agora_event_store::{Position, vault::VaultError};
use agora_service::problem::{Kind, Problem};
use axum::response::{IntoResponse, Response};
use tracing::error;

use crate::{replay::ReplayError, reply};

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub struct ReadError {
    problem: Box<Problem>,
    /// The position that the answer rests on, where data was read.
    position: Option<Position>,
}

/// The rule that a refusal names, for the security record that it leaves.
#[derive(Clone, Copy)]
pub struct BrokenRule(pub Option<&'static str>);

impl ReadError {
    /// 404, resting on the data at a position.
    pub fn not_found(position: Position, what: &'static str) -> Self {
        Self { problem: Box::new(Problem::not_found(what)), position: Some(position) }
    }

    /// 503: the data has not reached what was asked for.
    pub fn stale(position: Position, wanted: Position) -> Self {
        let detail = format!(
            "What is served here has reached position {position}, not yet {wanted}. Wait for as \
             long as Retry-After says, then ask again."
        );
        let problem = Problem::unavailable(detail).with_rule("ESX-07");
        Self { problem: Box::new(problem), position: Some(position) }
    }
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), position: None }
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(cause: sqlx::Error) -> Self {
        database(&cause).into()
    }
}

impl From<VaultError> for ReadError {
    fn from(cause: VaultError) -> Self {
        match &cause {
            VaultError::Database(cause) => database(cause),
            _ => {
                error!(%cause, "the vault cannot be used");
                Problem::internal()
            }
        }
        .into()
    }
}

impl From<ReplayError> for ReadError {
    fn from(cause: ReplayError) -> Self {
        match cause {
            ReplayError::Vault(cause) => cause.into(),
            ReplayError::Event { .. } => {
                error!(%cause, "the log cannot be replayed");
                Problem::internal().into()
            }
        }
    }
}

impl IntoResponse for ReadError {
    fn into_response(self) -> Response {
        let rule = BrokenRule(self.problem.rule);
        let mut response = self.problem.into_response();
        response.extensions_mut().insert(rule);
        match self.position {
            Some(position) => reply::at_position(response, position),
            None => response,
        }
    }
}

/// A lost or busy database is worth another try; anything else is a defect. The texts of Postgres
/// may quote values, so only its code is logged.
pub fn database(cause: &sqlx::Error) -> Problem {
    let passing = match cause {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(cause) => matches!(
            cause.code().as_deref().and_then(|code| code.get(..2)),
            // Lost connection; serialization failure and deadlock; out of resources; operator's
            // intervention, a statement's time limit included.
            Some("08" | "40" | "53" | "57")
        ),
        _ => false,
    };
    match cause {
        sqlx::Error::Database(cause) => {
            error!(code = cause.code().as_deref(), passing, "Postgres refused a statement");
        }
        cause => error!(%cause, passing, "Postgres failed"),
    }
    if passing { Problem::of(Kind::Unavailable).with_retry_after(1) } else { Problem::internal() }
}
