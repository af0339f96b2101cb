//! Administrators and their scopes (E08).

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "admins",
    version: 1,
    event_types: &[
        "AdminCreated",
        "AdminDisplayNameChanged",
        "AdminSuspended",
        "AdminReinstated",
        "AdminRetired",
        "AdminDeleted",
        "AdminScopeGranted",
        "AdminScopeRevoked",
    ],
    columns: Columns::Payload,
    tables: &["admins"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Display names are sealed text.
#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    AdminCreated { credential_id: Uuid, display_name: Option<String>, scopes: Vec<String> },
    AdminDisplayNameChanged { display_name: Option<String> },
    AdminSuspended {},
    AdminReinstated {},
    AdminRetired {},
    AdminDeleted {},
    AdminScopeGranted { scopes: Vec<String> },
    AdminScopeRevoked { scopes: Vec<String> },
}

#[derive(FromRow)]
struct Admin {
    id: Uuid,
    user_credential_id: Uuid,
    display_name: Option<String>,
    status: String,
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    sequence: i64,
}

impl Admin {
    fn apply(&mut self, change: Event, at: DateTime<Utc>) {
        match change {
            Event::AdminCreated { .. } => {}
            Event::AdminDisplayNameChanged { display_name } => self.display_name = display_name,
            Event::AdminSuspended {} => "suspended".clone_into(&mut self.status),
            Event::AdminReinstated {} => "active".clone_into(&mut self.status),
            Event::AdminRetired {} => "retired".clone_into(&mut self.status),
            Event::AdminDeleted {} => {
                "retired".clone_into(&mut self.status);
                self.deleted_at = Some(at);
            }
            Event::AdminScopeGranted { scopes } | Event::AdminScopeRevoked { scopes } => {
                self.scopes = scopes;
            }
        }
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let ids = events.iter().map(|event| stream_uuid(event)).collect::<Result<Vec<_>, _>>()?;
    let mut admins: BTreeMap<Uuid, Admin> =
        sqlx::query_as::<_, Admin>("SELECT * FROM admins WHERE id = ANY ($1)")
            .bind(&ids)
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .map(|admin| (admin.id, admin))
            .collect();
    for (event, id) in events.iter().zip(ids) {
        let at = event.recorded_at;
        let change: Event = payload(event)?;
        if let Event::AdminCreated { credential_id, display_name, scopes } = &change {
            let admin = Admin {
                id,
                user_credential_id: *credential_id,
                display_name: display_name.clone(),
                status: "active".to_owned(),
                scopes: scopes.clone(),
                created_at: at,
                updated_at: at,
                deleted_at: None,
                sequence: 0,
            };
            admins.insert(id, admin);
        }
        if let Some(admin) = admins.get_mut(&id) {
            admin.apply(change, at);
            admin.updated_at = at;
            admin.sequence = number(event.sequence);
        }
    }
    write(&admins, connection).await
}

async fn write(
    admins: &BTreeMap<Uuid, Admin>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || admins.values();
    // Postgres has no arrays of arrays of different lengths: scopes travel as text, and no scope
    // holds a space.
    sqlx::query(
        "INSERT INTO admins (id, user_credential_id, display_name, status, scopes, created_at,
             updated_at, deleted_at, sequence)
         SELECT id, user_credential_id, display_name, status, string_to_array(scopes, ' '),
             created_at, updated_at, deleted_at, sequence
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[],
             $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::bigint[])
             AS u(id, user_credential_id, display_name, status, scopes, created_at, updated_at,
                  deleted_at, sequence)
         ON CONFLICT (id) DO UPDATE SET
             display_name = excluded.display_name, status = excluded.status,
             scopes = excluded.scopes, updated_at = excluded.updated_at,
             deleted_at = excluded.deleted_at, sequence = excluded.sequence",
    )
    .bind(admins.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|admin| admin.user_credential_id).collect::<Vec<_>>())
    .bind(all().map(|admin| admin.display_name.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|admin| admin.status.as_str()).collect::<Vec<_>>())
    .bind(all().map(|admin| admin.scopes.join(" ")).collect::<Vec<_>>())
    .bind(all().map(|admin| admin.created_at).collect::<Vec<_>>())
    .bind(all().map(|admin| admin.updated_at).collect::<Vec<_>>())
    .bind(all().map(|admin| admin.deleted_at).collect::<Vec<_>>())
    .bind(all().map(|admin| admin.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
