//! The home feed: the newest posts of the communities that one is a member of (MSH-06, PST-11).

use axum::{extract::State, response::Response};

use super::posts::{Post, PostRow, open};
use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{PlaceInTime, with_position},
};

/// Lists the posts of the communities that one is a member of, the newest first.
#[utoipa::path(get, path = "/v1/me/feed", tag = "Own account", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Post>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let me = read.principal()?.actor;
    let list = format!("feed/{me}");
    let before = read.query.place(&app, &list, PlaceInTime::start())?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        // Of each community the newest, by its index, and of these the newest of all: the work
        // grows with the memberships, not with the posts.
        let rows = sqlx::query(
            "SELECT p.*, x.*
             FROM (SELECT least(coalesce(read.served_position('memberships'), 0),
                                coalesce(read.served_position('posts'), 0),
                                coalesce(read.served_position('post_scores'), 0),
                                coalesce(read.served_position('comments'), 0),
                                coalesce(read.served_position('communities'), 0))) p
             LEFT JOIN LATERAL (
                 SELECT o.*, coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
                        coalesce(s.downvotes, 0) AS downvotes,
                        coalesce(k.comments, 0) AS comment_count
                 FROM (
                     SELECT o.*, c.name AS community_name
                     FROM read.memberships m
                     JOIN read.communities c ON c.id = m.community_id AND c.deleted_at IS NULL
                     CROSS JOIN LATERAL (
                         SELECT o.id, o.community_platform_community_id, o.author_memberuser_id,
                                o.author_adminuser_id, o.title, o.body, o.author_display_name,
                                o.created_at, o.updated_at, o.deleted_at, o.sequence
                         FROM read.posts o
                         WHERE o.community_platform_community_id = c.id AND o.deleted_at IS NULL
                           AND (o.created_at, o.id) < ($2, $3)
                         ORDER BY o.created_at DESC, o.id DESC LIMIT $4
                     ) o
                     WHERE m.memberuser_id = $1
                     ORDER BY o.created_at DESC, o.id DESC LIMIT $4
                 ) o
                 LEFT JOIN read.post_scores s ON s.post_id = o.id
                 LEFT JOIN read.post_comment_counts k ON k.post_id = o.id
             ) x ON true
             ORDER BY x.created_at DESC, x.id DESC",
        )
        .bind(me.id)
        .bind(before.0)
        .bind(before.1)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<PostRow>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, &list, rows, |last| PlaceInTime(last.created_at.0, last.id));
    let posts = List { items: open(&app.opener, part.items).await?, next: part.next };
    Ok(read.list(position, &posts))
}
