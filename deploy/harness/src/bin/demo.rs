//! `demo DIR`: the main job on a folder of CSV files; what `deploy/demo` runs.
#![expect(clippy::print_stdout, reason = "this is a command-line tool")]

use std::{path::PathBuf, process::ExitCode};

use agora_harness::{
    demo::{self, Size, Summary},
    scene::Stack,
};
use clap::Parser;

#[derive(Parser)]
#[command(name = "demo", about = "Feeds a folder of CSV files through the command API", version)]
struct Arguments {
    /// One community a file; columns id, title, selftext, url, ups, downs
    folder: PathBuf,
    #[command(flatten)]
    stack: Stack,
    #[command(flatten)]
    size: Size,
    /// Where Agora keeps its state; the rejects file and the files of exports go there
    #[arg(long, env = "AGORA_HOME", default_value = ".agora")]
    home: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { folder, stack, size, home } = Arguments::parse();
    println!("Feeding {} to {}", folder.display(), stack.command_addr);
    match demo::run(&stack, &folder, &size, &home).await {
        Ok(summary) => {
            tell(&summary, &home.join(demo::REJECTS));
            let clean = summary.differences.is_empty()
                && summary.votes_refused == 0
                && summary.failed.is_empty();
            if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(summary: &Summary, rejects: &std::path::Path) {
    println!("\nSummary");
    println!(
        "  {} rows, {} communities, {} members",
        summary.rows, summary.communities, summary.members
    );
    println!(
        "  {} posted, {} refused ({:.0} rows/s)",
        summary.posted,
        summary.rejected.len(),
        summary.rows as f64 / summary.posting_seconds
    );
    for (rules, count) in demo::by_rule(&summary.rejected) {
        println!("    {count:>6}  {rules}");
    }
    println!("    listed in {}", rejects.display());
    println!(
        "  {} votes in {:.1} s ({:.0}/s), {} refused",
        summary.votes,
        summary.voting_seconds,
        summary.votes as f64 / summary.voting_seconds,
        summary.votes_refused
    );
    println!("  {} comments in {:.1} s", summary.comments, summary.commenting_seconds);
    println!("  {} scores compared, {} differ", summary.checked, summary.differences.len());
    for difference in summary.differences.iter().take(20) {
        println!(
            "    post {}: {} up and {} down were sent, shown is {}",
            difference.post, difference.expected.0, difference.expected.1, difference.shown
        );
    }
    for failure in summary.failed.iter().take(20) {
        println!("  failed: {failure}");
    }
    if summary.failed.is_empty() {
        println!("  comments, moderation, search and exports are as they must be");
    }
    println!("  {:.0} s in all", summary.seconds);
}
