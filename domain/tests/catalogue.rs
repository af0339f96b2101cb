//! LAW-07: no personal field is stored that the catalogue does not know. Two ways to find them, so
//! that one that a fixture forgets is found in the source: the stored events, opened, and the events
//! as the sources declare them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use agora_domain::{
    exports::catalogue::{FIELDS, Form},
    registry::AGGREGATES,
};
use serde_json::Value;

/// A field by entity and path.
type Name = (String, String);

fn listed(form: impl Fn(Form) -> bool) -> BTreeSet<Name> {
    let lines = FIELDS.iter().filter(|line| form(line.form));
    lines
        .flat_map(|line| line.fields.iter().map(|field| (line.entity.into(), (*field).into())))
        .collect()
}

fn aggregate_of(event_type: &str) -> &'static str {
    let of = AGGREGATES.iter().find(|it| it.events.iter().any(|(name, _)| *name == event_type));
    of.map_or("an unknown aggregate", |it| it.aggregate_type)
}

#[derive(Default)]
struct Found {
    sealed: BTreeSet<Name>,
    /// Who acted, or whose a thing is.
    actors: BTreeSet<Name>,
}

impl Found {
    fn walk(&mut self, entity: &str, path: &str, value: &Value) {
        match value {
            Value::Object(fields) if fields.contains_key("$personal") => {
                self.sealed.insert((entity.into(), path.into()));
            }
            Value::Object(fields)
                if fields.len() == 2
                    && fields.contains_key("kind")
                    && fields.contains_key("id") =>
            {
                self.actors.insert((entity.into(), path.into()));
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.walk(entity, &path, value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(entity, path, item)),
            _ => {}
        }
    }
}

fn found() -> Found {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stored_events");
    let mut found = Found::default();
    for event in fs::read_dir(folder).expect("the folder is there") {
        let event = event.expect("a folder can be listed").path();
        for file in fs::read_dir(event).expect("an event has a folder") {
            let file = file.expect("a folder can be listed").path();
            let text = fs::read_to_string(file).expect("a fixture is text");
            let stored: BTreeMap<String, Value> =
                serde_json::from_str(&text).expect("a fixture is JSON");
            for (event_type, payload) in stored {
                found.walk(aggregate_of(&event_type), "", &payload);
            }
        }
    }
    found
}

#[test]
fn law_07_every_personal_field_of_every_stored_event_is_in_the_catalogue() {
    let (found, listed) = (found(), listed(|form| form == Form::Sealed));
    let missing: Vec<_> = found.sealed.difference(&listed).collect();
    assert!(missing.is_empty(), "not in domain/src/exports/catalogue/fields.rs: {missing:?}");
    let is_event = |(entity, _): &&Name| AGGREGATES.iter().any(|it| it.aggregate_type == entity);
    let gone: Vec<_> = listed.difference(&found.sealed).filter(is_event).collect();
    assert!(gone.is_empty(), "in the catalogue, and in no stored event: {gone:?}");
}

#[test]
fn law_07_everybody_whom_an_event_names_is_in_the_catalogue() {
    let (found, listed) = (found(), listed(|form| form == Form::Pseudonymous));
    let missing: Vec<_> = found.actors.difference(&listed).collect();
    assert!(missing.is_empty(), "not in domain/src/exports/catalogue/fields.rs: {missing:?}");
}

#[test]
fn law_07_every_personal_field_that_the_sources_declare_in_an_event_is_in_the_catalogue() {
    let listed = listed(|form| form == Form::Sealed);
    let mut declared = 0;
    for file in sources(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        for (event_type, field) in declared_in_events(&text) {
            declared += 1;
            let name = (aggregate_of(&event_type).to_owned(), field);
            assert!(listed.contains(&name), "{name:?} of {event_type} in {}", file.display());
        }
    }
    assert!(declared > 30, "the walk finds the events: {declared}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("a folder can be listed").path();
        match path.is_dir() {
            true => files.extend(sources(&path)),
            false => files.push(path),
        }
    }
    files
}

/// The personal fields of `pub enum …Event { … }`, each with its variant.
fn declared_in_events(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut inside, mut variant) = (false, String::new());
    for line in text.lines() {
        if line.starts_with("pub enum ") && line.ends_with("Event {") {
            inside = true;
        } else if line == "}" {
            inside = false;
        }
        if !inside || line.trim_start().starts_with("//") {
            continue;
        }
        let Some(rest) = line.strip_prefix("    ") else { continue };
        if rest.starts_with(|character: char| character.is_ascii_uppercase()) {
            variant = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        }
        // A variant on one line has all its fields on it.
        for field in rest.split(", ").filter(|field| field.contains("Personal<")) {
            let after_brace = field.rsplit("{ ").next().unwrap_or(field);
            let name = after_brace.split(':').next().unwrap_or(after_brace);
            found.push((variant.clone(), name.trim().to_owned()));
        }
    }
    found
}
