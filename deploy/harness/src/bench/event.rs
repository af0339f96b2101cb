//! The event that every side writes: a vote as `cast-vote` makes it.

use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use agora_event_store::{StreamName, unit::NewEvent};
use uuid::Uuid;

/// A vote of a new voter on one of a thousand posts, with an address that looks sealed.
pub(super) fn vote() -> NewEvent {
    static POSTS: LazyLock<Vec<Uuid>> = LazyLock::new(|| (0..1_000).map(|_| id()).collect());
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (voter, post) = (id(), POSTS[NEXT.fetch_add(373, Ordering::Relaxed) % POSTS.len()]);
    NewEvent {
        event_id: id(),
        stream: StreamName::new("post_vote", format!("{post}:member:{voter}")),
        sequence: 1,
        event_type: "PostVoteCast",
        event_version: "1",
        payload: payload(post, voter),
        metadata: metadata(voter),
    }
}

pub(super) fn payload(post: Uuid, voter: Uuid) -> String {
    format!(
        r#"{{"PostVoteCast":{{"id":"{}","post_id":"{post}","voter":{{"kind":"member","id":"{voter}"}},"vote_state":"upvote","previous":"none"}}}}"#,
        id()
    )
}

pub(super) fn metadata(voter: Uuid) -> String {
    format!(
        r#"{{"actor":"member:{voter}","command":"{}","command_name":"cast-vote","session":"{}","ip":"{}"}}"#,
        id(),
        id(),
        sealed(voter)
    )
}

pub(super) fn sealed(voter: Uuid) -> String {
    format!("sealed:v1:network:{voter}:1:{}:{}", "A".repeat(91), "A".repeat(43))
}

pub(super) fn id() -> Uuid {
    #[expect(clippy::disallowed_methods, reason = "a measurement, not a decision")]
    Uuid::now_v7()
}
