//! How fast the gate answers that everything asks which rests on a consent (CON-09).

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Failure,
    paced::{Paced, Visit},
    report::Report,
};
use crate::{
    agora::{Commands, Reads, Session},
    client,
    scene::{self, Stack},
};

const MEMBERS: usize = 16;
/// Checks a second.
const RATE: u32 = 2_000;
const GOAL_MS: f64 = 5.0;
const WARM_UP: Duration = Duration::from_secs(2);

/// Part of a run: every second member has consented. Says what has gone wrong.
pub(super) async fn all(
    stack: &Stack,
    time: Duration,
    report: &mut Report,
) -> Result<Option<String>, Failure> {
    let run = scene::run_suffix();
    let version = policy(stack, &run).await?;
    let members = scene::members(stack, &run, MEMBERS, |_| None, || {}).await?;
    let mut commands = Commands::new(&stack.command_addr);
    for member in members.iter().step_by(2) {
        commands.act_as(member);
        let body = json!({
            "consent_type": "ANALYTICS", "purpose_description": "To measure.",
            "consent_method": "EXPLICIT_OPT_IN", "consent_version": version,
            "legal_basis": "CONSENT", "data_categories": ["searches"],
            "processing_purposes": ["search_analytics"], "third_party_sharing": false,
        });
        commands.send("grant-consent", &body).await?;
    }
    probe(stack, &members).await?;
    let ask = |member: &Session| client::get(&path(member), &stack.read_addr, Some(&member.token));
    let visits: Vec<Visit> = members.iter().map(|it| vec![ask(it).into_bytes()]).collect();
    let address = stack.read_addr.clone();
    let paced = Paced { address, visits: Arc::new(visits), rate: RATE, time: WARM_UP };
    paced.clone().run().await?;
    let read = Paced { time, ..paced }.run().await?;
    let [p50, p99] = [0.5, 0.99].map(|it| read.latency.value_at_quantile(it) as f64 / 1e3);
    let mut measured = format!("p50 {p50:.1} ms, p99 {p99:.1} ms at {:.0}/s", read.rate);
    if read.failed > 0 {
        measured.push_str(&format!("; {} failed", read.failed));
    }
    let met = p99 < GOAL_MS && read.failed == 0;
    report.line("consent checks", measured, &format!("p99 < {GOAL_MS} ms at {RATE}/s"), Some(met));
    Ok(read.why.map(|why| format!("consent checks: {why}")))
}

fn path(member: &Session) -> String {
    let user = member.id;
    format!("/v1/consents/check?user={user}&type=ANALYTICS&purpose=search_analytics")
}

/// Fails where the gate says anything but what was answered.
async fn probe(stack: &Stack, members: &[Session]) -> Result<(), Failure> {
    let mut reads = Reads::new(&stack.read_addr);
    for (number, member) in members.iter().enumerate() {
        reads.act_as(member);
        let answer = reads.json(&path(member)).await?;
        if answer["allowed"] != (number % 2 == 0) {
            return Err(format!("the gate says {}", answer["reason"]).into());
        }
    }
    Ok(())
}

/// The number of a version that holds: written by one admin, reviewed by another (PPV-14).
async fn policy(stack: &Stack, run: &str) -> Result<String, Failure> {
    let mut author = Commands::new(&stack.command_addr);
    author.log_in(&stack.admin_email, &stack.admin_password).await?;
    let (email, password) = (format!("lawyer-{run}@example.org"), scene::password(run));
    let body = json!({ "email": email, "password": password, "scopes": ["legal"] });
    author.send("create-admin", &body).await?;
    let mut reviewer = Commands::new(&stack.command_addr);
    reviewer.log_in(&email, &password).await?;
    let version = format!("bench-{run}");
    let draft = json!({
        "version_number": version, "effective_date": "2020-01-01T00:00:00Z",
        "policy_content": "What is stored, and why.", "acceptance_required": false,
    });
    let id = author.send("draft-policy", &draft).await?.aggregate_id;
    let body = json!({ "version_id": id });
    author.send("submit-policy", &body).await?;
    reviewer.send("approve-policy", &body).await?;
    author.send("publish-policy", &body).await?;
    Ok(version)
}
