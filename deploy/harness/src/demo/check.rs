//! Compares every post's score, and where its comments hang, on the read API with what was sent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;
use uuid::Uuid;

use super::{Posted, commenting::Thread, voting::Tally};
use crate::{
    agora::{AgoraError, Reads},
    progress::Progress,
    scene::Stack,
};

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

/// Whether every comment is there, under what it replies to; says of which posts that is not so.
pub(super) async fn comments(
    stack: &Stack,
    threads: &[Thread],
    position: u64,
) -> Result<Vec<String>, AgoraError> {
    let mut reads = Reads::new(&stack.read_addr);
    let progress = Progress::new("posts' comments compared", threads.len());
    let mut failed = Vec::new();
    for thread in threads {
        // A thread fits on one page: see `commenting::COMMENTS_OF_POST_MAX`.
        let path = format!(
            "/v1/posts/{}/comments/all?limit=100&min_position={position}&wait_ms=10000",
            thread.post
        );
        let shown = reads.json(&path).await?;
        let id = |value: &Value| value.as_str().and_then(|text| text.parse::<Uuid>().ok());
        let items = shown["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut pairs: Vec<_> = items
            .iter()
            .filter_map(|item| Some((id(&item["id"])?, id(&item["parent_comment_id"]))))
            .collect();
        let mut expected = thread.comments.clone();
        pairs.sort_unstable();
        expected.sort_unstable();
        if pairs != expected {
            let (sent, shown) = (expected.len(), pairs.len());
            let post = thread.post;
            failed.push(format!(
                "of post {post} {sent} comments were sent, {shown} are shown, or elsewhere"
            ));
        }
        progress.tick();
    }
    progress.finish();
    Ok(failed)
}
