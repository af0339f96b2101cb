//! Rows as statements give them: with the position that they reflect, personal fields still sealed.

use std::borrow::Cow;

use agora_event_store::{
    Opened, Opener, Position, read::from_db, seal::SealedField, vault::VaultError,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize, Serializer};
use sqlx::{FromRow, Row, ValueRef, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::ReadError;

/// A time, written as RFC 3339 in UTC with microseconds (ESX-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, format = DateTime, example = "2026-11-20T12:00:00.123456Z")]
pub struct Instant(pub DateTime<Utc>);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&agora_event_store::read::rfc3339_micros(self.0))
    }
}

/// The place of a row in a list that is sorted by time, newest first; ties fall to the id.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PlaceInTime(pub DateTime<Utc>, pub Uuid);

impl PlaceInTime {
    /// Before the first row.
    pub fn start() -> Self {
        let end_of_time =
            NaiveDate::from_ymd_opt(9999, 12, 31).and_then(|day| day.and_hms_opt(0, 0, 0));
        Self(end_of_time.expect("a day of the calendar").and_utc(), Uuid::max())
    }
}

/// The rows of a statement that gives at least one row, whose first column is the position that
/// all rows reflect, and whose second is null where there is no row but that one.
///
/// One statement has one snapshot: rows and position belong together. Statements write the position
/// as `(SELECT … OFFSET 0) p`: without the `OFFSET`, Postgres would ask for it again with each row.
///
/// # Errors
/// Where a column is missing or of another type.
pub fn with_position<T>(rows: &[PgRow]) -> Result<(Position, Vec<T>), ReadError>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let position = from_db(first.try_get(0)?);
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if !row.try_get_raw(1)?.is_null() {
            found.push(T::from_row(row)?);
        }
    }
    Ok((position, found))
}

/// Sealed fields of many rows, to be opened together.
#[derive(Default)]
pub struct Sealed<'a> {
    fields: Vec<(&'a str, String, Cow<'static, str>, &'a str)>,
}

/// Where a field's value will be; none where the column was null.
#[derive(Clone, Copy)]
pub struct Slot(Option<usize>);

impl<'a> Sealed<'a> {
    /// Adds a column's text with the place that it was sealed for.
    pub fn add(
        &mut self,
        aggregate_type: &'a str,
        aggregate_id: impl ToString,
        field: impl Into<Cow<'static, str>>,
        sealed: Option<&'a str>,
    ) -> Slot {
        Slot(sealed.map(|sealed| {
            self.fields.push((aggregate_type, aggregate_id.to_string(), field.into(), sealed));
            self.fields.len() - 1
        }))
    }

    /// # Errors
    /// Where the vault cannot be asked.
    pub async fn open(self, opener: &Opener) -> Result<Open, VaultError> {
        let fields: Vec<SealedField> = self
            .fields
            .iter()
            .map(|(aggregate_type, aggregate_id, field, sealed)| SealedField {
                aggregate_type,
                aggregate_id,
                field,
                sealed,
            })
            .collect();
        Ok(Open(opener.open_many(&fields).await?))
    }
}

/// Opened fields.
pub struct Open(Vec<Opened>);

impl Open {
    /// The text; `None` where it is null or erased.
    pub fn text(&self, slot: Slot) -> Option<String> {
        slot.0.and_then(|index| self.0.get(index).cloned()).and_then(Opened::into_text)
    }

    /// The name to show: `Anonymous` where there is none, an empty one or an erased one (MEM-02).
    pub fn name(&self, slot: Slot) -> String {
        agora_domain::values::shown_name(self.text(slot).as_deref()).to_owned()
    }
}
