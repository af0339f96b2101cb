//! Agora as a client sees it: commands and reads by name.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::client::{Client, ClientError, Header, Reply};

/// How often a command is sent again where the API is busy (503, 429).
const TRIES: u32 = 60;

#[derive(Debug, thiserror::Error)]
pub enum AgoraError {
    #[error("{what}: {error}")]
    Client { what: String, error: ClientError },
    /// A problem document, or something that should have been one.
    #[error("{what}: {status} {rule} {detail}")]
    Refused { what: String, status: u16, rule: String, detail: String },
    #[error("{what}: the reply lacks {lacks}")]
    Reply { what: String, lacks: &'static str },
}

impl AgoraError {
    /// The rules that a refusal names, of its fields first.
    pub fn rules(&self) -> Vec<String> {
        match self {
            Self::Refused { rule, .. } => rule.split(' ').map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    fn refused(what: &str, reply: &Reply) -> Self {
        let problem = reply.json();
        let fields = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut rules: Vec<&str> =
            fields.iter().filter_map(|field| field["rule"].as_str()).collect();
        if rules.is_empty() {
            rules.extend(problem["rule"].as_str());
        }
        Self::Refused {
            what: what.to_owned(),
            status: reply.head.status,
            rule: rules.join(" "),
            detail: problem["detail"].as_str().unwrap_or("no problem document").to_owned(),
        }
    }
}

/// What an accepted command answered.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub aggregate_id: Uuid,
    pub position: u64,
    pub result: Value,
}

/// A principal with a session.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: Uuid,
    pub email: String,
    pub token: String,
}

/// One connection to the command API.
pub struct Commands {
    client: Client,
}

impl Commands {
    pub fn new(address: &str) -> Self {
        Self { client: Client::new(address) }
    }

    /// These go with each request, too.
    #[must_use]
    pub fn with_headers(self, headers: &[Header<'_>]) -> Self {
        Self { client: self.client.with_headers(headers) }
    }

    pub fn act_as(&mut self, session: &Session) {
        self.client.set_token(Some(session.token.clone()));
    }

    pub fn act_with(&mut self, token: String) {
        self.client.set_token(Some(token));
    }

    /// Sends a command; comes back later where the API asks for that.
    pub async fn send(&mut self, name: &str, body: &Value) -> Result<Accepted, AgoraError> {
        let path = format!("/v1/commands/{name}");
        let mut tries = 0;
        let reply = loop {
            let reply = self
                .client
                .post(&path, body, None)
                .await
                .map_err(|error| AgoraError::Client { what: name.to_owned(), error })?;
            tries += 1;
            if !matches!(reply.head.status, 429 | 503) || tries == TRIES {
                break reply;
            }
            sleep(reply.head.retry_after.unwrap_or(Duration::from_secs(1))).await;
        };
        if !reply.is_success() {
            return Err(AgoraError::refused(name, &reply));
        }
        let json = reply.json();
        let lacks = |lacks| AgoraError::Reply { what: name.to_owned(), lacks };
        Ok(Accepted {
            aggregate_id: json["aggregate_id"].as_str().and_then(uuid_at_end).unwrap_or_default(),
            position: json["position"].as_u64().ok_or_else(|| lacks("position"))?,
            result: json["result"].clone(),
        })
    }

    /// Logs in; the connection then acts as this principal.
    pub async fn log_in(&mut self, email: &str, password: &str) -> Result<Session, AgoraError> {
        self.client.set_token(None);
        let accepted =
            self.send("log-in", &json!({ "email": email, "password": password })).await?;
        let token = accepted.result["token"].as_str();
        let id = accepted.result["principal"]["id"].as_str().and_then(uuid_at_end);
        let (Some(token), Some(id)) = (token, id) else {
            return Err(AgoraError::Reply { what: "log-in".to_owned(), lacks: "token" });
        };
        let session = Session { id, email: email.to_owned(), token: token.to_owned() };
        self.act_as(&session);
        Ok(session)
    }

    /// Makes an account and logs in.
    pub async fn register(
        &mut self,
        email: &str,
        password: &str,
        display_name: Option<&str>,
    ) -> Result<Session, AgoraError> {
        self.client.set_token(None);
        let mut body = json!({ "email": email, "password": password });
        if let Some(name) = display_name {
            body["display_name"] = name.into();
        }
        self.send("register-member", &body).await?;
        self.log_in(email, password).await
    }
}

/// The id in `aggregate_id`, which for pairs is more than a UUID.
fn uuid_at_end(text: &str) -> Option<Uuid> {
    text.rsplit(':').next()?.parse().ok()
}

/// One connection to the read API.
pub struct Reads {
    client: Client,
}

impl Reads {
    pub fn new(address: &str) -> Self {
        Self { client: Client::new(address) }
    }

    /// These go with each request, too.
    #[must_use]
    pub fn with_headers(self, headers: &[Header<'_>]) -> Self {
        Self { client: self.client.with_headers(headers) }
    }

    pub fn act_as(&mut self, session: &Session) {
        self.client.set_token(Some(session.token.clone()));
    }

    /// Any reply, also a problem.
    pub async fn get(&mut self, path: &str) -> Result<Reply, ClientError> {
        self.client.get(path).await
    }

    /// The JSON that is there; waits while the API says that it has not come so far yet.
    pub async fn json(&mut self, path: &str) -> Result<Value, AgoraError> {
        let mut tries = 0;
        loop {
            let reply = self
                .client
                .get(path)
                .await
                .map_err(|error| AgoraError::Client { what: path.to_owned(), error })?;
            tries += 1;
            match reply.head.status {
                200 => return Ok(reply.json()),
                503 if tries < TRIES => {
                    sleep(reply.head.retry_after.unwrap_or(Duration::from_secs(1))).await;
                }
                _ => return Err(AgoraError::refused(path, &reply)),
            }
        }
    }
}

/// Does many jobs over some connections at once; ends with the first error. A job gets a connection
/// and gives it back. The results come in no order.
pub async fn spread<J, R, F, W>(
    address: &str,
    connections: usize,
    jobs: Vec<J>,
    work: F,
) -> Result<Vec<R>, AgoraError>
where
    J: Send + 'static,
    R: Send + 'static,
    F: Fn(Commands, J) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = (Commands, Result<R, AgoraError>)> + Send,
{
    let jobs = Arc::new(Mutex::new(jobs.into_iter()));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (jobs, work, mut commands) = (Arc::clone(&jobs), work.clone(), Commands::new(address));
        tasks.spawn(async move {
            let mut results = Vec::new();
            loop {
                let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(job) = job else { return Ok::<_, AgoraError>(results) };
                let (same, result) = work(commands, job).await;
                commands = same;
                results.push(result?);
            }
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done.expect("the job does not panic")?);
    }
    Ok(all)
}
