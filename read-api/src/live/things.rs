//! What events are about, as the read tables have it, and who is to be told of it.

use std::collections::HashMap;

use agora_domain::{Actor, ActorKind};
use agora_event_store::RecordedEvent;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::event::{LiveEvent, Score, Stored, Told, Topic};

#[derive(FromRow)]
pub(super) struct Post {
    pub(super) id: Uuid,
    pub(super) community_id: Uuid,
    author_memberuser_id: Option<Uuid>,
    author_adminuser_id: Option<Uuid>,
    score: i64,
    upvotes: i64,
    downvotes: i64,
    comment_count: i64,
}

#[derive(FromRow)]
struct Comment {
    id: Uuid,
    post_id: Uuid,
    author_memberuser_id: Option<Uuid>,
    author_adminuser_id: Option<Uuid>,
    score: i64,
    upvotes: i64,
    downvotes: i64,
}

pub(super) struct Things {
    posts: HashMap<Uuid, Post>,
    comments: HashMap<Uuid, Comment>,
    /// Whose sessions they are.
    sessions: HashMap<Uuid, Actor>,
}

impl Things {
    pub(super) async fn look_up(
        connection: &mut PgConnection,
        read: &[(&RecordedEvent, Uuid, Stored)],
    ) -> Result<Self, sqlx::Error> {
        let (mut posts, mut comments, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
        for (_, id, stored) in read {
            match stored {
                Stored::PostEdited {} | Stored::PostDeleted {} | Stored::PostRestored {} => {
                    posts.push(*id);
                }
                Stored::PostVoteCast { post_id } => posts.push(*post_id),
                Stored::CommentCreated { post_id, parent_comment_id, .. } => {
                    posts.push(*post_id);
                    comments.extend(parent_comment_id);
                }
                Stored::CommentEdited {}
                | Stored::CommentDeleted {}
                | Stored::CommentRestored {}
                | Stored::CommentModerated { .. } => comments.push(*id),
                Stored::CommentVoteCast { comment_id } => comments.push(*comment_id),
                Stored::SessionRevoked { .. } => sessions.push(*id),
                _ => {}
            }
        }
        let comments = look_up_comments(connection, &comments).await?;
        posts.extend(comments.values().map(|comment| comment.post_id));
        posts.sort_unstable();
        posts.dedup();
        Ok(Self {
            posts: look_up_posts(connection, &posts).await?,
            comments,
            sessions: look_up_sessions(connection, &sessions).await?,
        })
    }

    /// `None` where it concerns nobody who can listen.
    pub(super) fn tell(&self, event: &RecordedEvent, id: Uuid, stored: Stored) -> Option<Told> {
        let mut told = Told { event: LiveEvent::of(event), topics: Vec::with_capacity(2) };
        match stored {
            Stored::PostCreated { community_id } => {
                told.event.post_id = Some(id);
                told.event.community_id = Some(community_id);
                told.topics.push(Topic::Community(community_id));
            }
            Stored::PostEdited {} | Stored::PostDeleted {} | Stored::PostRestored {} => {
                told.of_post(self.posts.get(&id)?);
            }
            Stored::PostModerated { action, author } => {
                told.event.post_id = Some(id);
                told.event.action = Some(action);
                told.topics.push(Topic::Account(author?));
            }
            Stored::PostVoteCast { post_id } => {
                let post = self.posts.get(&post_id)?;
                told.of_post(post);
                let Post { score, upvotes, downvotes, .. } = *post;
                told.event.score = Some(Score { score, upvotes, downvotes });
            }
            Stored::CommentCreated { post_id, parent_comment_id, author } => {
                let post = self.posts.get(&post_id)?;
                told.of_comment(id, post);
                told.event.comment_count = Some(post.comment_count);
                told.event.parent_comment_id = parent_comment_id;
                let answered = match parent_comment_id {
                    Some(parent) => self.comments.get(&parent).and_then(|parent| {
                        actor(parent.author_memberuser_id, parent.author_adminuser_id)
                    }),
                    None => actor(post.author_memberuser_id, post.author_adminuser_id),
                };
                // Nobody is told of what it wrote itself.
                told.topics
                    .extend(answered.filter(|answered| *answered != author).map(Topic::Account));
            }
            Stored::CommentEdited {} => told.of_comment(id, self.post_of(id)?),
            Stored::CommentDeleted {} | Stored::CommentRestored {} => {
                let post = self.post_of(id)?;
                told.of_comment(id, post);
                told.event.comment_count = Some(post.comment_count);
            }
            Stored::CommentModerated { action, author } => {
                told.event.comment_id = Some(id);
                told.event.post_id = self.comments.get(&id).map(|comment| comment.post_id);
                told.event.action = Some(action);
                told.topics.push(Topic::Account(author));
            }
            Stored::CommentVoteCast { comment_id } => {
                let Comment { score, upvotes, downvotes, .. } = *self.comments.get(&comment_id)?;
                told.of_comment(comment_id, self.post_of(comment_id)?);
                told.event.score = Some(Score { score, upvotes, downvotes });
            }
            Stored::CommunityUpdated {}
            | Stored::CommunityRecategorised {}
            | Stored::CommunityDeleted {}
            | Stored::CommunityRestored {} => told.of_community(id),
            Stored::CommunityRulesSet { community_id }
            | Stored::CommunityRulesCleared { community_id } => told.of_community(community_id),
            Stored::MemberSuspended {} | Stored::MemberReinstated {} => {
                told.topics.push(Topic::Account(Actor { kind: ActorKind::Member, id }));
            }
            Stored::SessionIssued { principal } => {
                told.event.session_id = Some(id);
                told.topics.push(Topic::Account(principal));
            }
            Stored::SessionRevoked { cause } => {
                told.event.session_id = Some(id);
                told.event.cause = Some(cause);
                told.topics.push(Topic::Account(*self.sessions.get(&id)?));
            }
            // Not by whom, nor which session stays.
            Stored::AllSessionsRevoked {} => {}
        }
        Some(told)
    }

    fn post_of(&self, comment: Uuid) -> Option<&Post> {
        self.posts.get(&self.comments.get(&comment)?.post_id)
    }
}

fn actor(member: Option<Uuid>, admin: Option<Uuid>) -> Option<Actor> {
    let member = member.map(|id| Actor { kind: ActorKind::Member, id });
    member.or(admin.map(|id| Actor { kind: ActorKind::Admin, id }))
}

async fn look_up_posts(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Post>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let posts: Vec<Post> = sqlx::query_as(
        "SELECT o.id, o.community_platform_community_id AS community_id, o.author_memberuser_id,
                o.author_adminuser_id, coalesce(s.score, 0) AS score,
                coalesce(s.upvotes, 0) AS upvotes, coalesce(s.downvotes, 0) AS downvotes,
                coalesce(k.comments, 0) AS comment_count
         FROM read.posts o
         LEFT JOIN read.post_scores s ON s.post_id = o.id
         LEFT JOIN read.post_comment_counts k ON k.post_id = o.id
         WHERE o.id = ANY ($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(posts.into_iter().map(|post| (post.id, post)).collect())
}

async fn look_up_comments(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Comment>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let comments: Vec<Comment> = sqlx::query_as(
        "SELECT c.id, c.post_id, c.author_memberuser_id, c.author_adminuser_id,
                coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
                coalesce(s.downvotes, 0) AS downvotes
         FROM read.comments c
         LEFT JOIN read.comment_scores s ON s.comment_id = c.id
         WHERE c.id = ANY ($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(comments.into_iter().map(|comment| (comment.id, comment)).collect())
}

async fn look_up_sessions(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Actor>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sessions: Vec<(Uuid, String, Uuid)> =
        sqlx::query_as("SELECT id, user_kind, user_id FROM read.sessions WHERE id = ANY ($1)")
            .bind(ids)
            .fetch_all(connection)
            .await?;
    let actors = sessions.into_iter().filter_map(|(session, kind, id)| {
        let kind = match kind.as_str() {
            "member" => ActorKind::Member,
            "admin" => ActorKind::Admin,
            _ => return None,
        };
        Some((session, Actor { kind, id }))
    });
    Ok(actors.collect())
}
