//! Bodies that no client of ours sends: each is answered by a problem document of its own, nothing
//! is appended, and nothing of the input comes back.

use std::collections::BTreeMap;

use agora_command_api::{
    commands,
    permission::{Matrix, Roles},
};
use agora_domain::identity::values::AdminScope;
use serde_json::Value;

use crate::common::{Answer, Call, Person, World, unknown_id};

/// Commands with a field of which a rule of its own says that it must be there.
const RULED: [&str; 9] = [
    "extend-deletion-deadline",
    "extend-export-deadline",
    "mark-export-completed",
    "mark-export-failed",
    "notify-recipient",
    "reject-deletion",
    "request-batch-export",
    "request-deletion",
    "update-backup-erasure",
];

/// Stands in values that must not come back.
const MARK: &str = "zqxjkv";

struct Walk {
    world: World,
    member: Person,
    admin: Person,
    ops: Person,
    reporter: Person,
    commands: BTreeMap<String, Shape>,
}

/// A command's body as the OpenAPI document tells it.
struct Shape {
    example: Value,
    properties: BTreeMap<String, Value>,
    required: Vec<String>,
}

impl Walk {
    async fn new() -> Self {
        let world = World::new().await;
        // Who may deal with incidents and with erasures may all that an admin may.
        let scopes = [AdminScope::Security, AdminScope::Privacy];
        let (member, admin) = (world.member().await, world.admin(&scopes).await);
        let ops = world.admin(&[AdminScope::Ops]).await;
        let (_, reporter) = world.reporter().await;
        Self { world, member, admin, ops, reporter, commands: shapes() }
    }

    /// The request of somebody who may send the command.
    fn call(&self, command: &str) -> Call {
        let roles = Matrix::new().roles(command);
        let call = Call::new(command);
        if roles.include(Roles::GUEST) {
            call
        } else if roles.include(Roles::MEMBER) {
            call.token(&self.member.token)
        } else if roles.include(Roles::ORG_USER) {
            call.token(&self.reporter.token)
        } else if roles.include(Roles::OPS) && !roles.include(Roles::ADMIN) {
            call.token(&self.ops.token)
        } else {
            call.token(&self.admin.token)
        }
    }

    /// Sends what is wrong; a problem of the 4xx that has nothing of the input must come back.
    async fn wrong(&self, command: &str, what: &str, call: Call) -> Answer {
        let before = self.world.head().await;
        let answer = self.world.request(call).await;
        let status = answer.status;
        assert!((400..500).contains(&status), "{command}, {what}: {status} {}", answer.text);
        answer.problem(status);
        assert!(!answer.text.contains(MARK), "{command}, {what}: {}", answer.text);
        assert_eq!(self.world.head().await, before, "{command}, {what}: nothing is appended");
        answer
    }
}

fn shapes() -> BTreeMap<String, Shape> {
    let document = serde_json::to_value(agora_command_api::openapi::document()).unwrap();
    let shape = |name: &str| {
        let path = format!("/v1/commands/{name}");
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let schema = body["schema"]["$ref"].as_str().unwrap().trim_start_matches('#');
        let schema = document.pointer(schema).unwrap();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        Shape {
            example: body["example"].clone(),
            properties: properties.into_iter().collect(),
            required: required.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        }
    };
    commands::all().iter().map(|command| (command.name.to_owned(), shape(command.name))).collect()
}

fn with(example: &Value, field: &str, value: Value) -> Value {
    let mut body = example.clone();
    body[field] = value;
    body
}

#[tokio::test]
async fn bodies_that_are_no_json_object_are_malformed() {
    let walk = Walk::new().await;
    for (command, shape) in &walk.commands {
        let deep = format!("{{\"x\":{}", "[".repeat(200_000));
        let deep_object = "{\"x\":".repeat(100_000);
        for (what, raw) in [
            ("cut off", &b"{\"x\":"[..]),
            ("text", b"zqxjkv"),
            ("an array", b"[]"),
            ("an array of values", b"[\"zqxjkv\", 1, null]"),
            ("a string", b"\"zqxjkv\""),
            ("a number", b"5"),
            ("null", b"null"),
            ("true", b"true"),
            ("white space", b"  \n"),
            ("two objects", b"{}{}"),
            ("a comment", b"{} // zqxjkv"),
            ("invalid UTF-8", b"{\"x\":\"\xff\xfe\"}"),
            ("a NUL", b"{\"x\":\"\0\"}"),
            ("a byte order mark", b"\xef\xbb\xbf{}"),
            ("a lone surrogate", b"{\"x\":\"\\ud800\"}"),
            ("a number out of range", b"{\"x\":1e999}"),
            ("deep arrays", deep.as_bytes()),
            ("deep objects", deep_object.as_bytes()),
        ] {
            walk.wrong(command, what, walk.call(command).raw(raw)).await.problem(400);
        }
        let unknown = with(&shape.example, MARK, MARK.into());
        walk.wrong(command, "an unknown field", walk.call(command).body(unknown))
            .await
            .problem(400);
        if !shape.required.is_empty() {
            for raw in ["", "{}"] {
                let answer = walk.wrong(command, "nothing", walk.call(command).raw(raw)).await;
                // Of some fields a rule itself says that they must be there (BUF-01, BUF-04).
                let by_rule = answer.body["rule"].is_string();
                assert_eq!(by_rule, RULED.contains(&command.as_str()), "{command}");
                answer.problem(if by_rule { 422 } else { 400 });
            }
        }
    }
}

