//! Compares every post's score on the read API with what was sent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Posted, voting::Tally};
use crate::{
    agora::{AgoraError, Reads},
    progress::Progress,
    scene::Stack,
};
use uuid::Uuid;

const CONNECTIONS: usize = 16;

/// A post whose score is not what was sent.
#[derive(Clone, Debug)]
pub struct Difference {
    pub post: Uuid,
    pub expected: (i64, i64),
    pub shown: String,
}

/// How many posts were compared, and those that differ.
pub(super) async fn scores(
    stack: &Stack,
    posts: &[Posted],
    expected: &[Tally],
    position: u64,
) -> Result<(usize, Vec<Difference>), AgoraError> {
    let all: Arc<[(Uuid, Tally)]> =
        posts.iter().map(|post| post.id).zip(expected.iter().copied()).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let progress = Progress::new("scores compared", all.len());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (all, next, progress) = (Arc::clone(&all), Arc::clone(&next), progress.clone());
        let mut reads = Reads::new(&stack.read_addr);
        tasks.spawn(async move {
            let mut differences = Vec::new();
            while let Some((post, tally)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let path = format!("/v1/posts/{post}/score?min_position={position}&wait_ms=10000");
                let shown = reads.json(&path).await?;
                let same = shown["score"] == tally.up - tally.down
                    && shown["upvotes"] == tally.up
                    && shown["downvotes"] == tally.down;
                if !same {
                    let expected = (tally.up, tally.down);
                    differences.push(Difference {
                        post: *post,
                        expected,
                        shown: shown.to_string(),
                    });
                }
                progress.tick();
            }
            Ok::<_, AgoraError>(differences)
        });
    }
    let mut differences = Vec::new();
    while let Some(done) = tasks.join_next().await {
        differences.extend(done.expect("the task does not panic")?);
    }
    progress.finish();
    Ok((all.len(), differences))
}
