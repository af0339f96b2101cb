//! Every command has a file, a line in the registry, a line in the permission matrix, and its place
//! in the OpenAPI document.

use std::collections::BTreeSet;

use agora_command_api::{commands, openapi, permission::COMMANDS};
use serde_json::Value;

use crate::common::{Call, World};

fn registered() -> BTreeSet<String> {
    commands::all().iter().map(|command| command.name.to_owned()).collect()
}

#[test]
fn every_file_is_registered_and_every_registered_command_has_a_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/commands");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().replace('_', "-"))
        .collect();
    assert_eq!(files, registered());
    assert_eq!(commands::all().len(), files.len(), "none is registered twice");
}

#[test]
fn every_command_has_a_line_in_the_permission_matrix_and_every_line_its_command() {
    let matrix: BTreeSet<String> = COMMANDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(matrix, registered());
    assert_eq!(COMMANDS.len(), matrix.len(), "none stands there twice");
}

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).expect(path),
        None => schema,
    }
}

#[test]
fn the_document_describes_every_command_with_schema_example_and_errors() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), registered().len());
    for name in registered() {
        let operation = &paths[&format!("/v1/commands/{name}")]["post"];
        assert_eq!(operation["operationId"], name.as_str());
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
        let body = &operation["requestBody"]["content"]["application/json"];
        let schema = resolve(&document, &body["schema"]);
        assert_eq!(schema["type"], "object", "{name}");
        assert!(body["example"].is_object(), "{name} has an example");
        for status in
            ["400", "401", "403", "404", "409", "410", "412", "413", "415", "422", "429", "503"]
        {
            let content = &operation["responses"][status]["content"];
            assert!(content["application/problem+json"].is_object(), "{name} {status}");
        }
        let reply = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(resolve(&document, reply)["properties"]["position"].is_object(), "{name}");
        for (field, _) in body["example"].as_object().unwrap() {
            assert!(schema["properties"][field].is_object(), "{name}: {field} is described");
        }
        for field in schema["required"].as_array().into_iter().flatten() {
            let field = field.as_str().unwrap();
            assert!(body["example"].get(field).is_some(), "{name}: the example lacks {field}");
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(path) = fields.get("$ref").and_then(Value::as_str) {
                    assert!(document.pointer(path.trim_start_matches('#')).is_some(), "{path}");
                }
                fields.values().for_each(|value| walk(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn every_rule_that_a_command_names_is_of_the_form_of_the_requirements() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        let description = item["post"]["description"].as_str().unwrap();
        let rules = description.trim_start_matches("Rules it may break: ").trim_end_matches('.');
        for rule in rules.split(", ") {
            let (group, number) = rule.split_once('-').expect(path);
            assert!(group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_uppercase()));
            assert!(number.len() == 2 && number.parse::<u8>().is_ok(), "{path}: {rule}");
        }
    }
}

/// The examples name things that are not there, so a command that parsed them answers about that.
#[tokio::test]
async fn every_example_is_parsed_by_its_own_command() {
    let world = World::new().await;
    let member = world.member().await;
    let admin = world.admin(&[agora_domain::identity::values::AdminScope::Security]).await;
    let document = document();
    for name in registered() {
        let path = format!("/v1/commands/{name}");
        let body = document["paths"][&path]["post"]["requestBody"]["content"]["application/json"]
            ["example"]
            .clone();
        for person in [&member, &admin] {
            let person = world.another_session(person).await;
            let call = Call::new(&name).token(&person.token).body(body.clone());
            let answer = world.request(call).await;
            assert!(answer.status < 500, "{name}: {}", answer.text);
            assert_ne!(answer.status, 400, "{name}: {}", answer.text);
            assert!(answer.body["errors"].is_null(), "{name}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served() {
    let world = World::new().await;
    for (path, what) in [("/openapi.json", "/v1/commands/cast-vote"), ("/docs/", "swagger")] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.contains(what), "{path}");
    }
}
