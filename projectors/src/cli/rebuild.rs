//! `projectors rebuild`

use std::process::ExitCode;

use agora_projectors::{
    databases::Databases,
    projection::Projection,
    projections,
    rebuild::{self, RebuildError, Rebuilt},
};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, say, say_error};

/// Where a rebuild gave other rows than the live tables have.
const DIFFERS: u8 = 3;

#[derive(clap::Args)]
pub(super) struct Rebuild {
    /// Which projections; `projectors status` lists them
    #[arg(required_unless_present = "all", value_parser = named)]
    names: Vec<&'static Projection>,
    /// All of them
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Compare with the live tables at one position before swapping; report every differing row
    #[arg(long)]
    verify: bool,
}

fn named(name: &str) -> Result<&'static Projection, String> {
    projections::find(name).ok_or_else(|| {
        let names: Vec<_> = projections::ALL.iter().map(|projection| projection.name).collect();
        format!("there is no such projection; there are {}", names.join(", "))
    })
}

impl Rebuild {
    pub(super) async fn execute(self, databases: &Databases) -> Result<ExitCode, Failure> {
        let mut chosen = if self.all { projections::ALL.to_vec() } else { self.names };
        chosen.sort_by_key(|projection| projection.name);
        chosen.dedup_by_key(|projection| projection.name);
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
            "{bar:30} {human_pos}/{human_len} events  {per_sec}  {eta} left  {msg}",
        )?);
        let rebuilt = rebuild::run(databases, &chosen, self.verify, &bar).await?;
        let mut code = ExitCode::SUCCESS;
        for rebuilt in rebuilt {
            match &rebuilt.result {
                Ok(_) => say(&line(&rebuilt)),
                Err(error) => {
                    say_error(&format!("{}: {error}", rebuilt.name));
                    code = ExitCode::FAILURE;
                }
            }
            if let Err(RebuildError::Differs(differences)) = &rebuilt.result {
                for difference in differences {
                    say_error(&format!("  {difference}"));
                }
                code = ExitCode::from(DIFFERS);
            }
        }
        Ok(code)
    }
}

fn line(rebuilt: &Rebuilt) -> String {
    let Ok(swapped) = &rebuilt.result else { return String::new() };
    let verified = swapped
        .verified_rows
        .map(|rows| format!(", {rows} rows the same as before"))
        .unwrap_or_default();
    format!(
        "{:<20} {} events, live at position {}, generation {}, after {:.1} s{verified}",
        rebuilt.name,
        rebuilt.events,
        swapped.position,
        swapped.generation,
        rebuilt.took.as_secs_f64(),
    )
}
