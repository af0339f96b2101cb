//! Consents: a row a record (E22). What is sealed in them stays sealed.

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "consents",
    version: 1,
    event_types: &["ConsentDenied", "ConsentGranted", "ConsentImported", "ConsentWithdrawn"],
    columns: Columns::Payload,
    tables: &["consents"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
struct Told {
    consent: Record,
    #[serde(default)]
    supersedes: Option<Uuid>,
}

#[derive(Deserialize)]
struct Principal {
    kind: String,
    id: Uuid,
}

#[derive(Deserialize)]
struct Record {
    consent_id: Uuid,
    principal: Principal,
    consent_type: String,
    #[serde(default)]
    purpose_description: Option<String>,
    status: String,
    consent_method: String,
    consent_version: String,
    policy_version_id: Uuid,
    policy_hash: String,
    legal_basis: String,
    data_categories: Box<RawValue>,
    processing_purposes: Box<RawValue>,
    third_party_sharing: bool,
    #[serde(default)]
    retention_period_days: Option<i32>,
    #[serde(default)]
    granted_at: Option<DateTime<Utc>>,
    #[serde(default)]
    withdrawn_at: Option<DateTime<Utc>>,
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    ip_address: Option<String>,
    #[serde(default)]
    user_agent: Option<String>,
    #[serde(default)]
    evidence_data: Option<String>,
    #[serde(default)]
    withdrawal_reason: Option<String>,
    denied_by_signal: bool,
    is_imported: bool,
    created_at: DateTime<Utc>,
}

/// A record after a batch; each event carries all of it.
struct Row {
    record: Record,
    stream_id: String,
    /// Used only where there is no row yet.
    position: u64,
    updated_at: DateTime<Utc>,
    sequence: u64,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut rows: BTreeMap<Uuid, Row> = BTreeMap::new();
    let mut superseded: Vec<(Uuid, DateTime<Utc>)> = Vec::new();
    for event in events {
        let told: BTreeMap<String, Told> = payload(event)?;
        let Some(Told { consent: record, supersedes }) = told.into_values().next() else {
            continue;
        };
        superseded.extend(supersedes.map(|id| (id, event.recorded_at)));
        let position = rows.get(&record.consent_id).map_or(event.position, |begun| begun.position);
        let row = Row {
            stream_id: event.aggregate_id.clone(),
            position,
            updated_at: event.recorded_at,
            sequence: event.sequence,
            record,
        };
        rows.insert(row.record.consent_id, row);
    }
    write(&rows, connection).await?;
    supersede(&superseded, connection).await
}

async fn write(
    rows: &BTreeMap<Uuid, Row>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || rows.values();
    let records = || rows.values().map(|row| &row.record);
    sqlx::query(
        "INSERT INTO consents (consent_id, stream_id, user_id, user_kind, consent_type,
             purpose_description, consent_status, consent_method, consent_version,
             policy_version_id, policy_hash, legal_basis, data_categories, processing_purposes,
             third_party_sharing, retention_period_days, granted_at, withdrawn_at, expires_at,
             ip_address, user_agent, evidence_data, withdrawal_reason, denied_by_signal,
             is_imported, created_at, updated_at, position, sequence)
         SELECT consent_id, stream_id, user_id, user_kind, consent_type, purpose_description,
                consent_status, consent_method, consent_version, policy_version_id, policy_hash,
                legal_basis, data_categories::jsonb, processing_purposes::jsonb,
                third_party_sharing, retention_period_days, granted_at, withdrawn_at, expires_at,
                ip_address, user_agent, evidence_data, withdrawal_reason, denied_by_signal,
                is_imported, created_at, updated_at, position, sequence
         FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[],
             $13::text[], $14::text[], $15::boolean[], $16::integer[], $17::timestamptz[],
             $18::timestamptz[], $19::timestamptz[], $20::text[], $21::text[], $22::text[],
             $23::text[], $24::boolean[], $25::boolean[], $26::timestamptz[], $27::timestamptz[],
             $28::bigint[], $29::bigint[])
             AS c (consent_id, stream_id, user_id, user_kind, consent_type, purpose_description,
                   consent_status, consent_method, consent_version, policy_version_id, policy_hash,
                   legal_basis, data_categories, processing_purposes, third_party_sharing,
                   retention_period_days, granted_at, withdrawn_at, expires_at, ip_address,
                   user_agent, evidence_data, withdrawal_reason, denied_by_signal, is_imported,
                   created_at, updated_at, position, sequence)
         ON CONFLICT (consent_id) DO UPDATE SET
             consent_status = excluded.consent_status, withdrawn_at = excluded.withdrawn_at,
             purpose_description = excluded.purpose_description,
             ip_address = excluded.ip_address, user_agent = excluded.user_agent,
             evidence_data = excluded.evidence_data,
             withdrawal_reason = excluded.withdrawal_reason, updated_at = excluded.updated_at,
             sequence = excluded.sequence",
    )
    .bind(rows.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|row| row.stream_id.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.principal.id).collect::<Vec<_>>())
    .bind(records().map(|it| it.principal.kind.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.consent_type.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.purpose_description.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.status.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.consent_method.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.consent_version.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.policy_version_id).collect::<Vec<_>>())
    .bind(records().map(|it| it.policy_hash.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.legal_basis.as_str()).collect::<Vec<_>>())
    .bind(records().map(|it| it.data_categories.get()).collect::<Vec<_>>())
    .bind(records().map(|it| it.processing_purposes.get()).collect::<Vec<_>>())
    .bind(records().map(|it| it.third_party_sharing).collect::<Vec<_>>())
    .bind(records().map(|it| it.retention_period_days).collect::<Vec<_>>())
    .bind(records().map(|it| it.granted_at).collect::<Vec<_>>())
    .bind(records().map(|it| it.withdrawn_at).collect::<Vec<_>>())
    .bind(records().map(|it| it.expires_at).collect::<Vec<_>>())
    .bind(records().map(|it| it.ip_address.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.user_agent.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.evidence_data.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.withdrawal_reason.as_deref()).collect::<Vec<_>>())
    .bind(records().map(|it| it.denied_by_signal).collect::<Vec<_>>())
    .bind(records().map(|it| it.is_imported).collect::<Vec<_>>())
    .bind(records().map(|it| it.created_at).collect::<Vec<_>>())
    .bind(all().map(|row| row.updated_at).collect::<Vec<_>>())
    .bind(all().map(|row| number(row.position)).collect::<Vec<_>>())
    .bind(all().map(|row| number(row.sequence)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What a later grant made history stays as it is otherwise (CON-07).
async fn supersede(
    superseded: &[(Uuid, DateTime<Utc>)],
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    if superseded.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE consents c SET superseded_at = s.at, updated_at = s.at
         FROM unnest($1::uuid[], $2::timestamptz[]) AS s (id, at) WHERE c.consent_id = s.id",
    )
    .bind(superseded.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(superseded.iter().map(|(_, at)| *at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
