//! Mails, from the events that they were about: none is kept once it is sent, but where mails are
//! files. What they say is the same for everybody, but for a token, which is a secret.

use agora_domain::process_managers::mail::MailKind;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::entity::{Own, Person, Place, Record, id, text, time};
use crate::exports::document::{Cell, Column};

pub(super) const COLUMNS: &[Column] =
    &[id("id", "Id"), time("caused_at", "When"), text("about", "About", 4), text("to", "To", 4)];
const TO: usize = 3;

impl Person {
    /// The mails that an event of one of the person's own streams caused.
    pub(super) fn mails(&self, row: &PgRow) -> Result<Vec<Record>, sqlx::Error> {
        let event_type: String = row.try_get("event_type")?;
        let kinds = MailKind::of(&event_type);
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        let event_id: Uuid = row.try_get("event_id")?;
        let payload: String = row.try_get("payload")?;
        let payload: serde_json::Value =
            serde_json::from_str(&payload).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let mails = kinds.iter().map(|kind| {
            // To another address than the one that is in use.
            let field = match kind {
                MailKind::ConfirmNewEmail => Some("email"),
                MailKind::EmailChanged => Some("previous"),
                _ => None,
            };
            let text = field.and_then(|field| payload[&event_type][field].as_str());
            let own = text.filter(|text| self.own(text).is_some());
            let sealed = own.zip(field).map(|(text, field)| {
                Ok::<_, sqlx::Error>(Own {
                    place: Place::Cell(TO),
                    aggregate_type: row.try_get("aggregate_type")?,
                    aggregate_id: row.try_get("aggregate_id")?,
                    field: field.to_owned(),
                    text: text.to_owned(),
                })
            });
            let cells = vec![
                Cell::Text(kind.mail_id(event_id).to_string()),
                Cell::Time(row.try_get("recorded_at")?),
                Cell::text(kind.as_str()),
                if field.is_some() { Cell::Null } else { Cell::text("the address in use then") },
            ];
            Ok(Record { cells, data: None, sealed: sealed.transpose()?.into_iter().collect() })
        });
        mails.collect()
    }
}
