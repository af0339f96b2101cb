//! Statutory exports across organizations, the archive included: the one way past a tenant (O9, BUF-16),
//! and each time it is gone it is recorded, before the reply goes out (AUD-09).

use agora_domain::ids::OrganizationId;
use agora_service::clock;
use axum::{extract::State, response::Response};
use utoipa::IntoParams;

use crate::{
    app::Shared,
    error::ReadError,
    exported::{self, COLUMNS, Export},
    freshness::fresh,
    paging::Page,
    params::{FromParams, Params},
    reply::List,
    request::Read,
    rows::{PlaceInTime, with_position},
};

/// Which exports.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "all but `organization` are in `chosen`; the document tells them one by one"
)]
pub struct Filter {
    /// Only of one organization.
    #[param(value_type = Option<uuid::Uuid>, rename = "organization_id")]
    organization: Option<OrganizationId>,
    /// Only of one report.
    #[param(value_type = Option<uuid::Uuid>)]
    report: (),
    /// Only what one user asked for.
    #[param(value_type = Option<uuid::Uuid>)]
    user: (),
    /// Only `pending`, `processing`, `completed` or `failed`.
    #[param(value_type = Option<String>)]
    status: (),
    /// Only from this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: (),
    /// Only before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: (),
    #[param(ignore)]
    chosen: exported::Chosen,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        let organization = params.value("organization_id", exported::organization);
        let chosen = exported::Chosen::from_params(params);
        Self { organization, report: (), user: (), status: (), from: (), to: (), chosen }
    }
}

/// Lists statutory exports of all organizations, the newest first, also those in the archive.
#[utoipa::path(get, path = "/v1/audit/exports", tag = "Audit", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<Export>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    read.record_audit_read(&app, "/v1/audit/exports").await;
    let (Filter { organization, chosen, .. }, page) = &read.query;
    let list = format!("audit-exports/{organization:?}/{}", chosen.name());
    let before = page.place(&app, &list, PlaceInTime::start())?;
    let statement = list_statement(organization.is_some(), chosen);
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let query = sqlx::query(&statement)
            .bind(clock::now())
            .bind(organization.map(|organization| organization.0))
            .bind(before.0)
            .bind(before.1)
            .bind(page.rows());
        with_position::<Export>(&chosen.bind(query).fetch_all(&app.reads).await?)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| PlaceInTime(last.triggered_at.0, last.id));
    Ok(read.list(position, &part))
}

/// `$1` is now, `$2` the organization, then the place before, the number of rows, and what is chosen.
pub fn list_statement(of_one: bool, chosen: &exported::Chosen) -> String {
    let within = match of_one {
        true => "organization_id = $2::uuid",
        false => "$2::uuid IS NULL",
    };
    // Each in its order by an index, no further than the part goes.
    let from = |table: &str| {
        format!(
            "(SELECT {COLUMNS} FROM read.{table}
              WHERE {within} AND (triggered_at, id) < ($3, $4) {}
              ORDER BY triggered_at DESC, id DESC LIMIT $5)",
            chosen.conditions(6)
        )
    };
    format!(
        "SELECT p.*, x.*
         FROM (SELECT coalesce(read.served_position('bufdir_export_logs'), 0) OFFSET 0) p
         LEFT JOIN LATERAL (
             SELECT * FROM ({} UNION ALL {}) u ORDER BY triggered_at DESC, id DESC LIMIT $5
         ) x ON true
         ORDER BY x.triggered_at DESC, x.id DESC",
        from("bufdir_export_logs"),
        from("bufdir_export_archive"),
    )
}
