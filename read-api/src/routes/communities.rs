//! Communities (E10): public; deleted ones are not there (COM-09).

use agora_domain::{ids::CategoryId, values::CommunityName};
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    params::{self, FromParams, Params},
    reply::List,
    request::Read,
    rows::{Instant, PlaceInTime, with_position},
};

/// A community (E10).
#[derive(Serialize, FromRow, ToSchema)]
pub struct Community {
    id: Uuid,
    /// The member who created it.
    owner_id: Uuid,
    category_id: Uuid,
    #[schema(example = "rustaceans")]
    name: String,
    description: Option<String>,
    logo_uri: Option<String>,
    banner_uri: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// Always null: deleted communities are not served.
    deleted_at: Option<Instant>,
    member_count: i64,
    /// The number of its events: for `If-Match` of commands.
    sequence: i64,
}

/// Which communities are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only those of a category.
    #[param(value_type = Option<Uuid>)]
    category_id: Option<CategoryId>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self { category_id: params.value("category_id", params::id) }
    }
}

/// Lists the communities, the newest first.
#[utoipa::path(get, path = "/v1/communities", tag = "Communities", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<Community>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let (Filter { category_id }, page) = &read.query;
    let category_id = category_id.map(|id| id.0);
    let name = category_id.map_or("communities".to_owned(), |id| format!("communities/{id}"));
    let before = page.place(&app, &name, PlaceInTime::start())?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('communities'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, owner_id, category_id, name, description, logo_uri, banner_uri,
                        created_at, updated_at, deleted_at, member_count, sequence
                 FROM read.communities
                 WHERE deleted_at IS NULL AND ($4::uuid IS NULL OR category_id = $4)
                   AND (created_at, id) < ($1, $2)
                 ORDER BY created_at DESC, id DESC LIMIT $3
             ) c ON true
             ORDER BY c.created_at DESC, c.id DESC",
        )
        .bind(before.0)
        .bind(before.1)
        .bind(page.rows())
        .bind(category_id)
        .fetch_all(&app.reads)
        .await?;
        with_position::<Community>(&rows)
    })
    .await?;
    let list = page.cut(&app, &name, rows, |last| PlaceInTime(last.created_at.0, last.id));
    Ok(read.list(position, &list))
}

/// Shows a community.
#[utoipa::path(get, path = "/v1/communities/{name}", tag = "Communities",
    params(("name" = String, Path, description = "Its name, in upper or lower case",
            min_length = 5, max_length = 32, pattern = "^[A-Za-z0-9_-]+$")),
    responses((status = 200, description = "The community", body = Community),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let name: CommunityName = read.path.parse("name")?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('communities'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT id, owner_id, category_id, name, description, logo_uri, banner_uri,
                        created_at, updated_at, deleted_at, member_count, sequence
                 FROM read.communities WHERE lower(name) = $1 AND deleted_at IS NULL
             ) c ON true",
        )
        .bind(name.folded())
        .fetch_all(&app.reads)
        .await?;
        with_position::<Community>(&rows)
    })
    .await?;
    match rows.first() {
        Some(community) => Ok(read.object(position, community)),
        None => Err(ReadError::not_found(position, "There is no community of this name.")),
    }
}
