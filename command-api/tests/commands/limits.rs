//! ESX-05: each command with each field on both sides of what the OpenAPI document says of it. What is
//! wrong is told at its place and changes nothing; what is allowed is not refused for that field.
//! schemathesis tries both APIs too (`deploy/harness/tests/it/conformance.rs`), without knowing things
//! that are there, and without looking at what is told.

use agora_command_api::Settings;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    common::{Answer, examples},
    matrix::{Scene, TABLE},
};

/// A value for a field, and whether the document allows it.
struct Case {
    /// Where in the body it is put, as a JSON pointer.
    place: String,
    what: String,
    value: Value,
    allowed: bool,
}

/// Makes cases from the schema of a body.
struct Cases<'d> {
    document: &'d Value,
    command: &'d str,
    example: &'d Value,
    cases: Vec<Case>,
}

impl Cases<'_> {
    fn put(&mut self, place: &str, what: impl Into<String>, value: Value, allowed: bool) {
        self.cases.push(Case { place: place.to_owned(), what: what.into(), value, allowed });
    }

    /// The schemas of which a value fits one: most have one, and may be null.
    fn resolved(&self, schema: &Value) -> Vec<Value> {
        if let Some(path) = schema["$ref"].as_str() {
            let found = self.document.pointer(path.trim_start_matches('#')).expect(path);
            return self.resolved(found);
        }
        match schema["oneOf"].as_array() {
            Some(parts) => parts.iter().flat_map(|part| self.resolved(part)).collect(),
            None => vec![schema.clone()],
        }
    }

    fn of_object(&mut self, place: &str, schema: &Value) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.of_value(&format!("{place}/{name}"), property);
        }
        // An object that is kept as it comes has whatever fields.
        if schema["properties"].is_object() {
            let unknown = format!("{place}/no_such_field");
            self.put(&unknown, "an unknown field", json!("x"), false);
        }
    }

    fn of_value(&mut self, place: &str, schema: &Value) {
        let schemas = self.resolved(schema);
        let of = |name: &str| {
            let is_of = |schema: &&Value| schema["type"].to_string().contains(name);
            schemas.iter().find(is_of)
        };
        let is = |name: &str| of(name).is_some();
        for (name, value) in [
            ("object", json!({ "x": 1 })),
            ("array", json!([1, [2]])),
            ("boolean", json!(true)),
            ("number", json!(-1.5)),
            ("integer", json!(42)),
            ("string", json!("x")),
        ] {
            // Of the right type, its own cases try more.
            let fits = is(name) || (name == "integer" && is("number"));
            if !fits {
                self.put(place, format!("of type {name}"), value, false);
            }
        }
        if let Some(schema) = of("string") {
            self.of_text(place, schema);
        }
        if let Some(schema) = of("integer").or(of("number")) {
            self.of_number(place, schema);
        }
        if is("boolean") {
            self.put(place, "false", json!(false), true);
        }
        if let Some(schema) = of("array") {
            self.of_list(place, schema);
        }
        if let Some(schema) = of("object") {
            self.of_object(place, schema);
        }
    }

    fn of_text(&mut self, place: &str, schema: &Value) {
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        let listed = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$"));
        if let Some(listed) = listed {
            let words: Vec<&str> = listed.split('|').collect();
            for word in &words {
                self.put(place, *word, json!(word), true);
                let capitals = word.to_uppercase();
                let other = if capitals == *word { word.to_lowercase() } else { capitals };
                if !words.contains(&other.as_str()) {
                    self.put(place, other.clone(), json!(other), false);
                }
            }
            return self.put(place, "not listed", json!("no-such-value"), false);
        }
        match schema["format"].as_str() {
            Some("uuid") => {
                for wrong in ["", "x", "01970000-0000-7000-8000-00000000000g"] {
                    self.put(place, "no id", json!(wrong), false);
                }
                let id = "01970000-0000-7000-8000-000000000001";
                return self.put(place, "an id", json!(id), true);
            }
            Some("date") => {
                self.put(place, "no day", json!("yesterday"), false);
                self.put(place, "no such day", json!("2025-02-30"), false);
                return self.put(place, "a day", json!("2025-01-31"), true);
            }
            Some("date-time") => {
                self.put(place, "no time", json!("yesterday"), false);
                self.put(place, "no such day", json!("2026-02-30T12:00:00Z"), false);
                return self.put(place, "a time", json!("2026-01-31T12:00:00Z"), true);
            }
            Some("ip-network") => {
                // Of an address there is one spelling; of networks, two lengths.
                let forged = ["010.0.0.1", "1.2.3", "fe80::1%eth0", "203.0.113.9:80"];
                let odd = ["203.0.113.0/8", "203.0.113.9/24", "2001:db8::/32", "", "localhost"];
                for wrong in forged.into_iter().chain(odd) {
                    self.put(place, wrong, json!(wrong), false);
                }
                let known = ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::9"];
                for right in known.into_iter().chain(["203.0.113.0/24", "2001:db8::/64"]) {
                    let allowed = place != "/source_ip" || !right.contains('/');
                    self.put(place, right, json!(right), allowed);
                }
                return;
            }
            _ => {}
        }
        let limit = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
        let most = limit("maxLength");
        let most = most.unwrap_or_else(|| panic!("{} {place} has no maxLength", self.command));
        let least = limit("minLength").unwrap_or(0);
        if pattern.ends_with('$') {
            self.put(place, "of another pattern", json!("!? ?!"), false);
        }
        for (length, allowed) in [
            (least.wrapping_sub(1), false),
            (least, true),
            (least + 1, true),
            (most - 1, true),
            (most, true),
            (most + 1, false),
        ] {
            // No text is shorter than none.
            let allowed = allowed && (least..=most).contains(&length);
            let length = if length == usize::MAX { continue } else { length };
            let text = text(place, schema, length);
            // Periods are of four or seven characters.
            let allowed = allowed && (place != "/period_label" || matches!(length, 4 | 7));
            self.put(place, format!("{length} characters"), json!(text), allowed);
        }
    }

    fn of_number(&mut self, place: &str, schema: &Value) {
        #[expect(clippy::cast_possible_truncation, reason = "limits are whole numbers")]
        let limit =
            |name: &str| schema[name].as_i64().or(schema[name].as_f64().map(|it| it as i64));
        let limit = |name: &str| {
            limit(name).unwrap_or_else(|| panic!("{} {place} has no {name}", self.command))
        };
        let (least, most) = (limit("minimum"), limit("maximum"));
        for (number, allowed) in [
            (least - 1, false),
            (least, true),
            (least + 1, true),
            (most - 1, true),
            (most, true),
            (most + 1, false),
        ] {
            self.put(place, number.to_string(), json!(number), allowed);
        }
    }

    fn of_list(&mut self, place: &str, schema: &Value) {
        let items = self.resolved(&schema["items"]).remove(0);
        if items["type"] == "object" {
            return self.of_objects(place, schema, &items);
        }
        let Self { document, command, example, .. } = *self;
        let mut of_items = Cases { document, command, example, cases: vec![] };
        of_items.of_value(&format!("{place}/0"), &items);
        let one = of_items.cases.iter().find(|case| case.allowed).expect("an item that is allowed");
        let (one, words) = (one.value.clone(), items["pattern"] == Value::Null);
        for case in of_items.cases {
            self.put(place, format!("[{}]", case.what), json!([case.value]), case.allowed);
        }
        // Each another one, where any text is one.
        self.of_lengths(place, schema, |number| match words && items["format"] == Value::Null {
            true => json!(format!("{} {number}", one.as_str().unwrap_or_default())),
            false => one.clone(),
        });
    }

    /// Of a list of objects, the first one of the example.
    fn of_objects(&mut self, place: &str, schema: &Value, items: &Value) {
        let first = format!("{place}/0");
        self.of_value(&first, items);
        let one = self.example.pointer(&first).expect("an example");
        self.of_lengths(place, schema, |number| {
            let mut item = one.clone();
            item["key"] = format!("k{number}").into();
            if !item["measures"].is_null() {
                item["measures"] = json!([]);
            }
            item
        });
    }

    fn of_lengths(&mut self, place: &str, schema: &Value, item: impl Fn(usize) -> Value) {
        let limit = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
        let mut of_length = |length: usize, allowed| {
            let list: Vec<Value> = (0..length).map(&item).collect();
            self.put(place, format!("{length} items"), json!(list), allowed);
        };
        let least = limit("minItems").unwrap_or(0);
        if least > 0 {
            of_length(least - 1, false);
        }
        of_length(least, true);
        if let Some(most) = limit("maxItems") {
            of_length(most - 1, most > least);
            of_length(most, true);
            of_length(most + 1, false);
        }
    }
}

