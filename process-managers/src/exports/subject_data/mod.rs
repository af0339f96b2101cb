//! Everything that is stored about a person (Art. 15 and 20 GDPR): read from the read tables, the
//! record tables and the log in one snapshot, opened with the person's own keys, written as a bundle.
//!
//! What an entity holds and how it is found stands in [`entities`], a file a category. Three things
//! keep what is others' out of it (DXR-12): statements select what is of the person or about them;
//! a sealed value is opened only if it was sealed for the person; of whoever else acted in an event
//! only the kind is told. Ids of posts, comments and communities of others stay, where the person
//! answered, joined or voted: they name things.

mod article_15;
mod audit_entries;
mod bundle;
mod entities;
mod entity;
mod events;
mod mails;

pub use bundle::{PDF_ROWS, SCHEMA, SCHEMA_VERSION, write};

use agora_domain::{Actor, exports::export_values::DataCategory};
use agora_event_store::{Opener, Position, read::to_db, vault::VaultError};
use futures::TryStreamExt;
use sqlx::{Postgres, Transaction};

use crate::exports::{
    document::{Cell, Table},
    formats::FormatError,
};
use entity::{Entity, Person, Record, Rows};

/// Rows that are opened together.
const BATCH: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum SubjectDataError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("the file cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct SubjectExport {
    pub subject: Actor,
    /// Nothing of other categories is in the bundle.
    pub categories: Vec<DataCategory>,
    /// Whether the bundle has its data as XML, too.
    pub has_xml: bool,
}

impl SubjectExport {
    fn entities(&self) -> impl Iterator<Item = &'static Entity> {
        entities::all().filter(|entity| self.categories.contains(&entity.category))
    }

    /// The statements that find the rows, to compare with: `$1` is the person's kind, `$2` its id, `$3` the
    /// position.
    pub fn statements(&self) -> impl Iterator<Item = &'static str> {
        self.entities().map(|entity| entity.statement)
    }
}

/// One state of everything: what a position of the log gives, no more and no less. A transaction that
/// reads repeatably, begun when the tables had reached the position.
pub struct Snapshot<'c> {
    pub transaction: Transaction<'c, Postgres>,
    pub position: Position,
}

impl Snapshot<'_> {
    /// Gives each row of an entity, in groups between which `between` may wait.
    async fn rows(
        &mut self,
        opener: &Opener,
        person: &Person,
        entity: &Entity,
        mut each: impl FnMut(&[Cell]) -> Result<(), SubjectDataError>,
        mut between: impl AsyncFnMut() -> Result<(), SubjectDataError>,
    ) -> Result<(), SubjectDataError> {
        if let Rows::AuditEntries = entity.rows {
            return self.audit_entries(opener.vault(), person, entity, each, between).await;
        }
        // Not kept: a plan for this person, which knows whether it is a member.
        let mut rows = sqlx::query(entity.statement)
            .persistent(false)
            .bind(person.0.kind.as_str())
            .bind(person.0.id)
            .bind(to_db(self.position))
            .fetch(&mut *self.transaction);
        let mut records = Vec::with_capacity(BATCH);
        loop {
            let row = rows.try_next().await?;
            let is_end = row.is_none();
            if let Some(row) = row {
                match entity.rows {
                    Rows::Records(sealed) => records.push(person.record(entity, sealed, &row)?),
                    Rows::Events => records.push(person.event(&row)?),
                    Rows::Mails => records.extend(person.mails(&row)?),
                    // Taken care of above.
                    Rows::AuditEntries => {}
                }
            }
            if is_end || records.len() >= BATCH {
                open(opener, &mut records).await?;
                for record in records.drain(..) {
                    each(&record.into_cells())?;
                }
                between().await?;
            }
            if is_end {
                return Ok(());
            }
        }
    }
}

/// Opens what is sealed in records, with one question to the vault: what was erased a moment ago must
/// not be in a file that is kept.
async fn open(opener: &Opener, records: &mut [Record]) -> Result<(), VaultError> {
    let sealed: Vec<_> = records.iter().flat_map(|record| &record.sealed).collect();
    if sealed.is_empty() {
        return Ok(());
    }
    let fields: Vec<_> = sealed.into_iter().map(|own| own.field()).collect();
    let mut opened = opener.open_many_now(&fields).await?.into_iter();
    for record in records {
        for own in std::mem::take(&mut record.sealed) {
            let Some(opened) = opened.next() else { return Ok(()) };
            record.put(&own.place, opened);
        }
    }
    Ok(())
}

/// The read tables that the statements name.
pub fn tables() -> Vec<&'static str> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "._".contains(character);
    let mut tables: Vec<&str> = entities::all()
        .flat_map(|entity| entity.statement.split(move |character| !is_name(character)))
        .filter_map(|word| word.strip_prefix("read."))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

impl Entity {
    fn table(&self) -> Table {
        let (name, title) = (self.name.to_owned(), self.title.to_owned());
        Table { name, title, columns: self.columns.to_vec() }
    }
}

#[cfg(test)]
mod tests;
