//! The steps of an entity's way, and what they say when one fails.

use std::collections::BTreeSet;

use agora_harness::{
    client,
    scene::password,
    stack::{Service, Stack},
};
use serde_json::{Value, json};

/// Somebody who sends requests.
#[derive(Clone, Debug, Default)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) email: String,
    /// Of a session.
    pub(super) token: Option<String>,
    /// Of a guest.
    pub(super) signature: Option<String>,
}

/// A command that somebody sends.
pub(super) struct Act<'w> {
    pub(super) who: &'w User,
    pub(super) command: &'static str,
    pub(super) body: Value,
}

pub(super) fn act<'w>(who: &'w User, command: &'static str, body: Value) -> Act<'w> {
    Act { who, command, body }
}

/// What a command made or changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) aggregate_type: String,
    pub(super) id: String,
    pub(super) position: u64,
    pub(super) result: Value,
}

/// Where somebody reads an entity: the object of a route or, of its list, the item that names `item`.
pub(super) struct Seen<'w> {
    pub(super) who: &'w User,
    pub(super) path: String,
    pub(super) item: Option<String>,
}

pub(super) fn object(who: &User, path: impl Into<String>) -> Seen<'_> {
    Seen { who, path: path.into(), item: None }
}

pub(super) fn item<'w>(who: &'w User, path: impl Into<String>, item: &str) -> Seen<'w> {
    Seen { who, path: path.into(), item: Some(item.to_owned()) }
}

/// One entity's way once it is made. A line a step.
pub(super) struct Way<'w> {
    pub(super) entity: &'static str,
    pub(super) made: &'w Made,
    pub(super) read: Seen<'w>,
    /// What reading shows, among other things; null where it is not there (any more).
    pub(super) shows: Value,
    /// Each with its status and its rule.
    pub(super) forbidden: Vec<(Act<'w>, u16, &'static str)>,
    pub(super) change: Act<'w>,
    pub(super) then_shows: Value,
    /// All events of its stream in the end.
    pub(super) events: &'static [&'static str],
    /// The route that shows its history to others than auditors.
    pub(super) own_history: Option<(&'w User, String)>,
}

pub(super) struct Walk {
    commands: String,
    reads: String,
    pub(super) admin: User,
    pub(super) auditor: User,
    pub(super) walked: BTreeSet<&'static str>,
    /// What did not hold: one failure must not hide the others.
    pub(super) found: Vec<String>,
}

impl Walk {
    pub(super) async fn begin(stack: &Stack) -> Self {
        let mut walk = Self {
            commands: stack.address(Service::CommandApi).to_owned(),
            reads: stack.address(Service::ReadApi).to_owned(),
            admin: User::default(),
            auditor: User::default(),
            walked: BTreeSet::new(),
            found: Vec::new(),
        };
        let told = stack.as_scene();
        walk.admin = walk.log_in(&told.admin_email, &told.admin_password).await;
        walk.auditor = walk.new_admin("auditor@example.org", &["auditor"]).await;
        walk
    }

    pub(super) fn holds(&mut self, what: &str, holds: bool, told: impl std::fmt::Display) {
        if !holds {
            self.found.push(format!("{what}: {told}"));
        }
    }

    /// Sends a command that must succeed.
    pub(super) async fn make(&self, who: &User, command: &'static str, body: Value) -> Made {
        let answer = self.send(&act(who, command, body)).await;
        assert_eq!(answer.status, 200, "{command}: {}", answer.body);
        let text = |name: &str| answer.json()[name].as_str().unwrap_or_default().to_owned();
        Made {
            aggregate_type: text("aggregate_type"),
            id: text("aggregate_id"),
            position: answer.json()["position"].as_u64().expect("a position"),
            result: answer.json()["result"].clone(),
        }
    }

    /// Goes one entity's way.
    pub(super) async fn go(&mut self, way: Way<'_>) {
        let (entity, made) = (way.entity, way.made);
        self.walked.insert(entity.split(' ').next().unwrap_or_default());

        let shown = self.read(&way.read, made.position).await;
        self.holds(entity, holds(&shown, &way.shows), format!("reading shows {shown}"));
        let stream = format!("/v1/audit/streams/{}/{}", made.aggregate_type, made.id);
        let then = self.get(&self.auditor, &stream).await.json()["state"].clone();
        self.holds(entity, then.is_object(), format!("{stream} shows {then}"));

        for (act, status, rule) in &way.forbidden {
            self.refused(entity, act, *status, rule).await;
        }

        let changed = self.make(way.change.who, way.change.command, way.change.body).await;
        let shown = self.read(&way.read, changed.position).await;
        self.holds(entity, holds(&shown, &way.then_shows), format!("then reading shows {shown}"));

        let events = self.events(&made.aggregate_type, &made.id).await;
        let names: Vec<_> =
            events.iter().filter_map(|event| event["event_type"].as_str()).collect();
        self.holds(entity, names == way.events, format!("its events are {names:?}"));

        let now = self.get(&self.auditor, &stream).await.json()["state"].clone();
        self.holds(entity, now != then, "the change did not change its state");
        let as_of = format!("as_of={}", made.position);
        let was = self.get(&self.auditor, &format!("{stream}?{as_of}")).await.json();
        self.holds(entity, was["state"] == then, format!("as of its creation it was {was}"));
        if let Some((who, path)) = way.own_history {
            let own = self.get(who, &format!("{path}?{as_of}")).await.json();
            self.holds(entity, own["state"] == then, format!("{path} says that it was {own}"));
        }
        let first = events.first().and_then(|event| event["position"].as_u64()).unwrap_or(1);
        let before = self.get(&self.auditor, &format!("{stream}?as_of={}", first - 1)).await;
        self.holds(entity, before.status == 404, format!("before it was made: {}", before.body));
    }

