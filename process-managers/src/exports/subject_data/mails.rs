//! Mails, from the events that they were about: none is kept once it is sent, but where mails are
//! files. What they say is the same for everybody, but for a token, which is a secret.

use agora_domain::process_managers::mail::MailKind;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    entity::{Own, Person, Record, id, text, time},
    events,
};
use crate::exports::document::{Cell, Column};

pub(super) const COLUMNS: &[Column] =
    &[id("id", "Id"), time("caused_at", "When"), text("about", "About", 4), text("to", "To", 4)];
const TO: usize = 3;
