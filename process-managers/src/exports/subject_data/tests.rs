use std::{collections::HashSet, fs, path::PathBuf};

use serde_json::{Map, Value, json};

use super::{entities, entity::Entity, *};
use crate::exports::document::ColumnKind;

/// What `docs/schemas/subject-data-1.schema.json` must say, from the entities themselves.
fn schema() -> Value {
    let definitions: Map<String, Value> =
        entities::all().map(|entity| (entity.name.to_owned(), definition(entity))).collect();
    let tables: Vec<Value> = entities::all()
        .map(|entity| json!({ "$ref": format!("#/$defs/{}", entity.name) }))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:agora:subject-data:1",
        "title": "What is stored about a person, version 1",
        "description": "subject-data.json of a bundle, which is also one by export-1.schema.json. \
            The tables of the categories that were asked for, in this order. What is null was \
            never there, or was erased.",
        "type": "object",
        "additionalProperties": false,
        "required": ["format_version", "kind", "title", "export_id", "schema_version",
                     "generated_at", "log_position", "tables", "row_count", "data_sha256"],
        "properties": {
            "format_version": { "const": 1 },
            "kind": { "const": "subject_data" },
            "title": { "type": "string" },
            "export_id": { "type": "string", "format": "uuid" },
            "schema_version": { "const": SCHEMA_VERSION },
            "generated_at": { "type": "string", "format": "date-time" },
            "log_position": { "type": "integer", "minimum": 0 },
            "tables": { "type": "array", "items": { "oneOf": tables } },
            "row_count": { "type": "integer", "minimum": 0 },
            "data_sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
        },
        "$defs": definitions,
    })
}

fn definition(entity: &Entity) -> Value {
    let columns = entity.columns.iter();
    let properties: Map<String, Value> = columns
        .map(|column| {
            let mut is = match column.kind {
                ColumnKind::Integer => json!({ "type": ["integer", "null"] }),
                ColumnKind::Boolean => json!({ "type": ["boolean", "null"] }),
                ColumnKind::Time => json!({ "type": ["string", "null"], "format": "date-time" }),
                ColumnKind::Text | ColumnKind::Decimal => json!({ "type": ["string", "null"] }),
            };
            is["description"] = column.title.clone().into();
            (column.name.clone().into_owned(), is)
        })
        .collect();
    let names: Vec<&str> = entity.columns.iter().map(|column| &*column.name).collect();
    json!({
        "description": format!("{} ({})", entity.title, entity.category.as_str()),
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "title", "columns", "rows"],
        "properties": {
            "name": { "const": entity.name },
            "title": { "const": entity.title },
            "columns": { "type": "array", "minItems": names.len(), "maxItems": names.len() },
            "rows": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": names,
                    "properties": properties,
                },
            },
        },
    })
}

/// A line for each thing that is defined, so that a change is seen.
fn lines(mut schema: Value) -> String {
    let definitions = schema["$defs"].take();
    let mut text = serde_json::to_string_pretty(&schema).unwrap();
    let definitions = definitions.as_object().unwrap().iter();
    let definitions: Vec<String> =
        definitions.map(|(name, is)| format!("    \"{name}\": {is}")).collect();
    let definitions = format!("\"$defs\": {{\n{}\n  }}", definitions.join(",\n"));
    text = text.replace("\"$defs\": null", &definitions);
    text + "\n"
}

/// Run with `AGORA_WRITE_SCHEMAS=1` it writes the file instead: a new version needs a new file.
#[test]
fn dxr_11_the_published_schema_says_what_the_bundle_holds() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/schemas/subject-data-1.schema.json");
    let expected = lines(schema());
    if std::env::var_os("AGORA_WRITE_SCHEMAS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), expected, "AGORA_WRITE_SCHEMAS=1 writes it");
}

#[test]
fn dxr_02_every_category_has_entities_and_every_entity_a_name_of_its_own() {
    let categories: HashSet<_> = entities::all().map(|entity| entity.category).collect();
    for category in DataCategory::ALL {
        assert!(categories.contains(category), "{}", category.as_str());
    }
    let names: HashSet<_> = entities::all().map(|entity| entity.name).collect();
    assert_eq!(names.len(), entities::all().count());
}

#[test]
fn the_read_tables_of_a_snapshot_are_those_that_the_statements_name() {
    let tables = tables();
    for table in ["posts", "post_votes", "sessions", "moderation_log", "audit_log"] {
        assert!(tables.contains(&table), "{table}");
    }
    assert!(
        !tables.iter().any(|table| table.contains(|it: char| !it.is_alphanumeric() && it != '_'))
    );
}
