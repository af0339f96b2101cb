//! Events of the log as the person that they are about may read them.
//!
//! Of an event stay its time, its type, what it happened to, and its fields. A sealed value is
//! opened if it is the person's own, and no secret; of whoever else acted, only the kind stays
//! (DXR-12).

use agora_domain::PersonalCategory;
use serde_json::{Map, Value, json};
use sqlx::{Row, postgres::PgRow};

use super::entity::{Own, Person, Place, Record, id, number, text, time};
use crate::exports::document::{Cell, Column};

/// The columns of every entity of events.
pub(super) const COLUMNS: &[Column] = &[
    time("recorded_at", "When"),
    text("event_type", "What", 3),
    text("aggregate_type", "Of", 2),
    text("aggregate_id", "Id", 3),
    number("sequence", "No."),
    text("by", "By", 2),
    text("command", "Command", 2),
    id("session_id", "Session"),
    text("ip_address", "Address", 2),
    text("data", "Data", 6),
];
const IP_ADDRESS: usize = 8;

/// What a statement of events selects, of `log.stream` as `e`.
macro_rules! event_columns {
    () => {
        "e.recorded_at, e.event_type, e.aggregate_type, e.aggregate_id, e.sequence,
         e.payload::text AS payload, e.metadata::text AS metadata, e.event_id"
    };
}
pub(super) use event_columns;

/// Stands for what is stored of a secret: its hash is nobody's business.
const SECRET: &str = "(a secret: only a hash of it is stored)";

impl Person {
    pub(super) fn event(&self, row: &PgRow) -> Result<Record, sqlx::Error> {
        let string = |name: &str| row.try_get::<String, _>(name);
        let parsed = |name: &str| -> Result<Value, sqlx::Error> {
            serde_json::from_str(&string(name)?).map_err(|error| sqlx::Error::Decode(error.into()))
        };
        let (aggregate_type, aggregate_id) = (string("aggregate_type")?, string("aggregate_id")?);
        let (event_type, metadata, mut payload) =
            (string("event_type")?, parsed("metadata")?, parsed("payload")?);
        let mut data = payload.get_mut(&event_type).map_or(Value::Null, Value::take);
        let mut paths = Vec::new();
        self.strip(&mut data, String::new(), &mut paths);
        // A report's figures are its organization's: of it, only the person's own notes are told.
        let is_report = aggregate_type == "bufdir_report";
        if is_report {
            let notes: Map<String, Value> =
                paths.iter().map(|(path, _)| (path.clone(), Value::Null)).collect();
            data = json!({ "notes": notes });
        }
        let place = |path: &str| match is_report {
            true => format!("/notes/{path}"),
            false => format!("/{}", path.replace('.', "/")),
        };
        let mut sealed: Vec<Own> = paths
            .into_iter()
            .map(|(path, text)| Own {
                place: Place::Data(place(&path)),
                aggregate_type: aggregate_type.clone(),
                aggregate_id: aggregate_id.clone(),
                field: path,
                text,
            })
            .collect();
        let ip_address = metadata["ip"].as_str().filter(|text| self.own(text).is_some());
        sealed.extend(ip_address.map(|text| Own {
            place: Place::Cell(IP_ADDRESS),
            aggregate_type: aggregate_type.clone(),
            aggregate_id: aggregate_id.clone(),
            field: "metadata.ip".to_owned(),
            text: text.to_owned(),
        }));
        let actor = metadata["actor"].as_str().unwrap_or("");
        let mine = actor == self.0.to_string();
        // By which command and session somebody else acted is not told.
        let of_mine = |name: &str| match metadata[name].as_str() {
            Some(text) if mine => Cell::text(text),
            _ => Cell::Null,
        };
        let cells = vec![
            Cell::Time(row.try_get("recorded_at")?),
            Cell::Text(event_type),
            Cell::Text(aggregate_type),
            Cell::Text(aggregate_id),
            Cell::Integer(row.try_get("sequence")?),
            Cell::text(if mine { "you" } else { somebody(actor) }),
            of_mine("command_name"),
            of_mine("session"),
            Cell::Null,
        ];
        Ok(Record { cells, data: Some(data), sealed })
    }

    /// Takes out what is not the person's, and gathers by their paths what is sealed and theirs.
    fn strip(&self, value: &mut Value, path: String, own: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) if text.starts_with("sealed:") => match self.own(text) {
                Some(text) if text.category == PersonalCategory::Credential => {
                    *value = SECRET.into();
                }
                Some(_) => {
                    own.push((path, std::mem::take(text)));
                    *value = Value::Null;
                }
                None => *value = Value::Null,
            },
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.strip(item, join(&path, &index.to_string()), own);
                }
            }
            Value::Object(fields) => match actor(fields) {
                Some((kind, id)) if id != self.0.id.to_string() => *value = json!({ "kind": kind }),
                _ => {
                    // Where a file lies is told to nobody (BUF-22).
                    fields.remove("file_path");
                    for (name, item) in fields {
                        self.strip(item, join(&path, name), own);
                    }
                }
            },
            _ => {}
        }
    }
}

/// Who else acted, without saying who.
pub(super) fn somebody(actor: &str) -> &'static str {
    match actor.split_once(':') {
        Some(("admin", _)) => "an admin",
        Some(("member", _)) => "another member",
        Some(("guest", _)) => "a guest",
        _ => "the platform",
    }
}

/// As sealed fields are named; no name of a field holds a dot or a slash.
fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Who an object is, where it is somebody: `{kind, id}`.
fn actor(fields: &Map<String, Value>) -> Option<(String, String)> {
    let (kind, id) = (fields.get("kind")?.as_str()?, fields.get("id")?.as_str()?);
    let is_somebody = matches!(kind, "member" | "admin" | "guest" | "system");
    (fields.len() == 2 && is_somebody).then(|| (kind.to_owned(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use agora_domain::{Actor, ids::MemberId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn dxr_12_of_whoever_else_acted_only_the_kind_stays_and_nothing_of_theirs_is_opened() {
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let person = Person(Actor::member(MemberId(me)));
        let sealed = |category: &str, subject: Uuid| {
            format!("sealed:v1:{category}:{subject}:1:{}:{}", "A".repeat(60), "A".repeat(43))
        };
        let mut data = json!({
            "author": { "kind": "member", "id": me },
            "moderator": { "kind": "admin", "id": other },
            "reason": sealed("content", me),
            "title": sealed("content", other),
            "password_hash": sealed("credential", me),
            "list": [{ "note": sealed("content", me) }],
            "file": { "file_name": "a.zip", "file_path": "exports/a.zip" },
        });
        let mut own = Vec::new();
        person.strip(&mut data, String::new(), &mut own);
        let paths: Vec<&str> = own.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["list.0.note", "reason"]);
        assert_eq!(data["author"]["id"], me.to_string());
        assert_eq!(data["moderator"], json!({ "kind": "admin" }));
        assert_eq!(data["file"], json!({ "file_name": "a.zip" }));
        assert_eq!((&data["title"], &data["password_hash"]), (&Value::Null, &SECRET.into()));
        assert!(!data.to_string().contains(&other.to_string()));
    }
}
