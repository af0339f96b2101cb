//! A database and an app of a test's own, people in it, and what they send and get.

mod answer;
mod people;
mod policies;
mod tenants;

use std::{collections::BTreeMap, sync::Arc};

use agora_command_api::{
    App, Command, Settings, commands,
    execute::{Caller, Conditions, execute},
    http,
};
use agora_domain::{Actor, Decide, identity::values::AdminScope};
use agora_event_store::{Unit, log::Draft, read, security::SecurityLog, testing::TestDatabase};
use agora_service::client_address::ClientAddress;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Request},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

pub use answer::Answer;
pub use people::{PASSWORD, Person, SeedSession};
pub use policies::{answer, draft, in_seconds};
pub use tenants::{report, sections};

pub const CLIENT: &str = "203.0.113.77";

/// An app on a database that only this test has.
pub struct World {
    pub database: Arc<TestDatabase>,
    pub app: App,
    pub router: Router,
}

/// A security record as it is stored.
#[derive(Debug, sqlx::FromRow)]
pub struct Record {
    pub kind: String,
    pub result: String,
    pub actor_id: Option<Uuid>,
    pub action: String,
    pub rule: Option<String>,
    pub status: i32,
    pub occurrences: i64,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::on(Arc::new(TestDatabase::new().await), settings).await
    }

    /// Another instance on the same database.
    pub async fn twin(&self) -> Self {
        Self::on(Arc::clone(&self.database), self.app.settings.clone()).await
    }

    async fn on(database: Arc<TestDatabase>, settings: Settings) -> Self {
        let log = database.log().await;
        let security = SecurityLog::start(log.pool().clone(), database.vault(), None);
        let app = App::new(log, security, settings);
        let router = agora_service::http::complete(http::routes(app.clone()));
        Self { database, app, router }
    }

    /// Carries a command out as the platform itself, past HTTP.
    pub async fn execute<C: Command>(&self, command: C) -> agora_command_api::reply::Reply {
        let caller = Caller::system(None);
        execute(&self.app, &caller, &Conditions::default(), command).await.unwrap()
    }

    pub async fn guest(&self, command: &str, body: Value) -> Answer {
        self.request(Call::new(command).body(body)).await
    }

    pub async fn send(&self, person: &Person, command: &str, body: Value) -> Answer {
        self.request(Call::new(command).token(&person.token).body(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.answer("GET", Call::to(path.to_owned()).without("content-type")).await
    }

    pub async fn request(&self, call: Call) -> Answer {
        self.answer("POST", call).await
    }

    pub async fn answer(&self, method: &str, call: Call) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(call.path)
            .extension(ClientAddress::of(CLIENT.parse().unwrap()))
            .body(Body::from(call.body))
            .unwrap();
        *request.headers_mut() = call.headers;
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer::new(parts.status.as_u16(), parts.headers, bytes.to_vec())
    }

    /// How far the log goes.
    pub async fn head(&self) -> u64 {
        let mut connection = self.database.pool.acquire().await.unwrap();
        read::head(&mut connection).await.unwrap()
    }

    pub async fn records(&self) -> Vec<Record> {
        sqlx::query_as(
            "SELECT kind, result, actor_id, action, rule, status, occurrences
             FROM log.security_records ORDER BY recorded_at",
        )
        .fetch_all(&self.database.pool)
        .await
        .unwrap()
    }

    /// The types of the events from a position on, with their streams.
    pub async fn events_after(&self, position: u64) -> Vec<(String, String)> {
        sqlx::query_as(
            "SELECT event_type, aggregate_id FROM log.events WHERE position > $1 ORDER BY position",
        )
        .bind(read::to_db(position))
        .fetch_all(&self.database.pool)
        .await
        .unwrap()
    }

    /// A stream's last payload as it is stored.
    pub async fn last_payload(&self, aggregate_type: &str, aggregate_id: &str) -> Value {
        let payload: String = sqlx::query_scalar(
            "SELECT payload::text FROM log.events WHERE aggregate_type = $1 AND aggregate_id = $2
             ORDER BY sequence DESC LIMIT 1",
        )
        .bind(aggregate_type)
        .bind(aggregate_id)
        .fetch_one(&self.database.pool)
        .await
        .unwrap();
        serde_json::from_str(&payload).unwrap()
    }

    /// Lets one aggregate decide, past every command of the API: for what no command does yet.
    pub async fn decide<A: Decide>(&self, aggregate_id: &str, command: A::Command) {
        let loaded = self.app.log.load::<A>(aggregate_id).await.unwrap();
        let draft = Draft {
            loaded: &loaded,
            events: loaded.state.decide(command).unwrap(),
            event_ids: &mut Uuid::now_v7,
            metadata: r#"{"actor":"system:00000000-0000-0000-0000-000000000000"}"#,
            client_address: None,
        };
        let mut unit = Unit::default();
        self.app.log.draft(&mut unit, draft).await.unwrap();
        self.app.log.append(unit).await.unwrap();
    }

    pub async fn category(&self, admin: &Person) -> String {
        let name = unique("category");
        self.send(admin, "create-category", json!({ "name": name })).await.id()
    }

    /// A community with its owner.
    pub async fn community(&self, owner: &Person, category_id: &str) -> String {
        let body = json!({ "name": unique("community"), "category_id": category_id });
        self.send(owner, "create-community", body).await.id()
    }

    pub async fn post(&self, author: &Person, community_id: &str) -> String {
        let body = json!({
            "community_id": community_id,
            "title": "A title of some length",
            "body": "A body of some more length.",
        });
        self.send(author, "create-post", body).await.id()
    }

    /// Somebody who owns a community, an admin, and the community.
    pub async fn settled(&self) -> Settled {
        let admin = self.admin(&[AdminScope::Global]).await;
        let owner = self.member().await;
        let category_id = self.category(&admin).await;
        let community_id = self.community(&owner, &category_id).await;
        Settled { admin, owner, category_id, community_id }
    }

    pub async fn join(&self, person: &Person, community_id: &str) {
        let body = json!({ "community_id": community_id });
        self.send(person, "join-community", body).await.accepted();
    }
}

pub struct Settled {
    pub admin: Person,
    pub owner: Person,
    pub category_id: String,
    pub community_id: String,
}

/// A request in the making.
#[derive(Clone)]
pub struct Call {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call {
    pub fn new(command: &str) -> Self {
        Self::to(format!("/v1/commands/{command}"))
    }

    pub fn to(path: String) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        Self { path, headers, body: Vec::new() }
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// One more header of a name.
    pub fn also(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub fn body(self, body: Value) -> Self {
        self.raw(serde_json::to_vec(&body).unwrap())
    }

    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// Every command's body as the OpenAPI document shows it.
pub fn examples() -> BTreeMap<String, Value> {
    let document = serde_json::to_value(agora_command_api::openapi::document()).unwrap();
    let example = |name: &str| {
        let path = format!("/v1/commands/{name}");
        let body = &document["paths"][path]["post"]["requestBody"]["content"];
        body["application/json"]["example"].clone()
    };
    commands::all().iter().map(|command| (command.name.to_owned(), example(command.name))).collect()
}

/// A name that nobody else has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", &Uuid::new_v4().simple().to_string()[..12])
}

/// An id that nobody has.
pub fn unknown_id() -> String {
    Uuid::now_v7().to_string()
}

pub fn actor_json(actor: Actor) -> Value {
    json!({ "kind": actor.kind, "id": actor.id })
}
