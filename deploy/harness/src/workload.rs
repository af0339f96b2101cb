//! Members at work while something breaks: a mixture of commands whose outcomes are remembered, and
//! readers who ask for what was just written.

mod reporting;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use crate::{
    agora::{AgoraError, Commands, Session},
    checker::{Outcome, Placed, Seen, Sent},
    client::{Client, ClientError, Reply},
    scene,
};

const MEMBERS: usize = 6;
const POSTS: usize = 8;
/// How long a command with an idempotency key is sent again until its outcome is known.
const PERSISTENCE: Duration = Duration::from_secs(30);

/// Who works, and on what.
pub struct Cast {
    pub members: Vec<Session>,
    /// Of the first member, in the community.
    pub posts: Vec<Uuid>,
    /// Of the first member, on the first post.
    pub comment: Uuid,
    pub community: Uuid,
    pub community_name: String,
    /// What must be nowhere in the clear.
    pub secrets: Vec<String>,
}

impl Cast {
    /// Through the API, before anything breaks.
    pub async fn assemble(stack: &scene::Stack) -> Result<Self, AgoraError> {
        let run = scene::run_suffix();
        let mut admin = Commands::new(&stack.command_addr);
        let admin_session = admin.log_in(&stack.admin_email, &stack.admin_password).await?;
        let name = format!("faults-{run}");
        let category = admin.send("create-category", &json!({ "name": name })).await?.aggregate_id;
        let display_name = |index| Some(format!("Harriet Vane {index}"));
        let members = scene::members(stack, &run, MEMBERS, display_name, || {}).await?;
        let mut owner = Commands::new(&stack.command_addr);
        owner.act_as(&members[0]);
        let body = json!({ "name": name, "category_id": category });
        let community = owner.send("create-community", &body).await?.aggregate_id;
        let mut posts = Vec::new();
        for number in 0..POSTS {
            let body = post_body(community, number, &run);
            posts.push(owner.send("create-post", &body).await?.aggregate_id);
        }
        let body = comment_body(posts[0], None);
        let comment = owner.send("create-comment", &body).await?.aggregate_id;
        owner.send("create-comment", &comment_body(posts[0], Some(comment))).await?;
        let rules = json!({ "community_id": community, "rules": ["Be kind.", "On topic."] });
        owner.send("set-community-rules", &rules).await?;
        let reason = "The butler is no subject for the body in the library.";
        for (command, body) in [
            ("set-configuration", json!({ "key": format!("theme.{run}"), "value": "dark" })),
            ("register-integration", integration(&run)),
            ("delete-comment", json!({ "comment_id": comment, "reason": reason })),
            ("restore-comment", json!({ "comment_id": comment, "reason": reason })),
            ("delete-post", json!({ "post_id": posts[1], "reason": reason })),
            ("restore-post", json!({ "post_id": posts[1], "reason": reason })),
        ] {
            admin.send(command, &body).await?;
        }
        let mut secrets = vec![
            "Harriet Vane".to_owned(),
            "Gaudy Night".to_owned(),
            "body in the library".to_owned(),
            INTEGRATION_SECRET.to_owned(),
            stack.admin_password.clone(),
            scene::password(&run),
            admin_session.token,
        ];
        for member in &members {
            secrets.extend([member.email.clone(), member.token.clone()]);
        }
        secrets.extend(without_login(stack, &mut admin).await?);
        secrets.push(reporting::act(stack, &mut admin, &members, &run).await?);
        Ok(Self { members, posts, comment, community, community_name: name, secrets })
    }
}

