//! What an entity of the bundle is: a statement, what its columns mean, and which of them are sealed.

use agora_domain::{Actor, exports::export_values::DataCategory};
use agora_event_store::{
    Opened,
    seal::{SealedField, SealedText},
};
use serde_json::Value;
use sqlx::{Column as _, Row, postgres::PgRow};
use uuid::Uuid;

use crate::exports::{
    document::{
        Cell, Column,
        ColumnKind::{Integer, Text, Time},
    },
    rows::cells,
};

/// One kind of thing that is stored about somebody: a table of the bundle's document.
pub(super) struct Entity {
    /// As files and keys are named: `posts`.
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    pub(super) category: DataCategory,
    /// In the order of the statement's columns, under the same names. What the statement gives after
    /// them is not written: by it, sealed columns say where they come from.
    pub(super) columns: &'static [Column],
    /// Of the person whose kind (`member`, `admin`) is $1 and whose id is $2; of events, none after
    /// the position $3.
    pub(super) statement: &'static str,
    pub(super) rows: Rows,
}

/// What the rows of a statement are.
#[derive(Clone, Copy)]
pub(super) enum Rows {
    /// Rows of a table, with columns that may be sealed.
    Records(&'static [Sealed]),
    /// Events of the log: see [`super::events`].
    Events,
    /// Events of the log that somebody was written to about: see [`super::mails`].
    Mails,
    /// Entries of the security audit log: see [`super::audit_entries`]. The statement's one parameter is what
    /// they are found by.
    AuditEntries,
}

/// A column of sealed text, and the place that it was sealed for.
pub(super) struct Sealed {
    pub(super) column: &'static str,
    /// The column with the type of the aggregate, where it is not always the same.
    pub(super) aggregate_type: Type,
    /// The column with the aggregate's id.
    pub(super) aggregate_id: &'static str,
    pub(super) field: &'static str,
}

pub(super) enum Type {
    Is(&'static str),
    StandsIn(&'static str),
}

pub(super) const fn sealed(
    column: &'static str,
    aggregate_type: &'static str,
    aggregate_id: &'static str,
    field: &'static str,
) -> Sealed {
    Sealed { column, aggregate_type: Type::Is(aggregate_type), aggregate_id, field }
}

pub(super) const fn text(name: &'static str, title: &'static str, weight: u16) -> Column {
    Column::new(name, title, Text, weight)
}

/// The id of a thing.
pub(super) const fn id(name: &'static str, title: &'static str) -> Column {
    Column::new(name, title, Text, 3)
}

pub(super) const fn time(name: &'static str, title: &'static str) -> Column {
    Column::new(name, title, Time, 2)
}

pub(super) const fn number(name: &'static str, title: &'static str) -> Column {
    Column::new(name, title, Integer, 1)
}

/// A row on its way out.
pub(super) struct Record {
    pub(super) cells: Vec<Cell>,
    /// What the last cell is to hold, as JSON.
    pub(super) data: Option<Value>,
    /// The person's own sealed values: which cell each is of, and where it comes from.
    pub(super) sealed: Vec<Own>,
}

/// A sealed value of the person's own.
pub(super) struct Own {
    pub(super) place: Place,
    pub(super) aggregate_type: String,
    pub(super) aggregate_id: String,
    pub(super) field: String,
    pub(super) text: String,
}

/// Where an opened value goes.
pub(super) enum Place {
    Cell(usize),
    /// Into the record's data: a JSON pointer.
    Data(String),
}

impl Record {
    /// Puts an opened value in its place; what was erased stays null.
    pub(super) fn put(&mut self, place: &Place, opened: Opened) {
        let Opened::Value(value) = opened else { return };
        match place {
            Place::Cell(index) => {
                self.cells[*index] = match value {
                    Value::String(text) => Cell::Text(text),
                    other => Cell::Text(other.to_string()),
                };
            }
            Place::Data(pointer) => {
                if let Some(hole) = self.data.as_mut().and_then(|data| data.pointer_mut(pointer)) {
                    *hole = value;
                }
            }
        }
    }

    pub(super) fn into_cells(mut self) -> Vec<Cell> {
        self.cells.extend(self.data.map(|data| Cell::Text(data.to_string())));
        self.cells
    }
}

impl Own {
    pub(super) fn field(&self) -> SealedField<'_> {
        SealedField {
            aggregate_type: &self.aggregate_type,
            aggregate_id: &self.aggregate_id,
            field: &self.field,
            sealed: &self.text,
        }
    }
}

/// Whose data it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person(pub(super) Actor);

impl Person {
    /// The sealed text, if it is the person's own: what was sealed for somebody else is never opened
    /// for them, whatever statement brought it here (DXR-12).
    pub(super) fn own(&self, text: &str) -> Option<SealedText> {
        SealedText::parse(text)
            .filter(|text| text.subject.as_str().parse::<Uuid>().is_ok_and(|id| id == self.0.id))
    }

    /// A row of a table.
    pub(super) fn record(
        &self,
        entity: &Entity,
        sealed: &[Sealed],
        row: &PgRow,
    ) -> Result<Record, sqlx::Error> {
        let names = row.columns().iter().map(|column| column.name());
        debug_assert!(
            names.zip(entity.columns).all(|(given, column)| given == column.name),
            "of {}",
            entity.name
        );
        let mut cells = cells(row, entity.columns.len())?;
        let mut own = Vec::new();
        for sealed in sealed {
            let index = row
                .columns()
                .iter()
                .position(|column| column.name() == sealed.column)
                .ok_or_else(|| sqlx::Error::ColumnNotFound(sealed.column.to_owned()))?;
            let Cell::Text(text) = std::mem::replace(&mut cells[index], Cell::Null) else {
                continue;
            };
            if self.own(&text).is_none() {
                continue;
            }
            let aggregate_type = match sealed.aggregate_type {
                Type::Is(name) => Some(name.to_owned()),
                Type::StandsIn(column) => row.try_get(column)?,
            };
            let Some(aggregate_type) = aggregate_type else { continue };
            let aggregate_id = row.try_get::<String, _>(sealed.aggregate_id)?;
            let (place, field) = (Place::Cell(index), sealed.field.to_owned());
            own.push(Own { place, aggregate_type, aggregate_id, field, text });
        }
        Ok(Record { cells, data: None, sealed: own })
    }
}
