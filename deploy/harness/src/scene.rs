//! Who and what a load needs: an admin's session, a category, a community, members, posts.

use serde_json::json;
use uuid::Uuid;

use crate::agora::{AgoraError, Commands, Session, spread};

/// The body of `create-report`, with an invented organization's figures.
pub const REPORT: &str = include_str!("../../demo-data/quarterly-report.json");

/// Connections that register and log in: the API hashes two passwords at once, so more would only
/// wait there.
const REGISTRATIONS_AT_ONCE: usize = 4;

/// What `.agora/env` tells about a running stack.
#[derive(Clone, Debug, clap::Args)]
pub struct Stack {
    #[arg(long, env = "AGORA_COMMAND_ADDR", default_value = "127.0.0.1:8080")]
    pub command_addr: String,
    #[arg(long, env = "AGORA_READ_ADDR", default_value = "127.0.0.1:8081")]
    pub read_addr: String,
    #[arg(long, env = "AGORA_ADMIN_EMAIL", default_value = "admin@agora.local")]
    pub admin_email: String,
    #[arg(long, env = "AGORA_ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: String,
}

/// Everything that a cast-vote load votes with and on.
pub struct Scene {
    pub voters: Vec<Session>,
    pub posts: Vec<Uuid>,
}

/// A text that no other run uses: the ids of this run's accounts and names.
pub fn run_suffix() -> String {
    random_hex(5)
}

/// Random bytes in hexadecimal.
pub fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).expect("the operating system has randomness");
    hex::encode(random)
}

/// The password of every account that a run makes: its own, so that no two runs share one.
pub fn password(run: &str) -> String {
    format!("agora harness account {run}")
}

/// Registers members and logs them in, a few at once.
pub async fn members(
    stack: &Stack,
    run: &str,
    count: usize,
    display_name: fn(usize) -> Option<String>,
    made: impl Fn() + Clone + Send + Sync + 'static,
) -> Result<Vec<Session>, AgoraError> {
    let (address, run) = (&stack.command_addr, run.to_owned());
    let jobs = (0..count).collect();
    let register = move |mut commands: Commands, index: usize| {
        let (run, made) = (run.clone(), made.clone());
        async move {
            let email = format!("member-{index}-{run}@example.org");
            let name = display_name(index);
            let registered = commands.register(&email, &password(&run), name.as_deref()).await;
            made();
            (commands, registered.map(|session| (index, session)))
        }
    };
    let mut all = spread(address, REGISTRATIONS_AT_ONCE, jobs, register).await?;
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, session)| session).collect())
}

/// A member of a run, in a session for a new organization whose reports it writes.
pub async fn reporter(
    stack: &Stack,
    admin: &mut Commands,
    run: &str,
    member: &Session,
    name: &str,
) -> Result<Session, AgoraError> {
    let organization =
        admin.send("create-organization", &json!({ "name": name })).await?.aggregate_id;
    let add = json!({
        "organization_id": organization,
        "principal": { "kind": "member", "id": member.id },
        "role": "reporter",
    });
    admin.send("add-organization-member", &add).await?;
    let login = json!({
        "email": member.email, "password": password(run), "organization_id": organization,
    });
    let accepted = Commands::new(&stack.command_addr).send("log-in", &login).await?;
    let token = accepted.result["token"].as_str().unwrap_or_default().to_owned();
    Ok(Session { token, ..member.clone() })
}

/// Members who vote, and posts of one author to vote on.
pub async fn set(
    stack: &Stack,
    run: &str,
    voters: usize,
    posts: usize,
) -> Result<Scene, AgoraError> {
    let mut admin = Commands::new(&stack.command_addr);
    admin.log_in(&stack.admin_email, &stack.admin_password).await?;
    let category = admin
        .send("create-category", &json!({ "name": format!("bench-{run}") }))
        .await?
        .aggregate_id;
    let voters = members(stack, run, voters, |_| None, || {}).await?;
    let email = format!("author-{run}@example.org");
    let mut writer = Commands::new(&stack.command_addr);
    let author = writer.register(&email, &password(run), Some("Author")).await?;
    let community = writer
        .send(
            "create-community",
            &json!({ "name": format!("bench-{run}"), "category_id": category }),
        )
        .await?
        .aggregate_id;
    let posts = write_posts(stack, &author, community, posts).await?;
    Ok(Scene { voters, posts })
}

async fn write_posts(
    stack: &Stack,
    author: &Session,
    community: Uuid,
    count: usize,
) -> Result<Vec<Uuid>, AgoraError> {
    let (jobs, token) = ((0..count).collect(), author.token.clone());
    spread(&stack.command_addr, 64, jobs, move |mut commands, index: usize| {
        commands.act_with(token.clone());
        async move {
            let body = json!({
                "community_id": community,
                "title": format!("Post number {index}"),
                "body": "Something of some length that a member might write here.",
            });
            let posted = commands.send("create-post", &body).await;
            (commands, posted.map(|accepted| accepted.aggregate_id))
        }
    })
    .await
}
