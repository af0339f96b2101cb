//! Statutory exports across organizations, the archive included: the one way past a tenant (O9, BUF-16),
//! and each time it is gone it is recorded, before the reply goes out (AUD-09).

use agora_domain::ids::OrganizationId;
use agora_service::clock;
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
    /// Only of one organization.
    #[param(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
}

impl FromParams for Within {
    fn from_params(params: &mut Params) -> Self {
        Self { organization_id: params.value("organization_id", exported::organization) }
    }
}

/// Lists statutory exports of all organizations, the newest first, also those in the archive.
#[utoipa::path(get, path = "/v1/audit/exports", tag = "Audit", params(Within, Chosen, Page),
    responses((status = 200, description = "A part of the list", body = List<Export>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<((Within, Chosen), Page)>,
) -> Result<Response, ReadError> {
    read.record_audit_read(&app, "/v1/audit/exports").await;
    let ((Within { organization_id: organization }, chosen), page) = &read.query;
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
pub fn list_statement(of_one: bool, chosen: &Chosen) -> String {
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
