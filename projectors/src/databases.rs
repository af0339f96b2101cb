//! What projectors need to reach.

use agora_event_store::Opener;
use sqlx::postgres::PgConnectOptions;

/// The database with the log and the read tables, and the vault with the keys.
#[derive(Clone)]
pub struct Databases {
    pub log: PgConnectOptions,
    /// For the projections that cannot be made of sealed values: [`crate::projection::Columns::Opened`].
    pub opener: Opener,
}
