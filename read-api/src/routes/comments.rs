//! A comment (E17) with its score (E18). Lists of them: [`super::comment_lists`].

use agora_domain::ids::CommentId;
use agora_event_store::{Opener, vault::VaultError};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::Caller,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    ranked::walk::Standing,
    removal::{Removal, RemovalRow, last_act},
    request::Read,
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// A comment (E17) with its score (E18).
#[derive(Serialize, ToSchema)]
pub struct Comment {
    id: Uuid,
    post_id: Uuid,
    /// The comment that it answers; null where it is about the post.
    parent_comment_id: Option<Uuid>,
    /// 0 for a comment on the post, else one more than the parent's.
    depth: i64,
    /// Set where a member wrote it. No author is told of a deleted comment.
    author_memberuser_id: Option<Uuid>,
    /// Set where a guest wrote it.
    author_guestuser_id: Option<Uuid>,
    /// Set where an admin wrote it.
    author_adminuser_id: Option<Uuid>,
    /// Plain text with line breaks. Null where it was deleted (then only its author still reads it)
    /// or erased.
    body: Option<String>,
    /// As it was when the comment was written; `Anonymous` where there is none, or it was erased.
    /// Null where the comment was deleted.
    #[schema(example = "Anonymous")]
    display_name: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// Set where it was deleted: it stays in its tree as a placeholder.
    deleted_at: Option<Instant>,
    /// Upvotes less downvotes.
    score: i64,
    upvotes: i64,
    downvotes: i64,
    /// Direct replies, placeholders too.
    reply_count: i64,
    /// True where the body was erased for good.
    erased: bool,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
    /// Why a moderator removed it; only its author is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    removal: Option<Removal>,
}

/// As it stands in the read tables, personal fields sealed.
#[derive(FromRow)]
pub(super) struct CommentRow {
    id: Uuid,
    post_id: Uuid,
    parent_comment_id: Option<Uuid>,
    depth: i64,
    author_memberuser_id: Option<Uuid>,
    author_guestuser_id: Option<Uuid>,
    author_adminuser_id: Option<Uuid>,
    body: String,
    display_name: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    score: i64,
    upvotes: i64,
    downvotes: i64,
    reply_count: i64,
    sequence: i64,
}

impl CommentRow {
    pub(super) fn standing(&self) -> Standing {
        let at = PlaceInTime(self.created_at.0, self.id);
        Standing { upvotes: self.upvotes, downvotes: self.downvotes, at }
    }

    fn is_hidden_from(&self, caller: &Caller) -> bool {
        let author =
            self.author_memberuser_id.or(self.author_adminuser_id).or(self.author_guestuser_id);
        self.deleted_at.is_some() && caller.actor().map(|actor| actor.id) != author
    }
}

/// Opens the comments' personal fields, with one question to the vault for all. What is hidden from
/// the caller is not opened.
pub(super) async fn open(
    opener: &Opener,
    caller: &Caller,
    rows: Vec<CommentRow>,
) -> Result<Vec<Comment>, VaultError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let hidden = row.is_hidden_from(caller);
        let shown = |text| if hidden { None } else { text };
        let body = sealed.add("comment", row.id, "body", shown(Some(row.body.as_str())));
        let name = row.display_name.as_deref();
        slots.push((hidden, body, sealed.add("comment", row.id, "display_name", shown(name))));
    }
    let open = sealed.open(opener).await?;
    let comments = rows.into_iter().zip(slots).map(|(row, (hidden, body, name))| {
        let body = open.text(body);
        let author = |id: Option<Uuid>| id.filter(|_| !hidden);
        Comment {
            id: row.id,
            post_id: row.post_id,
            parent_comment_id: row.parent_comment_id,
            depth: row.depth,
            author_memberuser_id: author(row.author_memberuser_id),
            author_guestuser_id: author(row.author_guestuser_id),
            author_adminuser_id: author(row.author_adminuser_id),
            erased: !hidden && body.is_none(),
            body,
            display_name: (!hidden).then(|| open.name(name)),
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            score: row.score,
            upvotes: row.upvotes,
            downvotes: row.downvotes,
            reply_count: row.reply_count,
            sequence: row.sequence,
            removal: None,
        }
    });
    Ok(comments.collect())
}

pub(super) const COLUMNS: &str =
    "c.id, c.post_id, c.parent_comment_id, c.depth, c.author_memberuser_id,
    c.author_guestuser_id, c.author_adminuser_id, c.body, c.display_name, c.created_at,
    c.updated_at, c.deleted_at, coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
    coalesce(s.downvotes, 0) AS downvotes, c.reply_count, c.sequence";

pub(super) const POSITION: &str = "(SELECT least(coalesce(read.served_position('comments'), 0),
                        coalesce(read.served_position('comment_scores'), 0),
                        coalesce(read.served_position('posts'), 0),
                        coalesce(read.served_position('communities'), 0)) OFFSET 0) p";

/// That the post `o` and its community are there for everybody.
pub(super) const OPEN: &str = "o.deleted_at IS NULL AND EXISTS (
    SELECT FROM read.communities m
    WHERE m.id = o.community_platform_community_id AND m.deleted_at IS NULL)";

pub(super) const NOT_FOUND: &str = "There is no comment of this id, or its post is deleted.";

/// A comment with what removed it.
#[derive(FromRow)]
struct Shown {
    #[sqlx(flatten)]
    comment: CommentRow,
    #[sqlx(flatten)]
    removal: RemovalRow,
}

/// Shows a comment.
#[utoipa::path(get, path = "/v1/comments/{id}", tag = "Comments",
    params(("id" = Uuid, Path, description = "The comment's id")),
    responses((status = 200, description = "The comment", body = Comment),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let id: CommentId = read.path.parse("id")?;
    let last_act = last_act("comment_id", "c.id");
    let statement = format!(
        "SELECT least(p.position, coalesce(read.served_position('moderation_log'), 0)), x.*
         FROM {POSITION} (position)
         LEFT JOIN LATERAL (
             SELECT {COLUMNS}, m.*
             FROM read.comments c
             JOIN read.posts o ON o.id = c.post_id AND {OPEN}
             LEFT JOIN read.comment_scores s ON s.comment_id = c.id
             LEFT JOIN LATERAL ({last_act}) m ON c.deleted_at IS NOT NULL
             WHERE c.id = $1
         ) x ON true"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(&statement).bind(id.0).fetch_all(&app.reads).await?;
        with_position::<Shown>(&rows)
    })
    .await?;
    let Some(Shown { comment, removal }) = rows.into_iter().next() else {
        return Err(ReadError::not_found(position, NOT_FOUND));
    };
    let removal = if comment.is_hidden_from(&read.caller) {
        None
    } else {
        removal.open(&app.opener, "comment", id.0).await?
    };
    let comment = open(&app.opener, &read.caller, vec![comment]).await?.pop();
    let comment = comment.map(|comment| Comment { removal, ..comment });
    Ok(read.object(position, &comment))
}
