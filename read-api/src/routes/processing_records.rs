//! The record of processing (Art. 30 GDPR), from the catalogue of personal fields (LAW-07).

use agora_domain::exports::catalogue::{self, FIELDS, Form, LegalBasis};
use agora_event_store::read;
use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::Shared, error::ReadError, freshness::fresh, request::Read};

/// What personal data is processed here, and why.
#[derive(Serialize, ToSchema)]
pub struct ProcessingRecord {
    /// Who answers for it, and how they are reached; null where the operator has not said.
    controller: Option<String>,
    /// Kinds of people whose data it is.
    #[schema(value_type = Vec<String>)]
    data_subjects: [&'static str; 3],
    /// How the data is kept safe (Art. 32).
    #[schema(value_type = Vec<String>)]
    security_measures: [&'static str; 4],
    activities: Vec<Activity>,
}

/// Fields of an entity that are processed alike.
#[derive(Serialize, ToSchema)]
pub struct Activity {
    #[schema(example = "post")]
    entity: &'static str,
    /// By their paths in the entity's events, or the columns of its table.
    #[schema(value_type = Vec<String>)]
    fields: &'static [&'static str],
    /// `sealed`, `pseudonymous`, `keyed_hash` or `clear`.
    #[schema(value_type = String)]
    form: Form,
    /// By which somebody may ask for it.
    #[schema(example = "posts")]
    data_category: &'static str,
    purpose: &'static str,
    #[schema(value_type = String)]
    legal_basis: LegalBasis,
    retention: &'static str,
    recipients: &'static str,
    #[schema(value_type = Vec<String>)]
    stored_in: Vec<&'static str>,
}

/// Shows the record of processing: every personal field with its purpose, ground, retention and
/// recipients.
#[utoipa::path(get, path = "/v1/processing-records", tag = "Audit",
    responses((status = 200, description = "The record", body = ProcessingRecord),
              (status = 304)))]
pub async fn show(State(app): State<Shared>, read: Read) -> Result<Response, ReadError> {
    // It is of the code, which is as new as it is at every position.
    let (position, ()) = fresh(&app.projected, read.freshness, || async {
        let mut connection = app.reads.acquire().await?;
        Ok((read::head(&mut connection).await?, ()))
    })
    .await?;
    let activities = FIELDS.iter().map(|line| Activity {
        entity: line.entity,
        fields: line.fields,
        form: line.form,
        data_category: line.data_category.as_str(),
        purpose: line.processing.purpose,
        legal_basis: line.processing.legal_basis,
        retention: line.processing.retention,
        recipients: line.processing.recipients,
        stored_in: catalogue::stored_in(line.entity),
    });
    let record = ProcessingRecord {
        controller: app.controller.clone(),
        data_subjects: ["members", "admins", "guests, of whom nothing is known but a signature"],
        security_measures: [
            "Personal values are sealed with a key of the person's in every copy (docs/sealing.md)",
            "Keys are in a vault of their own, wrapped by a master key that is in no database",
            "Who may read what is one table, deny by default; refusals and audits are recorded",
            "The log refuses every change and deletion; services own no table",
        ],
        activities: activities.collect(),
    };
    Ok(read.object(position, &record))
}