    /// A command that is refused for a reason that it names, and leaves no event.
    pub(super) async fn refused(&mut self, entity: &str, act: &Act<'_>, status: u16, rule: &str) {
        let head = self.head().await;
        let answer = self.send(act).await;
        let problem = answer.json();
        let fields = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names_rule = problem["rule"] == rule || fields.iter().any(|it| it["rule"] == rule);
        let as_told = answer.status == status && problem["status"] == status && names_rule;
        let command = act.command;
        let told = format!("{command} got {} instead of {status} {rule}", answer.body);
        self.holds(entity, as_told, told);
        let moved = self.head().await != head;
        self.holds(entity, !moved, format!("the log goes on after the refused {command}"));
    }

    /// The last position of the log itself, wherever projections are.
    pub(super) async fn head(&self) -> u64 {
        let path = format!("/v1/audit/streams/admin/{}", self.auditor.id);
        let answer = self.get(&self.auditor, &path).await;
        answer.position.expect("reads tell the position")
    }

    /// The events of a stream, as the log holds them.
    pub(super) async fn events(&self, aggregate_type: &str, id: &str) -> Vec<Value> {
        let path = format!("/v1/audit/events?aggregate_type={aggregate_type}&aggregate_id={id}");
        let answer = self.get(&self.auditor, &path).await;
        let lines = answer.body.lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// What is seen there once the read API has come to this position; null where there is nothing.
    pub(super) async fn read(&self, seen: &Seen<'_>, position: u64) -> Value {
        let join = if seen.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{join}min_position={position}&wait_ms=10000", seen.path);
        let answer = self.get(seen.who, &path).await;
        let json = if answer.status == 404 { Value::Null } else { answer.json() };
        let Some(item) = &seen.item else { return json };
        let items = json["items"].as_array().unwrap_or_else(|| panic!("{path}: {}", answer.body));
        let named = items.iter().find(|it| it.to_string().contains(item.as_str()));
        named.cloned().unwrap_or_default()
    }

    pub(super) async fn send(&self, act: &Act<'_>) -> Answer {
        let path = format!("/v1/commands/{}", act.command);
        exchange(&self.commands, "POST", &path, act.who, Some(&act.body)).await
    }

    pub(super) async fn get(&self, who: &User, path: &str) -> Answer {
        exchange(&self.reads, "GET", path, who, None).await
    }

    /// Any method on the read API.
    pub(super) async fn ask(&self, method: &str, who: &User, path: &str) -> Answer {
        exchange(&self.reads, method, path, who, None).await
    }

    pub(super) async fn log_in(&self, email: &str, password: &str) -> User {
        let body = json!({ "email": email, "password": password });
        let made = self.make(&User::default(), "log-in", body).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let id = text(&made.result["principal"]["id"]);
        let id = id.rsplit(':').next().unwrap_or_default().to_owned();
        let token = Some(text(&made.result["token"]));
        User { id, email: email.to_owned(), token, signature: None }
    }

    pub(super) async fn new_member(&self, email: &str) -> User {
        let body = json!({ "email": email, "password": password(email) });
        self.make(&User::default(), "register-member", body).await;
        self.log_in(email, &password(email)).await
    }

    pub(super) async fn new_admin(&self, email: &str, scopes: &[&str]) -> User {
        let body = json!({ "email": email, "password": password(email), "scopes": scopes });
        self.make(&self.admin, "create-admin", body).await;
        self.log_in(email, &password(email)).await
    }
}

/// Whether all that is expected is there; more may be.
fn holds(shown: &Value, expected: &Value) -> bool {
    match (shown, expected) {
        (Value::Object(shown), Value::Object(expected)) => expected
            .iter()
            .all(|(name, value)| shown.get(name).is_some_and(|shown| holds(shown, value))),
        _ => shown == expected,
    }
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `Agora-Position`.
    pub(super) position: Option<u64>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

async fn exchange(
    address: &str,
    method: &str,
    path: &str,
    who: &User,
    body: Option<&Value>,
) -> Answer {
    let bearer = who.token.as_ref().map(|token| format!("Bearer {token}"));
    let bearer = bearer.as_deref().map(|bearer| ("authorization", bearer));
    let guest = who.signature.as_deref().map(|signature| ("agora-guest", signature));
    let headers: Vec<_> = bearer.into_iter().chain(guest).collect();
    let reply = client::once(address, method, path, &headers, body).await.expect("it answers");
    let position = reply.header("agora-position").and_then(|text| text.parse().ok());
    let body = String::from_utf8(reply.body).expect("the service answers in UTF-8");
    Answer { status: reply.status, position, body }
}
