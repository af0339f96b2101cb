//! Every row becomes a post of one of its community's members, or a line in the rejects file.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use uuid::Uuid;

use super::Community;
use crate::{
    agora::{AgoraError, Session, spread},
    progress::Progress,
    scene::Stack,
};

/// Enough in flight that the log writes them in groups.
const CONNECTIONS: usize = 48;

/// A row that passed the rules.
#[derive(Clone, Debug)]
pub struct Posted {
    pub id: Uuid,
    pub position: u64,
    /// Index of the community that it is in.
    pub community: usize,
    /// Index of the member who wrote it.
    pub author: usize,
    pub ups: u64,
    pub downs: u64,
    /// As many as the row records.
    pub comments: u64,
}

/// A row that broke rules.
#[derive(Clone, Debug)]
pub struct Rejected {
    pub community: String,
    pub row_id: String,
    pub status: u16,
    /// All rules that it broke, in their order.
    pub rules: String,
}

struct Job {
    token: String,
    author: usize,
    community: String,
    place: usize,
    row_id: String,
    body: serde_json::Value,
    ups: u64,
    downs: u64,
    comments: u64,
}

pub(super) async fn post(
    stack: &Stack,
    communities: &[Community],
    members: &[Session],
) -> Result<(Vec<Posted>, Vec<Rejected>, f64), AgoraError> {
    let jobs: Vec<Job> =
        communities.iter().enumerate().flat_map(|(place, it)| jobs(place, it, members)).collect();
    let progress = Progress::new("rows sent as posts", jobs.len());
    let tick = progress.clone();
    let outcomes = spread(&stack.command_addr, CONNECTIONS, jobs, move |mut commands, job| {
        let tick = tick.clone();
        async move {
            commands.act_with(job.token.clone());
            let sent = commands.send("create-post", &job.body).await;
            tick.tick();
            (commands, outcome(job, sent))
        }
    })
    .await?;
    let seconds = progress.finish();
    let (mut posted, mut rejected) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(post) => posted.push(post),
            Err(reject) => rejected.push(reject),
        }
    }
    // In the order of the log, so that the votes that follow are the same for the same log.
    posted.sort_by_key(|post| post.position);
    rejected.sort_by(|a, b| (&a.community, &a.row_id).cmp(&(&b.community, &b.row_id)));
    Ok((posted, rejected, seconds))
}

fn jobs(place: usize, community: &Community, members: &[Session]) -> Vec<Job> {
    let rows = community.file.rows.iter().enumerate();
    rows.map(|(index, row)| {
        let author = community.members[index % community.members.len()];
        let mut body = json!({
            "community_id": community.id, "title": row.title, "body": row.body(),
        });
        if let Some(name) = author_display_name(index) {
            body["author_display_name"] = name.into();
        }
        Job {
            token: members[author].token.clone(),
            author,
            community: community.name.clone(),
            place,
            row_id: row.id.clone(),
            body,
            ups: row.ups(),
            downs: row.downs(),
            comments: row.comments(),
        }
    })
    .collect()
}

fn author_display_name(index: usize) -> Option<String> {
    match index % 3 {
        0 => None,
        1 => Some(format!("Writer {}", index % 40)),
        _ => Some(String::new()),
    }
}

/// A broken rule is an outcome; anything else ends the demo.
fn outcome(
    job: Job,
    sent: Result<crate::agora::Accepted, AgoraError>,
) -> Result<Result<Posted, Rejected>, AgoraError> {
    match sent {
        Ok(accepted) => Ok(Ok(Posted {
            id: accepted.aggregate_id,
            position: accepted.position,
            community: job.place,
            author: job.author,
            ups: job.ups,
            downs: job.downs,
            comments: job.comments,
        })),
        Err(AgoraError::Refused { status, rule, .. })
            if (400..500).contains(&status) && status != 401 =>
        {
            let (community, row_id) = (job.community, job.row_id);
            Ok(Err(Rejected { community, row_id, status, rules: rule }))
        }
        Err(error) => Err(error),
    }
}

/// How many rows broke which rules.
pub fn by_rule(rejected: &[Rejected]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for reject in rejected {
        *counts.entry(reject.rules.as_str()).or_default() += 1;
    }
    counts
}

/// Writes the rejects file: what was refused and why, without its text.
pub(super) fn keep(path: &Path, rejected: &[Rejected]) -> Result<(), csv::Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = csv::Writer::from_path(path)?;
    file.write_record(["community", "row_id", "status", "rules"])?;
    for reject in rejected {
        let status = reject.status.to_string();
        file.write_record([&reject.community, &reject.row_id, &status, &reject.rules])?;
    }
    Ok(file.flush()?)
}