/// A text of so many characters for a field, each another one: names are taken once.
fn text(place: &str, schema: &Value, length: usize) -> String {
    let field = place.rsplit('/').next().unwrap_or_default();
    let letters = |count: usize| {
        let unique = Uuid::new_v4().simple().to_string();
        unique.chars().cycle().take(count).collect::<String>()
    };
    // What is too short for the least that makes it a text of its kind is any text.
    let around = |prefix: &str, suffix: &str| match length.checked_sub(prefix.len() + suffix.len())
    {
        Some(count) => format!("{prefix}{}{suffix}", letters(count)),
        None => letters(length),
    };
    match field {
        _ if schema["format"] == "email" => match length {
            ..60 => around("", "@b.c"),
            // Labels have at most 63 characters, and what stands before the @ 64.
            _ => {
                let labels = format!("{}.", "b".repeat(50)).repeat(4);
                let domain = &labels[..length.saturating_sub(52).min(labels.len() - 1)];
                around("", &format!("@{}.c", domain.trim_end_matches('.')))
            }
        },
        "token" => "A".repeat(length),
        "period_label" if length == 4 => "2025".to_owned(),
        "period_label" if length == 7 => "2025-Q1".to_owned(),
        // What begins with a digit may read as a number.
        "key" | "value" if place.contains("/measures/") || place.contains("/sections/") => {
            around("k", "")
        }
        "error_code" => letters(length).to_uppercase(),
        "file_path" => {
            let parts = letters(length);
            let put = |(place, letter)| {
                if place % 100 == 99 && place + 1 < length { '/' } else { letter }
            };
            parts.chars().enumerate().map(put).collect()
        }
        "config_json" if length < 8 => {
            around(&format!("{{{}", " ".repeat(length.saturating_sub(2))), "}")
        }
        "config_json" => around(r#"{"x":""#, r#""}"#),
        "provider_url" if length < 13 => around("https://x.", "b"),
        "logo_uri" | "banner_uri" if length < 13 => around("https://x", ""),
        "provider_url" | "logo_uri" | "banner_uri" => around("https://a.b/", ""),
        _ => letters(length),
    }
}

/// Puts a value where a pointer says.
fn put(body: &mut Value, place: &str, value: Value) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    if !parent.is_empty() && body.pointer(parent).is_none_or(|it| !it.is_object() && !it.is_array())
    {
        // Of the one object that may be left out, what it needs.
        put(body, parent, json!({ "kind": "member", "id": Uuid::nil() }));
    }
    let parent = body.pointer_mut(parent).unwrap();
    match name.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[name] = value,
    }
}

