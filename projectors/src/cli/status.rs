//! `projectors status`

use std::process::ExitCode;

use agora_projectors::status::Status as Look;
use sqlx::postgres::PgConnectOptions;

use super::{Failure, say};

#[derive(clap::Args)]
pub(super) struct Status {
    /// For programs
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) async fn execute(self, connect: &PgConnectOptions) -> Result<ExitCode, Failure> {
        let look = Look::read(connect).await?;
        if self.json {
            say(&serde_json::to_string_pretty(&look)?);
        } else {
            say(&look.table());
        }
        Ok(ExitCode::SUCCESS)
    }
}
