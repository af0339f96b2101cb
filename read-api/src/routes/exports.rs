//! The statutory exports of the organization that one's session is of (E21): the download history (O3,
//! O4, O5, O6). Another organization's do not exist, for admins neither (BUF-15, BUF-16).

use agora_domain::ids::{ExportJobId, OrganizationId};
use agora_service::{clock, problem::Problem};
use axum::{extract::State, response::Response};
use utoipa::IntoParams;

use crate::{
    app::Shared,
    error::ReadError,
    exported::{self, COLUMNS, Chosen, Export},
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params},
    reply::List,
    request::Read,
    rows::{PlaceInTime, with_position},
};

/// Of which organization.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Within {
    /// May be given, and must then be the session's: a filter never shows more.
    #[param(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
}

impl FromParams for Within {
    fn from_params(params: &mut Params) -> Self {
        Self { organization_id: params.value("organization_id", exported::organization) }
    }
}

/// The organization that the session carries, which a filter may name and not widen.
///
/// # Errors
/// 404 where another is named: of that nobody here is told anything.
pub(super) fn own_organization<Q>(
    read: &Read<Q>,
    named: Option<OrganizationId>,
) -> Result<OrganizationId, Problem> {
    let own = read.principal()?.organization.map(|tenant| tenant.organization_id);
    own.filter(|own| named.is_none_or(|named| named == *own)).ok_or_else(|| {
        Problem::not_found("There is no such organization within your session.").with_rule("BUF-15")
    })
}

/// Lists the organization's exports, the newest first.
#[utoipa::path(get, path = "/v1/exports", tag = "Exports", params(Within, Chosen, Page),
    responses((status = 200, description = "A part of the list", body = List<Export>),
              (status = 404, description = "The organization or report is another's, or none")))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<((Within, Chosen), Page)>,
) -> Result<Response, ReadError> {
    let ((Within { organization_id }, chosen), page) = &read.query;
    let organization = own_organization(&read, *organization_id)?;
    let list = format!("exports/{organization}/{}", chosen.name());
    let before = page.place(&app, &list, PlaceInTime::start())?;
    let statement = list_statement(chosen);
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(organization.0)
            .bind(before.0)
            .bind(before.1)
            .bind(page.rows());
        with_position::<Export>(&chosen.bind(query).fetch_all(&app.reads).await?)
    })
    .await?;
    // Of a report of another tenant nobody is told that there is nothing to see (BUF-15).
    if let (Some(report), true) = (chosen.report, rows.is_empty()) {
        let is_own: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM read.bufdir_reports WHERE id = $1 AND organization_id = $2)",
        )
        .bind(report.0)
        .bind(organization.0)
        .fetch_one(&app.reads)
        .await?;
        if !is_own {
            return Err(ReadError::not_found(position, "There is no such report."));
        }
    }
    let part = page.cut(&app, &list, rows, |last| PlaceInTime(last.triggered_at.0, last.id));
    Ok(read.list(position, &part))
}

/// `$1` is now, `$2` the organization, then the place before, the number of rows, and what is chosen.
pub fn list_statement(chosen: &Chosen) -> String {
    format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('bufdir_export_logs'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.bufdir_export_logs
             WHERE organization_id = $2 AND (triggered_at, id) < ($3, $4) {}
             ORDER BY triggered_at DESC, id DESC LIMIT $5
         ) x ON true
         ORDER BY x.triggered_at DESC, x.id DESC",
        chosen.conditions(6)
    )
}

/// Shows one of the organization's exports.
#[utoipa::path(get, path = "/v1/exports/{id}", tag = "Exports",
    params(("id" = Uuid, Path, description = "The export's id")),
    responses((status = 200, description = "The export", body = Export),
              (status = 304), (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let organization = own_organization(&read, None)?;
    let export_id: ExportJobId = read.path.parse("id")?;
    let statement = format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('bufdir_export_logs'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM read.bufdir_export_logs
             WHERE id = $2 AND organization_id = $3
         ) x ON true"
    );
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query =
            sqlx::query(&statement).bind(clock::now()).bind(export_id.0).bind(organization.0);
        with_position::<Export>(&query.fetch_all(&app.reads).await?)
    })
    .await?;
    match rows.first() {
        Some(export) => Ok(read.object(position, export)),
        None => Err(ReadError::not_found(position, "There is no such export.")),
    }
}