/// Who may send the command.
fn letter(command: &str) -> char {
    let row = TABLE.iter().find(|row| row.names.contains(&command)).unwrap();
    "wovagrXjLSP".chars().find(|letter| row.may.contains(*letter)).unwrap()
}

/// What an export is asked for with depends on its kind: who asks, and a body to which the field belongs.
fn export_of(case: &Case) -> (char, Value) {
    let word = case.value.as_str().unwrap_or_default();
    let kind = match (case.place.as_str(), word) {
        ("/kind", _) => word,
        ("/bufdir_report_id" | "/organization_id" | "/source" | "/mobile_os", _)
        | ("/format", "XLSX") => "statutory_report",
        ("/export_type", _) | ("/format", "json" | "csv") => "platform_data",
        _ => "subject_data",
    };
    match kind {
        "statutory_report" => {
            let body = json!({ "kind": kind, "format": "PDF", "source": "ADMIN_PORTAL",
                               "bufdir_report_id": Uuid::nil() });
            ('r', body)
        }
        "platform_data" => ('w', json!({ "kind": kind, "format": "json", "export_type": "posts" })),
        _ => {
            let body = json!({ "kind": "subject_data", "format": "JSON",
                               "request_type": "PARTIAL_EXPORT", "data_categories": ["account"],
                               "delivery_method": "EMAIL" });
            ('w', body)
        }
    }
}

