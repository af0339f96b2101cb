//! A community's feed, served from the read tables (PST-11).

use axum::{extract::State, response::Response};

use super::{
    feeds::{self, Order, Scope},
    posts::Post,
};
use crate::{app::Shared, error::ReadError, paging::Page, reply::ListAsOf, request::Read};

/// Lists a community's posts.
#[utoipa::path(get, path = "/v1/communities/{name}/posts", tag = "Posts",
    params(("name" = String, Path, description = "The community's name, in upper or lower case",
            min_length = 5, max_length = 32, pattern = "^[A-Za-z0-9_-]+$"), Order, Page),
    responses((status = 200, description = "A part of the feed", body = ListAsOf<Post>),
              (status = 404)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Order, Page)>,
) -> Result<Response, ReadError> {
    let scope = Scope::Community(read.path.parse("name")?);
    let (order, page) = &read.query;
    let (position, feed) = feeds::list(&app, read.freshness, &scope, order, page).await?;
    Ok(read.part(position, &feed))
}
