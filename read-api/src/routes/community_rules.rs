//! A community's rules (E12), in their order: public (RUL-06).

use agora_domain::values::CommunityName;
use axum::{extract::State, response::Response};
use serde::Serialize;
use sqlx::{FromRow, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    reply::List,
    request::Read,
    rows::{Instant, with_position},
};

/// A rule of a community (E12).
#[derive(Serialize, FromRow, ToSchema)]
pub struct CommunityRule {
    id: Uuid,
    community_id: Uuid,
    /// From 1, without gaps.
    #[schema(minimum = 1, maximum = 10)]
    rule_index: i32,
    #[schema(example = "Be kind.")]
    rule_text: String,
    created_at: Instant,
    /// The number of the list's events: for `If-Match` of `set-community-rules`.
    sequence: i64,
}

/// Lists a community's rules: at most ten, in one part.
#[utoipa::path(get, path = "/v1/communities/{name}/rules", tag = "Communities",
    params(("name" = String, Path, description = "The community's name, in upper or lower case",
            min_length = 5, max_length = 32, pattern = "^[A-Za-z0-9_-]+$")),
    responses((status = 200, description = "The rules", body = List<CommunityRule>),
              (status = 404)))]
pub async fn list(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let name: CommunityName = read.path.parse("name")?;
    let (position, rules) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, r.*, c.id AS community
             FROM (SELECT least(coalesce(read.served_position('community_rules'), 0),
                                coalesce(read.served_position('communities'), 0)) OFFSET 0) p
             LEFT JOIN read.communities c ON lower(c.name) = $1 AND c.deleted_at IS NULL
             LEFT JOIN read.community_rules r ON r.community_id = c.id
             ORDER BY r.rule_index",
        )
        .bind(name.folded())
        .fetch_all(&app.reads)
        .await?;
        let community: Option<Uuid> =
            rows.first().map(|row| row.try_get("community")).transpose()?.flatten();
        let (position, rules) = with_position::<CommunityRule>(&rows)?;
        Ok((position, community.map(|_| rules)))
    })
    .await?;
    let items = rules
        .ok_or_else(|| ReadError::not_found(position, "There is no community of this name."))?;
    Ok(read.list(position, &List { items, next: None }))
}
