//! Categories (E01): public, in their order, without the retired (CAT-06).

use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, with_position},
};

/// A category of communities (E01).
#[derive(Serialize, FromRow, ToSchema)]
pub struct Category {
    id: Uuid,
    #[schema(example = "Science")]
    name: String,
    /// From 1, without gaps.
    #[schema(minimum = 1, example = 1)]
    display_order: i32,
    description: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

const LIST: &str = "categories";

/// Lists the categories in display order.
#[utoipa::path(get, path = "/v1/categories", tag = "Communities", params(Page),
    responses((status = 200, description = "A part of the list", body = List<Category>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let after: (i32, Uuid) = read.query.place(&app, LIST, (0, Uuid::nil()))?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('categories'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, name, display_order, description, created_at, updated_at, sequence
                 FROM read.categories
                 WHERE retired_at IS NULL AND (display_order, id) > ($1, $2)
                 ORDER BY display_order, id LIMIT $3
             ) c ON true
             ORDER BY c.display_order, c.id",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Category>(&rows)
    })
    .await?;
    let list = read.query.cut(&app, LIST, rows, |last| (last.display_order, last.id));
    Ok(read.list(position, &list))
}
