//! A person's entries of the security audit log. They are found by a keyed hash and sealed as a whole, so
//! they are opened otherwise than what else is stored.

use agora_domain::PersonalCategory;
use agora_event_store::{
    Vault,
    security_audit::{Opened, Row, index_of_user, open},
    vault::{KeyName, SubjectKey},
};
use futures::TryStreamExt;

use super::{
    Snapshot, SubjectDataError,
    entity::{Entity, Person},
};
use crate::exports::document::Cell;

/// Entries that are opened together.
const BATCH: usize = 500;

impl Snapshot<'_> {
    /// Gives each entry of the person's, the newest first.
    pub(super) async fn audit_entries(
        &mut self,
        vault: &Vault,
        person: &Person,
        entity: &Entity,
        mut each: impl FnMut(&[Cell]) -> Result<(), SubjectDataError>,
        mut between: impl AsyncFnMut() -> Result<(), SubjectDataError>,
    ) -> Result<(), SubjectDataError> {
        let name: KeyName = (person.0.subject(), PersonalCategory::Network);
        let mut keys = vault.look_up(std::slice::from_ref(&name)).await?;
        let Some(SubjectKey::Present(key)) = keys.remove(&name) else { return Ok(()) };
        let mut rows = sqlx::query_as::<_, Row>(entity.statement)
            .persistent(false)
            .bind(index_of_user(&key))
            .fetch(&mut *self.transaction);
        loop {
            let mut batch: Vec<Row> = Vec::with_capacity(BATCH);
            while batch.len() < BATCH
                && let Some(row) = rows.try_next().await?
            {
                batch.push(row);
            }
            let opened = open(vault, &batch).await?;
            for (row, opened) in batch.iter().zip(opened) {
                // Of nobody else, should two hashes ever be the same.
                if let Some(opened) = opened.filter(|opened| opened.user == Some(person.0.id)) {
                    each(&cells(row, opened))?;
                }
            }
            between().await?;
            if batch.len() < BATCH {
                return Ok(());
            }
        }
    }
}

/// In the order of the entity's columns.
fn cells(row: &Row, opened: Opened) -> [Cell; 12] {
    let text = |text: Option<String>| text.map_or(Cell::Null, Cell::Text);
    [
        Cell::Text(row.log_id.to_string()),
        Cell::Time(row.recorded_at),
        Cell::Text(row.event_type.clone()),
        Cell::Text(row.event_result.clone()),
        text(row.endpoint.clone()),
        row.response_code.map_or(Cell::Null, |code| Cell::Integer(code.into())),
        text(opened.ip.map(|address| address.to_string())),
        text(opened.country),
        text(opened.user_agent),
        text(opened.referrer),
        text(opened.headers),
        text(opened.session),
    ]
}
