//! How much of an organization's hour is used up (O8).

use agora_domain::{
    exports::export_quota::{EXPORTS_MAX, WINDOW},
    ids::OrganizationId,
};
use agora_service::{clock, problem::Problem};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::exports::own_organization;
use crate::{
    access::Roles,
    app::Shared,
    error::ReadError,
    exported,
    freshness::fresh,
    params::{self, FromParams, Params},
    request::Read,
    rows::{Instant, with_position},
};

/// How many statutory exports were accepted, and how many more are.
#[derive(Serialize, ToSchema)]
pub struct ExportRateLimit {
    organization_id: Uuid,
    /// From when on they are counted.
    since: Instant,
    /// Accepted since then; those that were refused do not count.
    count: i64,
    /// So many in any 60 minutes.
    #[schema(example = 5)]
    limit: i64,
    /// So many more are accepted now.
    remaining: i64,
    /// When there is room again; null where there is now.
    retry_at: Option<Instant>,
    as_of: Instant,
}

#[derive(sqlx::FromRow)]
struct Counted {
    count: i64,
    in_window: i64,
    /// Of those in the window, the oldest that must leave it.
    oldest: Option<Instant>,
}

/// Whose exports, and since when.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Of {
    /// For ops. Of an org user it is the session's, and may be absent.
    #[param(value_type = Option<Uuid>)]
    organization_id: Option<OrganizationId>,
    /// 60 minutes ago, where it is absent.
    since: Option<DateTime<Utc>>,
}

impl FromParams for Of {
    fn from_params(params: &mut Params) -> Self {
        Self {
            organization_id: params.value("organization_id", exported::organization),
            since: params.value("since", params::instant),
        }
    }
}

/// Tells how much of an organization's quota is used up.
#[utoipa::path(get, path = "/v1/exports/rate-limit", tag = "Exports", params(Of),
    responses((status = 200, description = "How much is used up", body = ExportRateLimit),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read<Of>) -> Result<Response, ReadError> {
    let Of { organization_id, since } = read.query;
    let organization = match organization_id {
        Some(named) if read.caller.roles().include(Roles::OPS) => named,
        None if !read.caller.roles().include(Roles::ORG_USER) => {
            return Err(Problem::malformed("Name the `organization_id`.").into());
        }
        named => own_organization(&read, named)?,
    };
    let now = clock::now();
    let since = since.unwrap_or(now - WINDOW);
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, x.*
             FROM (SELECT coalesce(read.served_position('bufdir_export_logs'), 0) OFFSET 0) p
             CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE triggered_at > $2) AS count,
                        count(*) FILTER (WHERE triggered_at > $3) AS in_window,
                        (array_agg(triggered_at ORDER BY triggered_at DESC)
                            FILTER (WHERE triggered_at > $3))[$4] AS oldest
                 FROM read.bufdir_export_logs
                 WHERE organization_id = $1 AND triggered_at > least($2, $3) AND retry_at IS NULL
             ) x",
        )
        .bind(organization.0)
        .bind(since)
        .bind(now - WINDOW)
        .bind(i32::try_from(EXPORTS_MAX).unwrap_or(i32::MAX))
        .fetch_all(&app.reads)
        .await?;
        with_position::<Counted>(&rows)
    })
    .await?;
    let counted = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let limit = i64::try_from(EXPORTS_MAX).unwrap_or(i64::MAX);
    let told = ExportRateLimit {
        organization_id: organization.0,
        since: Instant(since),
        count: counted.count,
        limit,
        remaining: (limit - counted.in_window).max(0),
        retry_at: counted.oldest.map(|oldest| Instant(oldest.0 + WINDOW)),
        as_of: Instant(now),
    };
    Ok(read.part(position, &told))
}
