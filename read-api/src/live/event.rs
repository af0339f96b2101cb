//! What a live stream tells of an event: which one it was, of what, when; and the score after it.

use std::collections::HashSet;

use agora_domain::Actor;
use agora_event_store::{Position, RecordedEvent, read::rfc3339_micros};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::things::{Post, Things};

/// The events that streams tell of.
pub(super) const TYPES: &[&str] = &[
    "AllSessionsRevoked",
    "CommentCreated",
    "CommentDeleted",
    "CommentEdited",
    "CommentModerated",
    "CommentRestored",
    "CommentVoteCast",
    "CommunityDeleted",
    "CommunityRecategorised",
    "CommunityRestored",
    "CommunityRulesCleared",
    "CommunityRulesSet",
    "CommunityUpdated",
    "MemberReinstated",
    "MemberSuspended",
    "PostCreated",
    "PostDeleted",
    "PostEdited",
    "PostModerated",
    "PostRestored",
    "PostVoteCast",
    "SessionIssued",
    "SessionRevoked",
];

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    Post(Uuid),
    Community(Uuid),
    Account(Actor),
}

/// An event with the topics that it belongs to.
pub(super) struct Told {
    pub(super) event: LiveEvent,
    pub(super) topics: Vec<Topic>,
}

/// An event as a stream tells it: no text, no name, not who voted. Fields that do not apply are absent.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LiveEvent {
    /// Place in the log's order; also the event's `id` in the stream.
    #[schema(value_type = u64, example = 4711)]
    pub position: Position,
    /// The event's type in the log; also its `event` in the stream.
    #[serde(rename = "type")]
    #[schema(example = "CommentCreated")]
    pub event_type: String,
    #[schema(example = "2026-11-20T12:00:00.123456Z")]
    pub recorded_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<Uuid>,
    /// The comment that a new comment answers; absent where it is about the post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_comment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// What a moderator did: `edit`, `delete` or `restore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "delete")]
    pub action: Option<String>,
    /// Why a session ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "logged_out")]
    pub cause: Option<String>,
    /// The score of what was voted on, as it is now: one event may stand for several votes.
    #[serde(flatten)]
    pub score: Option<Score>,
    /// Comments of the post that are not deleted, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_count: Option<i64>,
}

/// Votes on a post or a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Score {
    /// Upvotes less downvotes.
    pub score: i64,
    pub upvotes: i64,
    pub downvotes: i64,
}

impl LiveEvent {
    pub(super) fn of(event: &RecordedEvent) -> Self {
        Self {
            position: event.position,
            event_type: event.event_type.clone(),
            recorded_at: rfc3339_micros(event.recorded_at),
            community_id: None,
            post_id: None,
            comment_id: None,
            parent_comment_id: None,
            session_id: None,
            action: None,
            cause: None,
            score: None,
            comment_count: None,
        }
    }

    /// The community that is not there any more, and nothing in it.
    pub(super) fn closes_community(&self) -> Option<Uuid> {
        self.community_id.filter(|_| self.event_type == "CommunityDeleted")
    }

    /// Everybody who listens to an account is told: whose sessions have ended is too long a list.
    pub(super) fn concerns_every_account(&self) -> bool {
        self.event_type == "AllSessionsRevoked"
    }
}

/// What is read of an event; everything else of it stays unread, and sealed.
#[derive(Deserialize)]
pub(super) enum Stored {
    PostCreated { community_id: Uuid },
    PostEdited {},
    PostDeleted {},
    PostRestored {},
    PostModerated { action: String, author: Option<Actor> },
    PostVoteCast { post_id: Uuid },
    CommentCreated { post_id: Uuid, parent_comment_id: Option<Uuid>, author: Actor },
    CommentEdited {},
    CommentDeleted {},
    CommentRestored {},
    CommentModerated { action: String, author: Actor },
    CommentVoteCast { comment_id: Uuid },
    CommunityUpdated {},
    CommunityRecategorised {},
    CommunityDeleted {},
    CommunityRestored {},
    CommunityRulesSet { community_id: Uuid },
    CommunityRulesCleared { community_id: Uuid },
    MemberSuspended {},
    MemberReinstated {},
    SessionIssued { principal: Actor },
    SessionRevoked { cause: String },
    AllSessionsRevoked {},
}

/// Makes of events what streams tell of them. Of several votes on one thing only the last is told:
/// the score is that after all of them.
pub(super) async fn compose(
    connection: &mut PgConnection,
    events: &[RecordedEvent],
) -> Result<Vec<Told>, sqlx::Error> {
    let mut read = Vec::with_capacity(events.len());
    for event in events {
        let id = event.aggregate_id.parse::<Uuid>().unwrap_or_default();
        match serde_json::from_str::<Stored>(&event.payload) {
            Ok(stored) => read.push((event, id, stored)),
            // A projection stops at such an event and says so; the streams go on.
            Err(error) => tracing::error!(
                position = event.position,
                class = ?error.classify(),
                "an event cannot be told live"
            ),
        }
    }
    keep_last_votes(&mut read);
    let things = Things::look_up(connection, &read).await?;
    Ok(read.into_iter().filter_map(|(event, id, stored)| things.tell(event, id, stored)).collect())
}

fn keep_last_votes(read: &mut Vec<(&RecordedEvent, Uuid, Stored)>) {
    let mut seen = HashSet::new();
    let mut kept: Vec<_> = read
        .drain(..)
        .rev()
        .filter(|(_, _, stored)| match stored {
            Stored::PostVoteCast { post_id: thing }
            | Stored::CommentVoteCast { comment_id: thing } => seen.insert(*thing),
            _ => true,
        })
        .collect();
    kept.reverse();
    *read = kept;
}

impl Told {
    pub(super) fn of_post(&mut self, post: &Post) {
        self.event.post_id = Some(post.id);
        self.event.community_id = Some(post.community_id);
        self.topics.extend([Topic::Post(post.id), Topic::Community(post.community_id)]);
    }

    /// A post's comments are told to those who look at the post.
    pub(super) fn of_comment(&mut self, comment: Uuid, post: &Post) {
        self.event.comment_id = Some(comment);
        self.event.post_id = Some(post.id);
        self.event.community_id = Some(post.community_id);
        self.topics.push(Topic::Post(post.id));
    }

    pub(super) fn of_community(&mut self, community: Uuid) {
        self.event.community_id = Some(community);
        self.topics.push(Topic::Community(community));
    }
}
