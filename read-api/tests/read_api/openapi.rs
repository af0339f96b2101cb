//! The description of the API is complete, because it comes from the code.

use agora_service::deprecation::Deprecation;
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn esx_05_the_description_tells_every_error_and_every_header() {
    let world = World::new().await;
    let description = world.get("/openapi.json").await.ok();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() >= 15);
    let mut operation_ids = std::collections::HashSet::new();
    for (path, item) in paths {
        let operation = &item["get"];
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{path}");
        assert!(operation["description"].as_str().unwrap().contains("May be read by"), "{path}");
        assert!(operation["security"].is_array(), "{path}");
        assert!(operation_ids.insert(operation["operationId"].to_string()), "{path}");
        let named: Vec<&str> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for name in ["min_position", "wait_ms", "Agora-Min-Position"] {
            assert!(named.contains(&name), "{path} takes {name}");
        }
        let responses = &operation["responses"];
        assert!(responses["200"]["headers"]["Agora-Position"].is_object(), "{path}");
        for status in ["400", "401", "403", "500", "503"] {
            let content = &responses[status]["content"]["application/problem+json"];
            assert_eq!(
                content["schema"]["$ref"], "#/components/schemas/Problem",
                "{path} {status}"
            );
            assert_eq!(content["example"]["status"].to_string(), status, "{path}");
        }
        if path.contains('{') {
            assert!(responses["404"].is_object(), "{path}");
        }
        if responses["304"].is_object() {
            assert!(named.contains(&"If-None-Match"), "{path}");
            assert!(responses["200"]["headers"]["ETag"].is_object(), "{path}");
        }
    }
    check_references(&description, &description);
}

/// Every `$ref` leads somewhere.
fn check_references(whole: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = reference.trim_start_matches('#');
                assert!(whole.pointer(pointer).is_some(), "{reference}");
            }
            fields.values().for_each(|field| check_references(whole, field));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(whole, item)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_can_be_browsed() {
    let world = World::new().await;
    let page = world.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("swagger-ui"));
    assert!(page.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn esx_14_a_deprecated_route_tells_since_when_and_until_when() {
    const OLD: &[(&str, Deprecation)] =
        &[("/v1/categories", Deprecation::new(1_700_000_000, 1_800_000_000))];
    let world = World::new().await.where_deprecated(OLD);
    for (path, status) in [("/v1/categories", 200), ("/v1/categories?limit=0", 400)] {
        let reply = world.get(path).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("deprecation"), "@1700000000");
        assert_eq!(reply.header("sunset"), "Fri, 15 Jan 2027 08:00:00 GMT");
    }
    let other = world.get("/v1/communities").await;
    assert_eq!((other.header("deprecation"), other.header("sunset")), ("", ""));
    let description = world.get("/openapi.json").await.ok();
    let operation = &description["paths"]["/v1/categories"]["get"];
    assert_eq!(operation["deprecated"], true);
    assert!(operation["responses"]["200"]["headers"]["Sunset"].is_object());
    assert!(description["paths"]["/v1/communities"]["get"].get("deprecated").is_none());
}
