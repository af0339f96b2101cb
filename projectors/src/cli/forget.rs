//! `projectors forget`

use std::process::ExitCode;

use agora_projectors::{
    checkpoints,
    databases::Databases,
    rebuild,
    search::{self, Unforgotten},
    search_rewrites,
};
use indicatif::ProgressBar;
use sqlx::ConnectOptions;

use super::{Failure, say, say_error};

#[derive(clap::Args)]
pub(super) struct Forget {
    /// Whose words: the subject of the destroyed keys, a member's or an admin's id
    subject: String,
}

impl Forget {
    pub(super) async fn execute(self, databases: &Databases) -> Result<ExitCode, Failure> {
        let rows = match search::forget(&self.subject, databases).await {
            Ok(rows) => rows,
            Err(Unforgotten::KeyIsThere) => {
                say_error(
                    "projectors: the key of the subject's texts is not destroyed: they would be indexed again",
                );
                return Ok(ExitCode::FAILURE);
            }
            Err(error) => return Err(error.into()),
        };
        say(&format!("{rows} texts are not found any more"));
        // New tables hold no dead rows.
        let mut code = ExitCode::SUCCESS;
        let personal = search::personal();
        for rebuilt in rebuild::run(databases, &personal, false, &ProgressBar::hidden()).await? {
            match rebuilt.result {
                Ok(_) => say(&format!("{} is written anew", rebuilt.name)),
                Err(error) => {
                    say_error(&format!("{}: {error}", rebuilt.name));
                    code = ExitCode::FAILURE;
                }
            }
        }
        let mut connection = checkpoints::live(databases.log.clone()).connect().await?;
        if let Some(undone) = search_rewrites::leave_nothing(&mut connection).await? {
            say_error(&format!("{undone}: docs/erasure.md says what is left"));
            code = ExitCode::FAILURE;
        }
        Ok(code)
    }
}