/// A program and two guests, one of whom is forgotten; what they get in with.
async fn without_login(
    stack: &scene::Stack,
    admin: &mut Commands,
) -> Result<Vec<String>, AgoraError> {
    let body = json!({ "display_name": "Harriet Vane", "scopes": ["auditor"] });
    let program = admin.send("create-service-account", &body).await?;
    let body = json!({ "admin_id": program.aggregate_id });
    let rotated = admin.send("rotate-service-account-key", &body).await?;
    let mut nobody = Commands::new(&stack.command_addr);
    let guest = nobody.send("record-guest-visit", &json!({})).await?;
    let forgotten = nobody.send("record-guest-visit", &json!({})).await?;
    admin.send("forget-guest", &json!({ "guest_id": forgotten.aggregate_id })).await?;
    let secrets = [
        &program.result["key"],
        &rotated.result["key"],
        &guest.result["session_signature"],
        &forgotten.result["session_signature"],
    ];
    Ok(secrets.into_iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

const INTEGRATION_SECRET: &str = "Busman-s-Honeymoon";

fn integration(run: &str) -> Value {
    let config = json!({ "client_secret": INTEGRATION_SECRET }).to_string();
    json!({ "integration_name": format!("faults-{run}"), "config_json": config })
}

/// The run's suffix stands in every text, so that the texts can be looked for.
fn post_body(community: Uuid, number: usize, run: &str) -> Value {
    json!({
        "community_id": community,
        "title": format!("Gaudy Night {run} {number}"),
        "body": format!("There is a body in the library {run}, said the butler ({number})."),
        "author_display_name": "Harriet Vane",
    })
}

fn comment_body(post: Uuid, parent: Option<Uuid>) -> Value {
    json!({
        "post_id": post,
        "parent_comment_id": parent,
        "body": "It was the butler who found the body in the library.",
        "display_name": "Harriet Vane",
    })
}

/// What the clients saw.
#[derive(Default)]
pub struct History {
    pub sent: Vec<Sent>,
    pub seen: Vec<Seen>,
    pub bad_errors: Vec<String>,
}

impl History {
    pub fn accepted(&self) -> usize {
        self.sent.iter().filter(|it| matches!(it.outcome, Outcome::Accepted(_))).count()
    }

    /// Adds what another load saw; its clients count on from these.
    pub fn join(&mut self, other: Self) {
        let shift = self.seen.iter().map(|seen| seen.client + 1).max().unwrap_or(0);
        self.sent.extend(other.sent);
        self.seen.extend(
            other.seen.into_iter().map(|seen| Seen { client: seen.client + shift, ..seen }),
        );
        self.bad_errors.extend(other.bad_errors);
    }
}

/// A load that runs until it is stopped.
pub struct Running {
    stop: Arc<AtomicBool>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    cast: Arc<Cast>,
    command_addrs: Vec<String>,
    read_addr: String,
    history: Mutex<History>,
    /// A post and the position of the last accepted vote on it.
    last_vote: Mutex<Option<(Uuid, i64)>>,
}

/// Starts so many writers, spread over the command APIs, and readers.
pub fn start(
    cast: &Arc<Cast>,
    command_addrs: Vec<String>,
    read_addr: &str,
    writers: usize,
    readers: usize,
) -> Running {
    let stop = Arc::new(AtomicBool::new(false));
    let shared = Arc::new(Shared {
        cast: Arc::clone(cast),
        command_addrs,
        read_addr: read_addr.to_owned(),
        history: Mutex::default(),
        last_vote: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    for number in 0..writers {
        tasks.spawn(write(Arc::clone(&shared), Arc::clone(&stop), number));
    }
    for number in 0..readers {
        tasks.spawn(read(Arc::clone(&shared), Arc::clone(&stop), number));
    }
    Running { stop, shared, tasks }
}

impl Running {
    /// Ends the load and says what it saw.
    pub async fn finish(mut self) -> History {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.tasks.join_next().await {
            done.expect("a writer or reader does not panic");
        }
        std::mem::take(&mut *lock(&self.shared.history))
    }

    /// Commands with a known outcome so far.
    pub fn accepted(&self) -> usize {
        lock(&self.shared.history).accepted()
    }

    /// Waits until so many more commands were accepted.
    pub async fn advance(&self, count: usize) {
        let wanted = self.accepted() + count;
        let deadline = Instant::now() + PERSISTENCE;
        while self.accepted() < wanted && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn write(shared: Arc<Shared>, stop: Arc<AtomicBool>, number: usize) {
    let address = &shared.command_addrs[number % shared.command_addrs.len()];
    let mut client = Client::new(address.clone());
    let mut turn = number;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let (member, name, body, post) = choose(&shared.cast, number, turn);
        client.set_token(Some(shared.cast.members[member].token.clone()));
        let trace = format!("00-{}-{:016x}-01", scene::random_hex(16), turn as u64 + 1);
        // Every second command can be sent again until its outcome is known.
        let key = turn.is_multiple_of(2).then(|| trace.clone());
        let outcome = send(&shared, &mut client, name, &body, &trace, key.as_deref()).await;
        if let (Outcome::Accepted(placed), Some(post)) = (&outcome, post)
            && let Some(last) = placed.last()
        {
            *lock(&shared.last_vote) = Some((post, last.position));
        }
        if outcome == Outcome::Unknown {
            sleep(Duration::from_millis(50)).await;
        }
        lock(&shared.history).sent.push(Sent { traceparent: trace, outcome });
    }
}

/// The member, the command, its body, and the post that it votes on.
fn choose(cast: &Cast, number: usize, turn: usize) -> (usize, &'static str, Value, Option<Uuid>) {
    let member = 1 + (number * 5 + turn) % (cast.members.len() - 1);
    let post = cast.posts[(turn * 7 + number) % cast.posts.len()];
    let vote =
        |state: &str| json!({ "target": { "kind": "post", "id": post }, "vote_state": state });
    let here = json!({ "community_id": cast.community });
    match turn % 16 {
        0 => (member, "join-community", here, None),
        1 => (member, "leave-community", here, None),
        2 => (member, "visit-community", here, None),
        3 => (0, "create-post", post_body(cast.community, turn, "under load"), None),
        // Refused: one's own post, and a word that is none.
        4 => (0, "cast-vote", vote("upvote"), None),
        5 => (member, "cast-vote", vote("sideways"), None),
        6 => (member, "create-comment", comment_body(post, None), None),
        7 => {
            let target = json!({ "kind": "comment", "id": cast.comment });
            let state = ["upvote", "downvote", "none"][turn / 16 % 3];
            (member, "cast-vote", json!({ "target": target, "vote_state": state }), None)
        }
        other => {
            let state = ["upvote", "downvote", "none"][(other + turn / 16) % 3];
            (member, "cast-vote", vote(state), Some(post))
        }
    }
}

async fn send(
    shared: &Shared,
    client: &mut Client,
    name: &str,
    body: &Value,
    trace: &str,
    key: Option<&str>,
) -> Outcome {
    let path = format!("/v1/commands/{name}");
    let deadline = Instant::now() + PERSISTENCE;
    // Whether an earlier try may have been carried out.
    let mut maybe = false;
    loop {
        let outcome = match client.post_traced(&path, body, key, Some(trace)).await {
            Ok(reply) => judge(shared, name, &reply),
            Err(ClientError::Connect(_)) => Outcome::Refused,
            Err(_) => Outcome::Unknown,
        };
        let settled = match &outcome {
            Outcome::Accepted(_) => true,
            Outcome::Refused => client.reached(),
            Outcome::Unknown => false,
        };
        if settled || key.is_none() || Instant::now() > deadline {
            // What an earlier try did, a later refusal does not tell.
            return if maybe && outcome == Outcome::Refused { Outcome::Unknown } else { outcome };
        }
        maybe |= outcome == Outcome::Unknown;
        sleep(Duration::from_millis(100)).await;
    }
}

fn judge(shared: &Shared, name: &str, reply: &Reply) -> Outcome {
    let status = reply.head.status;
    if status >= 500 && !reply.is_problem() {
        let error = format!("{name}: {status} {}", reply.head.content_type);
        lock(&shared.history).bad_errors.push(error);
    }
    if status >= 500 {
        return Outcome::Unknown;
    }
    if status != 200 {
        return Outcome::Refused;
    }
    let json = reply.json();
    let placed = json["events"].as_array().into_iter().flatten().map(|event| Placed {
        event_id: event["event_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default(),
        position: event["position"].as_i64().unwrap_or_default(),
    });
    Outcome::Accepted(placed.collect())
}

async fn read(shared: Arc<Shared>, stop: Arc<AtomicBool>, number: usize) {
    let mut client = Client::new(shared.read_addr.clone());
    while !stop.load(Ordering::Relaxed) {
        let last = *lock(&shared.last_vote);
        let Some((post, min_position)) = last else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let path = format!("/v1/posts/{post}/score?min_position={min_position}");
        let Ok(reply) = client.get(&path).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (status, json) = (reply.head.status, reply.json());
        let mut history = lock(&shared.history);
        if status >= 500 && !reply.is_problem() {
            let error = format!("score: {status} {}", reply.head.content_type);
            history.bad_errors.push(error);
        }
        if status == 200 {
            history.seen.push(Seen {
                client: number,
                min_position,
                position: reply.head.position.and_then(|it| it.try_into().ok()).unwrap_or(-1),
                post,
                upvotes: json["upvotes"].as_i64().unwrap_or(-1),
                downvotes: json["downvotes"].as_i64().unwrap_or(-1),
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