#[tokio::test]
async fn a_key_twice_is_malformed() {
    let walk = Walk::new().await;
    for (command, shape) in &walk.commands {
        for field in shape.properties.keys() {
            let example = serde_json::to_string(&shape.example).unwrap();
            let value = shape.example.get(field).cloned().unwrap_or(Value::Null);
            let first = format!("\"{field}\":{value}");
            let rest = example.trim_start_matches('{');
            let separator = if rest == "}" { "" } else { "," };
            let doubled = if shape.example.get(field).is_some() {
                format!("{{{first}{separator}{rest}")
            } else {
                format!("{{{first},{first}{separator}{rest}")
            };
            walk.wrong(command, field, walk.call(command).raw(doubled)).await.problem(400);
        }
    }
}

#[tokio::test]
async fn null_is_no_value_of_what_is_required() {
    let walk = Walk::new().await;
    for (command, shape) in &walk.commands {
        for field in &shape.required {
            let takes_null =
                serde_json::to_string(&shape.properties[field]).unwrap().contains("null");
            let mut body = shape.example.clone();
            body.as_object_mut().unwrap().remove(field);
            let what = format!("without {field}");
            let answer = walk.wrong(command, &what, walk.call(command).body(body)).await;
            let places: Vec<&str> = answer.wrong_fields().iter().map(|(place, _)| *place).collect();
            assert!(
                places.iter().all(|place| place.starts_with(&format!("/{field}"))),
                "{places:?}"
            );
            if !takes_null {
                let body = with(&shape.example, field, Value::Null);
                walk.wrong(command, field, walk.call(command).body(body)).await;
            }
        }
    }
}

#[tokio::test]
async fn control_characters_and_endless_texts_are_refused() {
    let walk = Walk::new().await;
    for (command, shape) in &walk.commands {
        for (field, schema) in &shape.properties {
            let types = serde_json::to_string(&schema["type"]).unwrap();
            // In a password every character counts (CRD-07).
            if !types.contains("string") || field.contains("password") {
                continue;
            }
            let nul = format!("{MARK}\u{0}{MARK}");
            let bidi = format!("{MARK}\u{202E}{MARK}");
            let escape = format!("{MARK}\u{1b}[31m");
            let uri = format!("https://example.org/{}", MARK.repeat(80_001 / MARK.len() + 1));
            let long = MARK.repeat(100_000);
            for (what, text) in
                [("NUL", nul), ("bidi", bidi), ("ANSI", escape), ("URI", uri), ("long", long)]
            {
                let body = with(&shape.example, field, text.into());
                let what = format!("{field}: {what}");
                walk.wrong(command, &what, walk.call(command).body(body)).await;
            }
        }
    }
}

#[tokio::test]
async fn rel_02_rel_03_rel_04_ids_of_nothing_and_of_other_things_are_unknown() {
    let walk = Walk::new().await;
    let settled = walk.world.settled().await;
    let post_id = walk.world.post(&settled.owner, &settled.community_id).await;
    let ids = [
        ("unknown", unknown_id()),
        ("nil", uuid::Uuid::nil().to_string()),
        ("post", post_id),
        ("community", settled.community_id),
        ("category", settled.category_id),
        ("member", settled.owner.id()),
        ("admin", settled.admin.id()),
        ("session", settled.owner.session_id),
    ];
    for (command, shape) in &walk.commands {
        for field in shape.properties.keys().filter(|field| field.ends_with("_id")) {
            let right = field.trim_end_matches("_id");
            for (kind, id) in ids.iter().filter(|(kind, _)| *kind != right) {
                let body = with(&shape.example, field, id.clone().into());
                let what = format!("{field} of a {kind}");
                let answer = walk.wrong(command, &what, walk.call(command).body(body)).await;
                // A category is a field of a community: naming none is a wrong field (COM-05).
                // Who is not known is told nothing of organizations (CRD-09).
                let expected = match command.as_str() {
                    "create-community" => 422,
                    "log-in" => 401,
                    // The example asks for one's own data; these are of other kinds, or for mails.
                    "request-export" if field == "member_id" => 422,
                    "request-export" => 400,
                    _ => 404,
                };
                assert_eq!(answer.status, expected, "{command}, {what}: {}", answer.text);
                assert!(!answer.text.contains(id.as_str()), "{command}, {what}: an echo");
            }
            for id in [
                "",
                MARK,
                "01970000000070008000000000000001",
                "{01970000-0000-7000-8000-000000000001}",
            ] {
                let body = with(&shape.example, field, id.into());
                walk.wrong(command, field, walk.call(command).body(body)).await.problem(400);
            }
        }
    }
}
