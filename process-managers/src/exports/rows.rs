//! Rows of the database as cells.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Column as _, Decode, Postgres, Row, TypeInfo, postgres::PgRow};
use uuid::Uuid;

use super::document::Cell;

/// The first columns of a row, by what the statement says they are; sealed text as it is.
pub fn cells(row: &PgRow, columns: usize) -> Result<Vec<Cell>, sqlx::Error> {
    let mut cells = Vec::with_capacity(columns);
    for index in 0..columns {
        cells.push(cell(row, index)?);
    }
    Ok(cells)
}

fn cell(row: &PgRow, index: usize) -> Result<Cell, sqlx::Error> {
    let cell = match row.column(index).type_info().name() {
        "TEXT" => known::<String>(row, index)?.map(Cell::Text),
        "UUID" => known::<Uuid>(row, index)?.map(Cell::Id),
        "TIMESTAMPTZ" => known::<DateTime<Utc>>(row, index)?.map(Cell::Time),
        "INT8" => known::<i64>(row, index)?.map(Cell::Integer),
        "INT4" => known::<i32>(row, index)?.map(|number| Cell::Integer(number.into())),
        "BOOL" => known::<bool>(row, index)?.map(Cell::Boolean),
        "DATE" => known::<NaiveDate>(row, index)?.map(|day| Cell::Text(day.to_string())),
        "TEXT[]" => known::<Vec<String>>(row, index)?.map(|texts| Cell::Text(texts.join(" "))),
        // Another type is an error here, which the test that runs every statement sees.
        _ => row.try_get::<Option<String>, _>(index)?.map(Cell::Text),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

/// A value of the type that its column was seen to have.
fn known<'r, T: Decode<'r, Postgres>>(
    row: &'r PgRow,
    index: usize,
) -> Result<Option<T>, sqlx::Error> {
    row.try_get_unchecked(index)
}
