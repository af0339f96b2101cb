//! Admins that are programs, with the key that each gets in with (ADM-07). The key is in no event, so
//! in no row.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "service_accounts",
    version: 1,
    event_types: &["ServiceAccountCreated", "ServiceAccountKeyRotated", "ServiceAccountKeyRevoked"],
    columns: Columns::Payload,
    tables: &["service_accounts"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    ServiceAccountCreated { credential_id: Uuid, key_id: Uuid },
    ServiceAccountKeyRotated { credential_id: Uuid, key_id: Uuid },
    ServiceAccountKeyRevoked { credential_id: Uuid },
}

/// An account after a batch; each event carries all of it.
struct Account {
    credential_id: Uuid,
    key: Option<(Uuid, DateTime<Utc>)>,
    /// Used only where there is no row yet.
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut accounts: BTreeMap<Uuid, Account> = BTreeMap::new();
    for event in events {
        let (id, at, sequence) = (stream_uuid(event)?, event.recorded_at, event.sequence);
        let (credential_id, key) = match payload(event)? {
            Event::ServiceAccountCreated { credential_id, key_id }
            | Event::ServiceAccountKeyRotated { credential_id, key_id } => {
                (credential_id, Some((key_id, at)))
            }
            Event::ServiceAccountKeyRevoked { credential_id } => (credential_id, None),
        };
        let created_at = accounts.get(&id).map_or(at, |account| account.created_at);
        accounts.insert(id, Account { credential_id, key, created_at, updated_at: at, sequence });
    }
    let all = || accounts.values();
    sqlx::query(
        "INSERT INTO service_accounts (id, user_credential_id, key_id, key_issued_at, created_at,
             updated_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[],
             $5::timestamptz[], $6::timestamptz[], $7::bigint[])
         ON CONFLICT (id) DO UPDATE SET
             key_id = excluded.key_id, key_issued_at = excluded.key_issued_at,
             updated_at = excluded.updated_at, sequence = excluded.sequence",
    )
    .bind(accounts.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|account| account.credential_id).collect::<Vec<_>>())
    .bind(all().map(|account| account.key.map(|(key_id, _)| key_id)).collect::<Vec<_>>())
    .bind(all().map(|account| account.key.map(|(_, at)| at)).collect::<Vec<_>>())
    .bind(all().map(|account| account.created_at).collect::<Vec<_>>())
    .bind(all().map(|account| account.updated_at).collect::<Vec<_>>())
    .bind(all().map(|account| number(account.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
