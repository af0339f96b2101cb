//! Credentials (E09): whose they are and whether they are valid. Never a hash (CRD-03).

use std::collections::BTreeMap;

use agora_domain::Actor;
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "credentials",
    version: 1,
    event_types: &[
        "CredentialRegistered",
        "EmailConfirmationRequested",
        "EmailConfirmed",
        "EmailChangeRequested",
        "EmailChanged",
        "PasswordChanged",
        "PasswordReset",
        "CredentialInvalidated",
    ],
    columns: Columns::Payload,
    tables: &["credentials"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Addresses are sealed text.
#[derive(Deserialize)]
enum Event {
    CredentialRegistered { holder: Actor, email: String },
    EmailConfirmationRequested {},
    EmailConfirmed {},
    EmailChangeRequested { email: String },
    EmailChanged { email: String },
    PasswordChanged {},
    PasswordReset {},
    CredentialInvalidated {},
}

#[derive(FromRow)]
struct Credential {
    id: Uuid,
    holder_kind: String,
    holder_id: Uuid,
    email: String,
    pending_email: Option<String>,
    status: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    sequence: i64,
}

impl Credential {
    fn apply(&mut self, change: Event, at: DateTime<Utc>) {
        match change {
            Event::CredentialRegistered { .. } => {}
            Event::EmailConfirmationRequested {} => "unconfirmed".clone_into(&mut self.status),
            Event::EmailConfirmed {} => "valid".clone_into(&mut self.status),
            Event::EmailChangeRequested { email } => self.pending_email = Some(email),
            Event::EmailChanged { email } => {
                self.email = email;
                self.pending_email = None;
            }
            // A new password takes back what was asked for with the old one.
            Event::PasswordChanged {} | Event::PasswordReset {} => self.pending_email = None,
            Event::CredentialInvalidated {} => {
                "invalidated".clone_into(&mut self.status);
                self.deleted_at = Some(at);
            }
        }
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let ids = events.iter().map(|event| stream_uuid(event)).collect::<Result<Vec<_>, _>>()?;
    let mut credentials: BTreeMap<Uuid, Credential> =
        sqlx::query_as::<_, Credential>("SELECT * FROM credentials WHERE id = ANY ($1)")
            .bind(&ids)
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .map(|credential| (credential.id, credential))
            .collect();
    for (event, id) in events.iter().zip(ids) {
        let at = event.recorded_at;
        let change: Event = payload(event)?;
        if let Event::CredentialRegistered { holder, email } = &change {
            let credential = Credential {
                id,
                holder_kind: holder.kind.as_str().to_owned(),
                holder_id: holder.id,
                email: email.clone(),
                pending_email: None,
                status: "valid".to_owned(),
                created_at: at,
                updated_at: at,
                deleted_at: None,
                sequence: 0,
            };
            credentials.insert(id, credential);
        }
        if let Some(credential) = credentials.get_mut(&id) {
            credential.apply(change, at);
            credential.updated_at = at;
            credential.sequence = number(event.sequence);
        }
    }
    write(&credentials, connection).await
}

async fn write(
    credentials: &BTreeMap<Uuid, Credential>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || credentials.values();
    sqlx::query(
        "INSERT INTO credentials (id, holder_kind, holder_id, email, pending_email, status,
             created_at, updated_at, deleted_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[],
             $6::text[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::bigint[])
         ON CONFLICT (id) DO UPDATE SET
             email = excluded.email, pending_email = excluded.pending_email,
             status = excluded.status, updated_at = excluded.updated_at,
             deleted_at = excluded.deleted_at, sequence = excluded.sequence",
    )
    .bind(credentials.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|credential| credential.holder_kind.as_str()).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.holder_id).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.email.as_str()).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.pending_email.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.status.as_str()).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.created_at).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.updated_at).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.deleted_at).collect::<Vec<_>>())
    .bind(all().map(|credential| credential.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
