//! What the API answered, and what a test expects of it.

use axum::http::HeaderMap;
use serde_json::Value;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn new(status: u16, headers: HeaderMap, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, body }
    }

    /// The reply of an accepted command.
    #[track_caller]
    pub fn accepted(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        &self.body
    }

    /// What the command made or changed.
    #[track_caller]
    pub fn id(&self) -> String {
        self.accepted()["aggregate_id"].as_str().unwrap().to_owned()
    }

    /// The types of the events that it appended.
    #[track_caller]
    pub fn events(&self) -> Vec<&str> {
        let events = self.accepted()["events"].as_array().unwrap();
        events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }

    #[track_caller]
    pub fn result(&self, field: &str) -> String {
        self.accepted()["result"][field].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn sequence(&self) -> u64 {
        self.accepted()["events"][0]["sequence"].as_u64().unwrap()
    }

    /// A problem document of this status (ESX-05).
    #[track_caller]
    pub fn problem(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
        }
        &self.body
    }

    /// A problem document of this status that names this rule.
    #[track_caller]
    pub fn refused(&self, status: u16, rule: &str) {
        let problem = self.problem(status);
        assert_eq!(problem["rule"], rule, "{}", self.text);
        assert_eq!(problem["type"], format!("/problems/{rule}"));
    }

    /// The rules of all wrong fields, with their places.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<(&str, Option<&str>)> {
        let errors = self.body["errors"].as_array().unwrap();
        errors
            .iter()
            .map(|error| (error["pointer"].as_str().unwrap(), error["rule"].as_str()))
            .collect()
    }
}
