//! Members comment on posts and reply to one another, in proportion to what the rows record.

use serde_json::json;
use uuid::Uuid;

use super::Posted;
use crate::{
    agora::{AgoraError, Session, spread},
    progress::Progress,
    scene::Stack,
};

const CONNECTIONS: usize = 32;
/// Few enough that the check reads a post's comments at once.
const COMMENTS_OF_POST_MAX: u64 = 60;
/// Every so many comments on a post one answers the post; the others answer the one before.
const DEPTH: usize = 3;

/// Every so many members comment without a name.
const NAMELESS: usize = 4;

const SAYINGS: [&str; 8] = [
    "I had not looked at it that way. Thank you.",
    "The same here, two years ago, and it never came back.",
    "Do you have a source for that?",
    "It depends: what did you try before?",
    "This is the best answer that I have read so far.",
    "I would do it the other way round.",
    "Late to this, but it still helped me today.",
    "Respectfully: no.\nThe first half is true, the second does not follow.",
];

/// The comments on one post.
pub(super) struct Thread {
    pub(super) post: Uuid,
    /// Each with the comment that it replies to.
    pub(super) comments: Vec<(Uuid, Option<Uuid>)>,
    position: u64,
}

pub(super) struct Commented {
    pub(super) threads: Vec<Thread>,
    pub(super) count: usize,
    pub(super) seconds: f64,
    /// Of the last comment.
    pub(super) position: u64,
}

struct Job {
    post: Uuid,
    /// Those who comment, one after another: their numbers and tokens.
    speakers: Vec<(usize, String)>,
}

pub(super) async fn comment(
    stack: &Stack,
    members: &[Session],
    posts: &[Posted],
    comments: u64,
) -> Result<Commented, AgoraError> {
    let jobs = jobs(members, posts, comments);
    let progress =
        Progress::new("comments written", jobs.iter().map(|job| job.speakers.len()).sum());
    let tick = progress.clone();
    let threads = spread(&stack.command_addr, CONNECTIONS, jobs, move |mut commands, job: Job| {
        let tick = tick.clone();
        async move {
            let mut thread = Thread { post: job.post, comments: Vec::new(), position: 0 };
            for (index, (speaker, token)) in job.speakers.into_iter().enumerate() {
                let answered = thread.comments.last().map(|(id, _)| *id);
                let parent = answered.filter(|_| !index.is_multiple_of(DEPTH));
                let mut body =
                    json!({ "post_id": job.post, "body": SAYINGS[saying(job.post, index)] });
                if let Some(parent) = parent {
                    body["parent_comment_id"] = parent.to_string().into();
                }
                if !speaker.is_multiple_of(NAMELESS) {
                    body["display_name"] = format!("Reader {speaker}").into();
                }
                commands.act_with(token);
                match commands.send("create-comment", &body).await {
                    Ok(made) => {
                        thread.comments.push((made.aggregate_id, parent));
                        thread.position = made.position;
                    }
                    Err(error) => return (commands, Err(error)),
                }
                tick.tick();
            }
            (commands, Ok(thread))
        }
    })
    .await?;
    let seconds = progress.finish();
    let count = threads.iter().map(|thread| thread.comments.len()).sum();
    let position = threads.iter().map(|thread| thread.position).max().unwrap_or(0);
    Ok(Commented { threads, count, seconds, position })
}

/// What each post gets of so many comments; by members in turn, so that two replies seldom are by one.
fn jobs(members: &[Session], posts: &[Posted], comments: u64) -> Vec<Job> {
    let recorded: u64 = posts.iter().map(|post| post.comments).sum();
    let scale = (comments as f64 / recorded.max(1) as f64).min(1.0);
    let mut speakers = members.iter().enumerate().cycle();
    let job = |post: &Posted| {
        let count = ((post.comments as f64 * scale).round() as u64).min(COMMENTS_OF_POST_MAX);
        let next = speakers.by_ref().take(count as usize);
        let speakers = next.map(|(index, it)| (index, it.token.clone())).collect();
        Job { post: post.id, speakers }
    };
    posts.iter().map(job).filter(|job| !job.speakers.is_empty()).collect()
}

/// Which saying it is: another one for each comment on a post.
fn saying(post: Uuid, index: usize) -> usize {
    (usize::from(post.as_bytes()[15]) + index) % SAYINGS.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_gets_comments_in_proportion_and_never_more_than_a_page() {
        let members: Vec<Session> = (0..5)
            .map(|id| Session {
                id: Uuid::from_u128(id),
                email: String::new(),
                token: id.to_string(),
            })
            .collect();
        let post = |comments: u64| Posted {
            id: Uuid::from_u128(u128::from(comments)),
            position: 0,
            community: 0,
            author: 0,
            ups: 0,
            downs: 0,
            comments,
        };
        let posts = [post(0), post(100), post(200), post(10_000)];
        let counts = |comments: u64| -> Vec<usize> {
            jobs(&members, &posts, comments).iter().map(|job| job.speakers.len()).collect()
        };
        assert_eq!(counts(1_030), [10, 20, 60]);
        assert_eq!(counts(1_000_000), [60, 60, 60]);
        assert!(counts(0).is_empty());
    }
}
