//! Sends the votes and counts what every post's score must be then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use tokio::time::sleep;

use super::{Posted, plan::Ballot};
use crate::{
    agora::{AgoraError, Session},
    ballot::{Ballots, Says},
    client::{Connection, status},
    progress::Progress,
    scene::Stack,
};

const CONNECTIONS: usize = 64;
/// A vote that is sent again changes nothing, so a lost reply is no harm.
const TRIES: usize = 20;

/// Upvotes and downvotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) up: i64,
    pub(super) down: i64,
}

pub(super) struct Voted {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) seconds: f64,
    /// Of the last vote.
    pub(super) position: u64,
    /// By post.
    pub(super) expected: Vec<Tally>,
}

#[derive(Deserialize)]
struct Placed {
    position: u64,
}

pub(super) async fn vote(
    stack: &Stack,
    members: &[Session],
    posts: &[Posted],
    ballots: &[Ballot],
) -> Result<Voted, AgoraError> {
    let requests = Arc::new(Ballots::new(&stack.command_addr, members));
    let ids: Arc<[_]> = posts.iter().map(|post| post.id).collect();
    let all: Arc<[Ballot]> = ballots.into();
    let next = Arc::new(AtomicUsize::new(0));
    let progress = Progress::new("votes cast", ballots.len());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (requests, ids, all) = (Arc::clone(&requests), Arc::clone(&ids), Arc::clone(&all));
        let (next, progress) = (Arc::clone(&next), progress.clone());
        tasks.spawn(async move {
            let (mut accepted, mut refused, mut position) = (Vec::new(), 0, 0);
            let (mut connection, mut request) = (None, Vec::new());
            while let Some(ballot) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let post = ids[ballot.post as usize];
                requests.render(&mut request, ballot.voter as usize, post, ballot.says);
                match send(&mut connection, &requests.address, &request).await? {
                    Some(placed) => {
                        position = position.max(placed);
                        accepted.push(*ballot);
                    }
                    None => refused += 1,
                }
                progress.tick();
            }
            Ok::<_, AgoraError>((accepted, refused, position))
        });
    }
    let mut expected = vec![Tally::default(); posts.len()];
    let (mut accepted, mut refused, mut position) = (0, 0, 0);
    while let Some(done) = tasks.join_next().await {
        let (own, own_refused, last) = done.expect("the task does not panic")?;
        for ballot in &own {
            let tally = &mut expected[ballot.post as usize];
            match ballot.says {
                Says::Up => tally.up += 1,
                Says::Down => tally.down += 1,
            }
        }
        accepted += own.len() as u64;
        refused += own_refused;
        position = position.max(last);
    }
    Ok(Voted { accepted, refused, seconds: progress.finish(), position, expected })
}

/// The position of an accepted vote; none where it was refused.
async fn send(
    connection: &mut Option<Connection>,
    address: &str,
    request: &[u8],
) -> Result<Option<u64>, AgoraError> {
    let failed = |error| AgoraError::Client { what: "cast-vote".to_owned(), error };
    let mut tries = 0;
    loop {
        tries += 1;
        let open = match connection {
            Some(open) => open,
            None => connection.insert(Connection::open(address).await.map_err(failed)?),
        };
        let read = |head: &[u8], body: &[u8]| {
            (status(head), serde_json::from_slice::<Placed>(body).ok().map(|it| it.position))
        };
        match open.exchange(request, read).await {
            Ok((200, position)) => return Ok(position),
            Ok((429 | 503, _)) if tries < TRIES => sleep(Duration::from_secs(1)).await,
            Ok(_) => return Ok(None),
            Err(error) => {
                *connection = None;
                if tries == TRIES {
                    return Err(failed(error));
                }
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
