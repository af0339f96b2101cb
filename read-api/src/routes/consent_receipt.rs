//! The receipt of a consent (CON-14): a record and what became of it, in the terms of ISO/IEC TS 27560,
//! as JSON that the person keeps.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::consents::{self, ConsentShown};
use crate::{app::Shared, error::ReadError, request::Read, rows::Instant};

/// A consent receipt after ISO/IEC TS 27560:2023.
#[derive(Serialize, ToSchema)]
pub struct ConsentReceipt {
    receipt_metadata: ReceiptMetadata,
    consent_record: ReceiptRecord,
    pii_processing: ReceiptProcessing,
    party_identification: Vec<ReceiptParty>,
    /// What happened, in its order.
    event: Vec<ReceiptEvent>,
}

/// Which receipt this is.
#[derive(Serialize, ToSchema)]
pub struct ReceiptMetadata {
    /// The same for the same record in the same state.
    receipt_id: Uuid,
    #[schema(example = "ISO/IEC TS 27560:2023")]
    schema_version: &'static str,
}

/// Which record it is of.
#[derive(Serialize, ToSchema)]
pub struct ReceiptRecord {
    #[schema(example = "ISO/IEC TS 27560:2023")]
    schema_version: &'static str,
    record_id: Uuid,
    /// The person, by an opaque id.
    pii_principal_id: Uuid,
}

/// What is done with which data, and what was shown of it.
#[derive(Serialize, ToSchema)]
pub struct ReceiptProcessing {
    privacy_notice: ReceiptNotice,
    /// Of the notice and of what was asked; `und` where nobody said (BCP 47).
    #[schema(example = "und")]
    language: &'static str,
    purposes: Vec<ReceiptPurpose>,
}

/// The policy that was shown.
#[derive(Serialize, ToSchema)]
pub struct ReceiptNotice {
    version: String,
    /// SHA-256 of its text.
    content_hash: String,
    /// Where it is read.
    location: String,
}

/// A purpose.
#[derive(Serialize, ToSchema)]
pub struct ReceiptPurpose {
    #[schema(value_type = Vec<String>)]
    purpose: Value,
    /// What the person read; null where it was erased.
    purpose_description: Option<String>,
    purpose_type: String,
    lawful_basis: String,
    #[schema(value_type = Vec<String>)]
    pii_categories: Value,
    collection_method: String,
    storage_locations: Vec<&'static str>,
    /// Null: for as long as the consent holds.
    retention_period_days: Option<i32>,
    jurisdiction: &'static str,
    recipient_third_parties: &'static str,
    withdrawal_method: &'static str,
    valid_until: Option<Instant>,
}

/// Who takes part.
#[derive(Serialize, ToSchema)]
pub struct ReceiptParty {
    /// `pii_controller` or `pii_principal`.
    party_type: &'static str,
    /// Null where the operator has not said who answers.
    party_name: Option<String>,
}

/// Something that happened to the consent.
#[derive(Serialize, ToSchema)]
pub struct ReceiptEvent {
    event_time: Instant,
    /// `explicit_opt_in` and the like, `denial`, `withdrawal`, `expiry`.
    event_type: String,
    /// `consent_given`, `consent_refused`, `consent_withdrawn` or `consent_expired`.
    event_state: &'static str,
    /// Whether the consent holds after it.
    validity: bool,
    entity_id: Uuid,
}

const SCHEMA: &str = "ISO/IEC TS 27560:2023";

fn events(consent: &ConsentShown) -> Vec<ReceiptEvent> {
    let row = &consent.row;
    let entity_id = row.user_id;
    let event = |event_time, event_type: &str, event_state, validity| ReceiptEvent {
        event_time,
        event_type: event_type.to_owned(),
        event_state,
        validity,
        entity_id,
    };
    let mut events = Vec::new();
    match row.granted_at {
        Some(granted_at) => {
            let method = row.consent_method.to_lowercase();
            events.push(event(granted_at, &method, "consent_given", row.valid_consent));
        }
        None => events.push(event(row.created_at, "denial", "consent_refused", false)),
    }
    if let Some(withdrawn_at) = row.withdrawn_at {
        events.push(event(withdrawn_at, "withdrawal", "consent_withdrawn", false));
    }
    if let Some(expires_at) = row.expires_at.filter(|_| row.consent_status == "EXPIRED") {
        events.push(event(expires_at, "expiry", "consent_expired", false));
    }
    events
}

/// Gives the receipt of a consent, after ISO/IEC TS 27560; for admins and auditors anybody's.
#[utoipa::path(get, path = "/v1/consents/{id}/receipt", tag = "Compliance",
    params(("id" = Uuid, Path, description = "The record's id")),
    responses((status = 200, description = "The receipt", body = ConsentReceipt), (status = 304),
              (status = 404)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    let (position, consent) = consents::find(&app, &read, "/v1/consents/{id}/receipt").await?;
    let events = events(&consent);
    let row = consent.row;
    let state = format!("{}/{}", row.sequence, row.consent_status);
    let receipt = ConsentReceipt {
        receipt_metadata: ReceiptMetadata {
            receipt_id: Uuid::new_v5(&row.consent_id, state.as_bytes()),
            schema_version: SCHEMA,
        },
        consent_record: ReceiptRecord {
            schema_version: SCHEMA,
            record_id: row.consent_id,
            pii_principal_id: row.user_id,
        },
        pii_processing: ReceiptProcessing {
            privacy_notice: ReceiptNotice {
                location: format!("/v1/policies/{}", row.consent_version),
                version: row.consent_version,
                content_hash: row.policy_hash,
            },
            language: "und",
            purposes: vec![ReceiptPurpose {
                purpose: row.processing_purposes.0,
                purpose_description: consent.purpose_description,
                purpose_type: row.consent_type,
                lawful_basis: row.legal_basis,
                pii_categories: row.data_categories.0,
                collection_method: row.consent_method,
                storage_locations: vec!["the database of the controller"],
                retention_period_days: row.retention_period_days,
                jurisdiction: "GDPR",
                recipient_third_parties: match row.third_party_sharing {
                    true => "third parties, as the notice names them",
                    false => "none",
                },
                withdrawal_method: "POST /v1/commands/withdraw-consent, or the settings of the client",
                valid_until: row.expires_at,
            }],
        },
        party_identification: vec![
            ReceiptParty { party_type: "pii_controller", party_name: app.controller.clone() },
            ReceiptParty { party_type: "pii_principal", party_name: Some(row.user_id.to_string()) },
        ],
        event: events,
    };
    Ok(read.object(position, &receipt))
}