fn places(answer: &Answer) -> Vec<String> {
    let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect()
}

fn judge(case: &Case, answer: &Answer) -> Result<(), String> {
    let Case { place, allowed, .. } = case;
    let places = places(answer);
    let named = places.iter().any(|it| it == place || it.starts_with(&format!("{place}/")));
    if *allowed {
        let refused = named || answer.status >= 500 || answer.status == 400;
        return if refused { Err("is refused".to_owned()) } else { Ok(()) };
    }
    if !matches!(answer.status, 400 | 422) {
        return Err("is not refused as wrong".to_owned());
    }
    // What is unknown has no place in the document that could be told; where several fields are wrong
    // together, the domain names the rule.
    let told = named || case.what == "an unknown field" || answer.body["rule"].is_string();
    if told { Ok(()) } else { Err(format!("is told at {places:?}")) }
}

#[tokio::test]
async fn esx_05_every_field_of_every_command_on_both_sides_of_its_limits() {
    // The document tells what is possible; the configuration may allow less.
    let settings = Settings { password_characters_min: 8, ..Settings::default() };
    let mut scene = Scene::with(settings).await;
    for (key, value) in [("max_uri_length", "80000"), ("extended_deletion_grounds", "true")] {
        let body = json!({ "key": key, "value": value });
        scene.world.send(&scene.founder, "set-configuration", body).await.accepted();
    }
    let document = serde_json::to_value(agora_command_api::openapi::document()).unwrap();
    let mut found = Vec::new();
    for (command, example) in &examples() {
        let path = format!("/v1/commands/{command}");
        let body = &document["paths"][path]["post"]["requestBody"]["content"];
        let mut cases = Cases { document: &document, command, example, cases: Vec::new() };
        cases.of_value("", &body["application/json"]["schema"]);
        let sender = letter(command);
        for case in cases.cases.into_iter().filter(|case| !case.place.is_empty()) {
            let (letter, example) = match command.as_str() {
                "request-export" => export_of(&case),
                _ => (sender, example.clone()),
            };
            let shows = scene.shows(letter).await;
            let mut body = scene.body(command, &example, &shows).await;
            put(&mut body, &case.place, case.value.clone());
            let head = scene.world.head().await;
            let answer = scene.world.request(Scene::call(command, &shows, body)).await;
            if let Err(what) = judge(&case, &answer) {
                let Case { place, what: value, .. } = &case;
                let text = answer.text.chars().take(300).collect::<String>();
                found.push(format!("{command} {place}, {value}: {what}: {} {text}", answer.status));
            }
            // What a quota refuses is kept, as failed (BUF-10).
            if answer.status == 200 || answer.body["position"].is_u64() {
                scene.carried_out(command, letter).await;
            } else {
                assert_eq!(scene.world.head().await, head, "{command} {}", case.place);
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
