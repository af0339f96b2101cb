//! The call of `log.append`: arrays in, refusals out.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    BatchOutcome, Refused, Submission,
    batch::{Batch, opens},
};
use crate::read;

/// Why a call gave no outcome.
#[derive(Debug)]
pub(super) enum CallError {
    /// The connection is gone: the batch was written or not.
    Lost(sqlx::Error),
    /// The database answered that it cannot; nothing was written.
    Unwilling(sqlx::Error),
    /// An event id is in the log already.
    Written,
    /// Some unit's data is bad; the SQLSTATE.
    Data(String),
}

#[derive(Default)]
struct Arrays<'a> {
    event_unit: Vec<i32>,
    event_id: Vec<Uuid>,
    aggregate_type: Vec<&'static str>,
    aggregate_id: Vec<&'a str>,
    sequence: Vec<i64>,
    opens: Vec<bool>,
    event_type: Vec<&'static str>,
    event_version: Vec<&'a str>,
    payload: Vec<&'a str>,
    metadata: Vec<&'a str>,
    guard_unit: Vec<i32>,
    guard_key: Vec<i64>,
    guard_known: Vec<i64>,
    take_unit: Vec<i32>,
    take_scope: Vec<&'static str>,
    take_key: Vec<&'a str>,
    take_id: Vec<&'a str>,
    release_unit: Vec<i32>,
    release_scope: Vec<&'static str>,
    release_id: Vec<&'a str>,
    receipt_unit: Vec<i32>,
    receipt_principal: Vec<&'a str>,
    receipt_key: Vec<&'a str>,
    receipt_hmac: Vec<&'a [u8]>,
    receipt_reply: Vec<&'a str>,
    resent_unit: Vec<i32>,
}

impl<'a> Arrays<'a> {
    fn of(batch: &'a Batch, resent: bool) -> Self {
        let mut arrays = Self::default();
        for (number, Submission { unit, is_checked, .. }) in (1..).zip(&batch.units) {
            for (index, event) in unit.events.iter().enumerate() {
                let opens = opens(unit, index);
                arrays.event_unit.push(number);
                arrays.event_id.push(event.event_id);
                arrays.aggregate_type.push(event.stream.aggregate_type);
                arrays.aggregate_id.push(&event.stream.aggregate_id);
                arrays.sequence.push(read::to_db(event.sequence));
                arrays.opens.push(opens && !is_checked);
                if opens && *is_checked {
                    arrays.guard_unit.push(number);
                    arrays.guard_key.push(event.stream.key());
                    arrays.guard_known.push(read::to_db(batch.cached));
                }
                arrays.event_type.push(event.event_type);
                arrays.event_version.push(event.event_version);
                arrays.payload.push(&event.payload);
                arrays.metadata.push(&event.metadata);
            }
            for guard in &unit.guards {
                arrays.guard_unit.push(number);
                arrays.guard_key.push(guard.key);
                arrays.guard_known.push(read::to_db(guard.known));
            }
            for claim in &unit.takes {
                arrays.take_unit.push(number);
                arrays.take_scope.push(claim.scope);
                arrays.take_key.push(&claim.key);
                arrays.take_id.push(&claim.aggregate_id);
            }
            for claim in &unit.releases {
                arrays.release_unit.push(number);
                arrays.release_scope.push(claim.scope);
                arrays.release_id.push(&claim.aggregate_id);
            }
            if let Some(receipt) = &unit.receipt {
                arrays.receipt_unit.push(number);
                arrays.receipt_principal.push(&receipt.principal);
                arrays.receipt_key.push(&receipt.idempotency_key);
                arrays.receipt_hmac.push(&receipt.request_hmac);
                arrays.receipt_reply.push(&receipt.reply);
            }
            if resent || unit.may_be_written {
                arrays.resent_unit.push(number);
            }
        }
        arrays
    }
}

pub(super) async fn append(
    connection: &mut PgConnection,
    batch: &Batch,
    resent: bool,
) -> Result<BatchOutcome, CallError> {
    let arrays = Arrays::of(batch, resent);
    let row = sqlx::query(
        "SELECT head, recorded_at, refused_unit, refused_why, refused_detail
         FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                         $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)",
    )
    .bind(read::to_db(batch.known))
    .bind(arrays.event_unit)
    .bind(arrays.event_id)
    .bind(arrays.aggregate_type)
    .bind(arrays.aggregate_id)
    .bind(arrays.sequence)
    .bind(arrays.opens)
    .bind(arrays.event_type)
    .bind(arrays.event_version)
    .bind(arrays.payload)
    .bind(arrays.metadata)
    .bind(arrays.guard_unit)
    .bind(arrays.guard_key)
    .bind(arrays.guard_known)
    .bind(arrays.take_unit)
    .bind(arrays.take_scope)
    .bind(arrays.take_key)
    .bind(arrays.take_id)
    .bind(arrays.release_unit)
    .bind(arrays.release_scope)
    .bind(arrays.release_id)
    .bind(arrays.receipt_unit)
    .bind(arrays.receipt_principal)
    .bind(arrays.receipt_key)
    .bind(arrays.receipt_hmac)
    .bind(arrays.receipt_reply)
    .bind(arrays.resent_unit)
    .fetch_one(connection)
    .await
    .map_err(classify)?;
    outcome(&row).map_err(CallError::Lost)
}

fn outcome(row: &sqlx::postgres::PgRow) -> Result<BatchOutcome, sqlx::Error> {
    let head: i64 = row.try_get("head")?;
    let recorded_at: DateTime<Utc> = row.try_get("recorded_at")?;
    let units: Vec<i32> = row.try_get("refused_unit")?;
    let whys: Vec<String> = row.try_get("refused_why")?;
    let details: Vec<Option<String>> = row.try_get("refused_detail")?;
    let refused = units
        .into_iter()
        .zip(whys)
        .zip(details)
        .map(|((unit, why), detail)| Refused {
            unit: usize::try_from(unit).unwrap_or_default(),
            why,
            detail,
        })
        .collect();
    Ok(BatchOutcome { head: read::from_db(head), recorded_at, refused })
}

/// Tells the unit's fault from the database's. Class 22 is bad data, 23 a broken constraint, 54 a
/// text that is too long for an index, 21 a receipt that stands twice in one call; 57 and 08 end the
/// connection; the rest says "not now".
fn classify(error: sqlx::Error) -> CallError {
    let sqlx::Error::Database(database) = &error else {
        return match error {
            // What could not even be encoded never left.
            sqlx::Error::Encode(_) => CallError::Data("22000".into()),
            _ => CallError::Lost(error),
        };
    };
    let state = database.code().unwrap_or_default().into_owned();
    if state == "23505" && database.constraint() == Some("events_event_id_key") {
        return CallError::Written;
    }
    match state.get(..2) {
        Some("21" | "22" | "23" | "54") => CallError::Data(state),
        Some("08" | "57") => CallError::Lost(error),
        // An older restore may lack what the function needs; anything else too is not the unit's.
        _ => CallError::Unwilling(error),
    }
}
