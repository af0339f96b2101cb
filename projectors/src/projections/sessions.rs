//! Logins (E04). The token is in no event, so in no row (SES-01).

use std::{borrow::Cow, collections::BTreeMap};

use agora_domain::Actor;
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "sessions",
    version: 1,
    event_types: &["AllSessionsRevoked", "SessionIssued", "SessionRevoked"],
    columns: Columns::Payload,
    tables: &["sessions"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Device and address are sealed text.
#[derive(Deserialize)]
enum Event<'e> {
    SessionIssued {
        principal: Actor,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        #[serde(borrow)]
        device_info: Option<Cow<'e, str>>,
        #[serde(borrow)]
        ip_address: Option<Cow<'e, str>>,
    },
    SessionRevoked {
        revoked_by: Actor,
        #[serde(borrow)]
        cause: Cow<'e, str>,
    },
    AllSessionsRevoked {
        revoked_by: Actor,
        kept: Option<Uuid>,
    },
}

struct Issued<'e> {
    principal: Actor,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    device_info: Option<Cow<'e, str>>,
    ip_address: Option<Cow<'e, str>>,
    created_at: DateTime<Utc>,
    sequence: u64,
}

struct Revoked<'e> {
    by: Actor,
    cause: Cow<'e, str>,
    at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut issued: BTreeMap<Uuid, Issued<'_>> = BTreeMap::new();
    let mut revoked: BTreeMap<Uuid, Revoked<'_>> = BTreeMap::new();
    for event in events {
        let (at, sequence) = (event.recorded_at, event.sequence);
        match payload(event)? {
            Event::SessionIssued { principal, issued_at, expires_at, device_info, ip_address } => {
                let session = Issued {
                    principal,
                    issued_at,
                    expires_at,
                    device_info,
                    ip_address,
                    created_at: at,
                    sequence,
                };
                issued.insert(stream_uuid(event)?, session);
            }
            // The first revocation counts (SES-14).
            Event::SessionRevoked { revoked_by: by, cause } => {
                let id = stream_uuid(event)?;
                let first = revoked.entry(id).or_insert(Revoked { by, cause, at, sequence });
                first.sequence = sequence;
            }
            // It ends what stands before it in the log, and nothing after it.
            Event::AllSessionsRevoked { revoked_by, kept } => {
                insert(&issued, connection).await?;
                revoke(&revoked, connection).await?;
                issued.clear();
                revoked.clear();
                revoke_all(revoked_by, kept, at, connection).await?;
            }
        }
    }
    insert(&issued, connection).await?;
    revoke(&revoked, connection).await
}

async fn insert(
    sessions: &BTreeMap<Uuid, Issued<'_>>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let all = || sessions.values();
    sqlx::query(
        "INSERT INTO sessions (id, user_kind, user_id, issued_at, expires_at, device_info,
             ip_address, created_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[],
             $5::timestamptz[], $6::text[], $7::text[], $8::timestamptz[], $9::bigint[])",
    )
    .bind(sessions.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|session| session.principal.kind.as_str()).collect::<Vec<_>>())
    .bind(all().map(|session| session.principal.id).collect::<Vec<_>>())
    .bind(all().map(|session| session.issued_at).collect::<Vec<_>>())
    .bind(all().map(|session| session.expires_at).collect::<Vec<_>>())
    .bind(all().map(|session| session.device_info.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|session| session.ip_address.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|session| session.created_at).collect::<Vec<_>>())
    .bind(all().map(|session| number(session.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn revoke(
    sessions: &BTreeMap<Uuid, Revoked<'_>>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let all = || sessions.values();
    sqlx::query(
        "UPDATE sessions s SET
             revoked_at = coalesce(s.revoked_at, u.at),
             revoked_by = CASE WHEN s.revoked_at IS NULL THEN u.by ELSE s.revoked_by END,
             revoke_cause = CASE WHEN s.revoked_at IS NULL THEN u.cause ELSE s.revoke_cause END,
             sequence = u.sequence
         FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::bigint[])
              AS u(id, at, by, cause, sequence)
         WHERE s.id = u.id",
    )
    .bind(sessions.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|revoked| revoked.at).collect::<Vec<_>>())
    .bind(all().map(|revoked| revoked.by.to_string()).collect::<Vec<_>>())
    .bind(all().map(|revoked| revoked.cause.as_ref()).collect::<Vec<_>>())
    .bind(all().map(|revoked| number(revoked.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends every session that is open, but one (SES-12).
async fn revoke_all(
    by: Actor,
    kept: Option<Uuid>,
    at: DateTime<Utc>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    sqlx::query(
        "UPDATE sessions SET revoked_at = $1, revoked_by = $2, revoke_cause = 'revoked'
         WHERE revoked_at IS NULL AND id IS DISTINCT FROM $3",
    )
    .bind(at)
    .bind(by.to_string())
    .bind(kept)
    .execute(connection)
    .await?;
    Ok(())
}
