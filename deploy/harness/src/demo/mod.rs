//! The main job on real input: a folder of CSV files goes through the command API as members would
//! do it, as posts, votes and comments; an admin removes a post; posts are searched for; files are exported;
//! one person consents, has its data, and is erased. What the read
//! API shows then is compared with what was sent.

mod check;
mod commenting;
mod exporting;
mod moderating;
mod plan;
mod posting;
mod rights;
mod searching;
mod show;
mod voting;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::json;
use uuid::Uuid;

use crate::{
    agora::{AgoraError, Commands, Reads, Session, spread},
    csvdata::{self, CsvError, File},
    progress::Progress,
    scene::{self, Stack},
};

use exporting::Exporting;
use moderating::Moderation;
use rights::Rights;

pub use check::Difference;
pub use posting::{Posted, Rejected, by_rule};

/// Where the demo leaves, in Agora's state, what was refused, and the files of exports.
pub const REJECTS: &str = "demo-rejects.csv";
pub const EXPORTS: &str = "demo-exports";

/// Communities that a member joins and visits.
const COMMUNITIES_OF_MEMBER: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Input(#[from] CsvError),
    #[error(transparent)]
    Agora(#[from] AgoraError),
    #[error("{0}: {1}")]
    Rejects(PathBuf, csv::Error),
    #[error("{0}: {1}")]
    Exports(PathBuf, std::io::Error),
}

/// How much to do.
#[derive(Clone, Debug, clap::Args)]
pub struct Size {
    /// Members who write and vote
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// Votes in all, about: what the rows record is scaled to this
    #[arg(long, default_value_t = 200_000)]
    pub votes: u64,
    /// Comments in all, about: what the rows record is scaled to this
    #[arg(long, default_value_t = 3_000)]
    pub comments: u64,
}

/// One file's community.
pub struct Community {
    pub id: Uuid,
    pub name: String,
    pub file: File,
    /// Indexes of the members who joined.
    pub members: Vec<usize>,
}

/// Everything that happened.
pub struct Summary {
    pub rows: usize,
    pub members: usize,
    pub communities: usize,
    pub posted: usize,
    pub rejected: Vec<Rejected>,
    pub posting_seconds: f64,
    pub votes: u64,
    pub votes_refused: u64,
    pub voting_seconds: f64,
    pub checked: usize,
    pub differences: Vec<Difference>,
    pub comments: usize,
    pub commenting_seconds: f64,
    /// What else is not as it must be: of comments, of moderation, of search, of exports.
    pub failed: Vec<String>,
    pub seconds: f64,
}

/// Runs the whole demo.
pub async fn run(
    stack: &Stack,
    folder: &Path,
    size: &Size,
    home: &Path,
) -> Result<Summary, DemoError> {
    let rejects = &home.join(REJECTS);
    let begun = Instant::now();
    let files = csvdata::read_folder(folder)?;
    let rows = files.iter().map(|file| file.rows.len()).sum();
    let run = scene::run_suffix();

    let mut admin = Commands::new(&stack.command_addr);
    let admin_session = admin.log_in(&stack.admin_email, &stack.admin_password).await?;
    let category = category(stack, &mut admin, folder).await?;

    let progress = Progress::new("members registered", size.members as usize);
    let tick = progress.clone();
    let members =
        scene::members(stack, &run, size.members as usize, display_name, move || tick.tick())
            .await?;
    progress.finish();
    let communities = open_communities(stack, files, category, &members).await?;
    join_and_visit(stack, &communities, &members).await?;

    let (posted, rejected, posting_seconds) = posting::post(stack, &communities, &members).await?;
    posting::keep(rejects, &rejected)
        .map_err(|error| DemoError::Rejects(rejects.to_owned(), error))?;

    let ballots = plan::ballots(&posted, members.len(), size.votes);
    let voted = voting::vote(stack, &members, &posted, &ballots).await?;

    let commented = commenting::comment(stack, &members, &posted, size.comments).await?;

    let last_post = posted.iter().map(|post| post.position).max().unwrap_or(0);
    let position = voted.position.max(commented.position).max(last_post);
    let (checked, differences) = check::scores(stack, &posted, &voted.expected, position).await?;
    let mut failed = check::comments(stack, &commented.threads, position).await?;
    show::what_clients_see(stack, &communities, &members[0], position).await?;
    show::conversation(stack, &commented.threads, position).await?;
    // On a new connection: the API has closed the first one, which was idle all the while.
    let mut admin = Commands::new(&stack.command_addr);
    admin.act_as(&admin_session);
    let moderation = Moderation { stack, admin, run: &run, communities: &communities };
    failed.extend(moderation.show(&posted, &members).await?);
    failed.extend(searching::search(stack, &communities, position).await?);
    let mut admin = Commands::new(&stack.command_addr);
    admin.act_as(&admin_session);
    let mut exporting = Exporting { stack, admin, run: &run, folder: &home.join(EXPORTS) };
    failed.extend(exporting.show(&members).await?);
    let mut admin = Commands::new(&stack.command_addr);
    admin.act_as(&admin_session);
    if let Some(community) = communities.first() {
        let admin_session = &admin_session;
        let rights = Rights { stack, admin, admin_session, run: &run, community };
        failed.extend(rights.show(&exporting).await?);
    }
    Ok(Summary {
        rows,
        members: members.len(),
        communities: communities.len(),
        posted: posted.len(),
        rejected,
        posting_seconds,
        votes: voted.accepted,
        votes_refused: voted.refused,
        voting_seconds: voted.seconds,
        checked,
        differences,
        comments: commented.count,
        commenting_seconds: commented.seconds,
        failed,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Real input has people with names, without, and with odd ones.
fn display_name(index: usize) -> Option<String> {
    match index % 4 {
        0 => None,
        1 => Some(format!("Member {index}")),
        2 => Some(format!("Åse Nr. {index}")),
        _ => Some(format!("m_{index} 🦉")),
    }
}

/// The category of the folder's name; a second run finds it there.
async fn category(stack: &Stack, admin: &mut Commands, folder: &Path) -> Result<Uuid, AgoraError> {
    let name = csvdata::community_name(&folder.file_name().unwrap_or_default().to_string_lossy());
    let body = json!({ "name": name, "description": "What deploy/demo brought in" });
    let refused = match admin.send("create-category", &body).await {
        Ok(made) => return Ok(made.aggregate_id),
        Err(refused) => refused,
    };
    if !refused.rules().iter().any(|rule| rule == "CAT-03") {
        return Err(refused);
    }
    let categories = Reads::new(&stack.read_addr).json("/v1/categories?limit=100").await?;
    let same = |item: &&serde_json::Value| {
        item["name"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(&name))
    };
    let known = categories["items"].as_array().into_iter().flatten().find(same);
    known.and_then(|item| item["id"].as_str()?.parse().ok()).ok_or(refused)
}

/// One community a file, owned by a member. Where the name is taken, the next number is tried.
async fn open_communities(
    stack: &Stack,
    files: Vec<File>,
    category: Uuid,
    members: &[Session],
) -> Result<Vec<Community>, AgoraError> {
    let progress = Progress::new("communities opened", files.len());
    let mut commands = Commands::new(&stack.command_addr);
    let mut communities = Vec::with_capacity(files.len());
    let count = files.len();
    for (index, file) in files.into_iter().enumerate() {
        let owner = index % members.len();
        commands.act_as(&members[owner]);
        let stem = csvdata::community_name(&file.name);
        let mut number = 1;
        let (id, name) = loop {
            let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
            let body = json!({ "name": name, "category_id": category,
                               "description": format!("Posts of {}.csv", file.name) });
            match commands.send("create-community", &body).await {
                Ok(made) => break (made.aggregate_id, name),
                Err(taken) if taken.rules().iter().any(|rule| rule == "COM-02") => number += 1,
                Err(error) => return Err(error),
            }
        };
        let joins = |member: &usize| {
            (0..COMMUNITIES_OF_MEMBER).any(|place| (member + place * 5) % count == index)
        };
        let mut joined: Vec<usize> = (0..members.len()).filter(joins).collect();
        if !joined.contains(&owner) {
            joined.push(owner);
        }
        communities.push(Community { id, name, file, members: joined });
        progress.tick();
    }
    progress.finish();
    Ok(communities)
}

async fn join_and_visit(
    stack: &Stack,
    communities: &[Community],
    members: &[Session],
) -> Result<(), AgoraError> {
    let mut jobs: Vec<(String, Uuid)> = Vec::new();
    for community in communities {
        let token = |member: &usize| (members[*member].token.clone(), community.id);
        jobs.extend(community.members.iter().map(token));
    }
    let progress = Progress::new("communities joined", jobs.len());
    let tick = progress.clone();
    spread(&stack.command_addr, 32, jobs, move |mut commands, (token, id)| {
        let tick = tick.clone();
        async move {
            commands.act_with(token);
            let body = json!({ "community_id": id });
            // The owner is in already, and joining again changes nothing.
            let mut result = commands.send("join-community", &body).await;
            if result.is_ok() {
                result = commands.send("visit-community", &body).await;
            }
            tick.tick();
            (commands, result)
        }
    })
    .await?;
    progress.finish();
    Ok(())
}
