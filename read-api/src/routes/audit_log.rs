//! Who did what, when and from where (E03): what projections make from the log, and the security
//! records. Reading it is itself recorded, before the reply goes out (AUD-09).

use agora_domain::Actor;
use agora_event_store::security::{IP_ADDRESS, RECORD};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
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
    rows::{Instant, PlaceInTime, Sealed, with_position},
};

/// An entry of the audit log (E03).
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    id: Uuid,
    /// Set where a member acted.
    actor_memberuser_id: Option<Uuid>,
    /// Set where an admin acted.
    actor_adminuser_id: Option<Uuid>,
    #[schema(example = "session_login")]
    event_type: String,
    /// Text or JSON, at most 1000 characters; no personal values and no secrets (AUD-08).
    #[schema(max_length = 1000)]
    event_detail: String,
    /// Null where the platform itself acted, where it is not known, or where it was erased.
    #[schema(example = "192.0.2.1")]
    ip_address: Option<String>,
    created_at: Instant,
    /// Of the event in the log; null for security records, which are not in the log.
    position: Option<i64>,
}

/// Which entries are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only what somebody did: `member:<uuid>`, `admin:<uuid>` or `guest:<uuid>` (of whom
    /// there are refusals only); `system`: only what nobody known did.
    #[param(value_type = Option<String>, example = "member:0191d1b2-0000-7000-8000-000000000000")]
    actor: Option<Actor>,
    /// Only entries of one `event_type`.
    #[param(rename = "type", example = "session_login")]
    event_type: Option<String>,
    /// Only from this time on.
    from: Option<DateTime<Utc>>,
    /// Only before this time.
    to: Option<DateTime<Utc>>,
}

impl FromParams for Filter {
    fn from_params(params: &mut Params) -> Self {
        Self {
            actor: params.value("actor", params::actor),
            event_type: params.value("type", params::token),
            from: params.value("from", params::instant),
            to: params.value("to", params::instant),
        }
    }
}

impl Filter {
    /// The list's name in cursors: a cursor goes on where it was given, with the same filters.
    fn list(&self) -> String {
        let Self { actor, event_type, from, to } = self;
        format!("audit-log/{actor:?}/{event_type:?}/{from:?}/{to:?}")
    }
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    actor_memberuser_id: Option<Uuid>,
    actor_adminuser_id: Option<Uuid>,
    event_type: String,
    event_detail: String,
    ip_address: Option<String>,
    created_at: Instant,
    position: Option<i64>,
    /// Null for security records.
    aggregate: Option<String>,
    aggregate_id: Option<String>,
}

/// Lists the entries of the audit log, the latest first.
#[utoipa::path(get, path = "/v1/audit-log", tag = "Audit", params(Filter, Page),
    responses((status = 200, description = "A part of the list", body = List<AuditEntry>)))]
pub async fn list(
    State(app): State<Shared>,
    read: Read<(Filter, Page)>,
) -> Result<Response, ReadError> {
    let (filter, page) = &read.query;
    let list = filter.list();
    let before = page.place(&app, &list, PlaceInTime::start())?;
    read.record_audit_read(&app, "/v1/audit-log").await;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, x.*
             FROM (SELECT coalesce(read.served_position('audit_log'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 (SELECT a.id, a.actor_memberuser_id, a.actor_adminuser_id, a.event_type,
                         a.event_detail, a.ip_address, a.created_at, a.position,
                         a.aggregate_type AS aggregate, a.aggregate_id
                  FROM read.audit_log a
                  WHERE (a.created_at, a.id) < ($1, $2) AND a.created_at <= $1
                    AND ($4::timestamptz IS NULL OR a.created_at >= $4)
                    AND ($5::timestamptz IS NULL OR a.created_at < $5)
                    AND ($6::text IS NULL OR a.event_type = $6)
                    AND ($7::text IS NULL
                         OR $7 = 'member' AND a.actor_memberuser_id = $8
                         OR $7 = 'admin' AND a.actor_adminuser_id = $8
                         OR $7 = 'system' AND num_nonnulls(a.actor_memberuser_id,
                                                           a.actor_adminuser_id) = 0)
                  ORDER BY a.created_at DESC, a.id DESC LIMIT $3)
                 UNION ALL
                 (SELECT r.id, CASE WHEN r.actor_kind = 'member' THEN r.actor_id END,
                         CASE WHEN r.actor_kind = 'admin' THEN r.actor_id END, r.kind,
                         json_build_object('result', r.result, 'action', r.action, 'rule', r.rule,
                             'status', r.status, 'occurrences', r.occurrences)::text,
                         r.ip_address, r.recorded_at, NULL, NULL, NULL
                  FROM log.security_records r
                  WHERE (r.recorded_at, r.id) < ($1, $2) AND r.recorded_at <= $1
                    AND ($4::timestamptz IS NULL OR r.recorded_at >= $4)
                    AND ($5::timestamptz IS NULL OR r.recorded_at < $5)
                    AND ($6::text IS NULL OR r.kind = $6)
                    AND ($7::text IS NULL
                         OR r.actor_kind = $7 AND r.actor_id = $8
                         OR $7 = 'system' AND r.actor_kind IS NULL)
                  ORDER BY r.recorded_at DESC, r.id DESC LIMIT $3)
                 ORDER BY created_at DESC, id DESC LIMIT $3
             ) x ON true
             ORDER BY x.created_at DESC, x.id DESC",
        )
        .bind(before.0)
        .bind(before.1)
        .bind(page.rows())
        .bind(filter.from)
        .bind(filter.to)
        .bind(&filter.event_type)
        .bind(filter.actor.map(|actor| actor.kind.as_str()))
        .bind(filter.actor.map(|actor| actor.id))
        .fetch_all(&app.reads)
        .await?;
        with_position::<Row>(&rows)
    })
    .await?;
    let part = page.cut(&app, &list, rows, |last| PlaceInTime(last.created_at.0, last.id));
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(part.items.len());
    for row in &part.items {
        let ip_address = row.ip_address.as_deref();
        slots.push(match (&row.aggregate, &row.aggregate_id) {
            (Some(aggregate), Some(id)) => sealed.add(aggregate, id, "metadata.ip", ip_address),
            _ => sealed.add(RECORD, row.id, IP_ADDRESS, ip_address),
        });
    }
    let open = sealed.open(&app.opener).await?;
    let entries = part.items.iter().zip(slots).map(|(row, ip_address)| AuditEntry {
        id: row.id,
        actor_memberuser_id: row.actor_memberuser_id,
        actor_adminuser_id: row.actor_adminuser_id,
        event_type: row.event_type.clone(),
        event_detail: row.event_detail.clone(),
        ip_address: open.text(ip_address),
        created_at: row.created_at,
        position: row.position,
    });
    let entries = List { items: entries.collect(), next: part.next };
    Ok(read.list(position, &entries))
}
