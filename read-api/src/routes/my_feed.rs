//! The home feed: posts of the communities that one is a member of (MSH-06, PST-11).

use axum::{extract::State, response::Response};

use super::{
    feeds::{self, Order, Scope},
    posts::Post,
};
use crate::{app::Shared, error::ReadError, paging::Page, reply::ListAsOf, request::Read};

/// Lists the posts of the communities that one is a member of.
#[utoipa::path(get, path = "/v1/me/feed", tag = "Own account", params(Order, Page),
    responses((status = 200, description = "A part of the feed", body = ListAsOf<Post>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Order, Page)>,
) -> Result<Response, ReadError> {
    let scope = Scope::Home(read.principal()?.actor);
    let (order, page) = &read.query;
    let (position, feed) = feeds::list(&app, read.freshness, &scope, order, page).await?;
    Ok(read.part(position, &feed))
}
