//! What a person may ask for, from end to end: a policy that two admins agree on, a consent, the person's
//! own data, and its erasure with a certificate that anybody can check.
#![expect(clippy::print_stdout, reason = "what the demo is for")]

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use agora_service::clock;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command, time::sleep};
use uuid::Uuid;

use super::{Community, DemoError, exporting::Exporting, show};
use crate::{
    agora::{AgoraError, Commands, Reads, Session},
    scene::{self, Stack},
    stack::binaries,
};

/// How long an erasure may take: it waits for mails that are on their way, and for caches.
const PATIENCE: Duration = Duration::from_secs(240);
const PURPOSE: &str = "search_analytics";

pub(super) struct Rights<'d> {
    pub(super) stack: &'d Stack,
    pub(super) admin: Commands,
    pub(super) admin_session: &'d Session,
    pub(super) run: &'d str,
    pub(super) community: &'d Community,
}

impl Rights<'_> {
    /// Says what is not as it must be.
    pub(super) async fn show(
        mut self,
        exporting: &Exporting<'_>,
    ) -> Result<Vec<String>, DemoError> {
        println!("\nA person's rights, from consent to erasure:");
        let mut failed = Vec::new();
        let version = self.policy().await?;
        let email = format!("Person-{}@example.org", self.run);
        let mut own = Commands::new(&self.stack.command_addr);
        let person = own.register(&email, &scene::password(self.run), Some("Kari Ås")).await?;
        // Found nowhere else, so that it can be looked for afterwards.
        let secret = format!("xylofon{}", self.run);
        let post = self.post(&mut own, &secret).await?;

        failed.extend(self.consent(&mut own, &person, &version).await?);
        if let Err(why) = exporting.own_data(&person, "JSON").await? {
            failed.push(format!("export of one's own data: {why}"));
        }
        let request = own
            .send("request-deletion", &json!({ "legal_ground": "CONSENT_WITHDRAWN" }))
            .await?
            .aggregate_id;
        println!("  It asks to be erased. A login of a moment ago says who it is.");
        let row = self.erase(request).await?;
        if row["status"] != "COMPLETED" {
            failed.push(format!("the erasure is {} after {PATIENCE:?}", row["status"]));
            return Ok(failed);
        }
        for step in row["processing_log"].as_array().into_iter().flatten() {
            let text = |field: &str| step[field].as_str().unwrap_or_default().to_owned();
            println!("    {:<16} {}", text("store"), text("result"));
        }
        failed.extend(self.certificate(request).await?);
        failed.extend(self.nothing_left(&email, &secret, post).await?);
        Ok(failed)
    }

    /// The number of a version of the privacy policy that holds.
    async fn policy(&mut self) -> Result<String, AgoraError> {
        let (email, password) =
            (format!("lawyer-{}@example.org", self.run), scene::password(self.run));
        let lawyer = json!({ "email": email, "password": password, "scopes": ["legal"] });
        self.admin.send("create-admin", &lawyer).await?;
        let mut lawyer = Commands::new(&self.stack.command_addr);
        lawyer.log_in(&email, &password).await?;
        let number = format!("demo-{}", self.run);
        let draft = json!({
            "version_number": number,
            "effective_date": clock::now().to_rfc3339(),
            "policy_content": "We note what is searched for, under your name only if you agree.",
            "major_changes": [],
            "acceptance_required": false,
        });
        let version = self.admin.send("draft-policy", &draft).await?.aggregate_id;
        let version = json!({ "version_id": version });
        self.admin.send("submit-policy", &version).await?;
        lawyer.send("approve-policy", &version).await?;
        self.admin.send("publish-policy", &version).await?;
        println!("  Version {number} of the privacy policy: written by one, approved by another.");
        Ok(number)
    }

    async fn post(&self, own: &mut Commands, secret: &str) -> Result<Uuid, AgoraError> {
        let community = json!({ "community_id": self.community.id });
        own.send("join-community", &community).await?;
        let post = json!({
            "community_id": self.community.id,
            "title": format!("My {secret}"),
            "body": format!("I play the {secret} at home, and have told nobody."),
        });
        Ok(own.send("create-post", &post).await?.aggregate_id)
    }

    async fn consent(
        &self,
        own: &mut Commands,
        person: &Session,
        version: &str,
    ) -> Result<Option<String>, AgoraError> {
        let grant = json!({
            "consent_type": "ANALYTICS",
            "purpose_description": "We note what you search for, to make search better.",
            "consent_method": "EXPLICIT_OPT_IN",
            "consent_version": version,
            "legal_basis": "CONSENT",
            "data_categories": ["searches"],
            "processing_purposes": [PURPOSE],
            "third_party_sharing": false,
        });
        let mut reads = Reads::new(&self.stack.read_addr);
        reads.act_as(person);
        let question =
            format!("/v1/consents/check?user={}&type=ANALYTICS&purpose={PURPOSE}", person.id);
        let mut answers = vec![reads.json(&question).await?];
        own.send("grant-consent", &grant).await?;
        answers.push(reads.json(&question).await?);
        let withdraw = json!({ "consent_type": "ANALYTICS", "purpose": PURPOSE });
        own.send("withdraw-consent", &withdraw).await?;
        answers.push(reads.json(&question).await?);
        let reasons: Vec<&str> =
            answers.iter().map(|answer| answer["reason"].as_str().unwrap_or_default()).collect();
        println!("  May its searches be noted under its name? {}", reasons.join(", then "));
        let right = reasons == ["not_asked", "consented", "withdrawn"];
        Ok((!right).then(|| format!("the gate says {reasons:?}")))
    }

    /// The request, once it is completed, or as it is when patience ends.
    async fn erase(&mut self, request: Uuid) -> Result<Value, AgoraError> {
        let id = json!({ "deletion_id": request });
        self.admin.send("start-deletion-review", &id).await?;
        let approved = self.admin.send("approve-deletion", &id).await?.position;
        println!("  An admin reviews it and approves. What is done then:");
        let mut reads = Reads::new(&self.stack.read_addr);
        reads.act_as(self.admin_session);
        let row =
            format!("/v1/data-deletion-requests/{request}?min_position={approved}&wait_ms=10000");
        let begun = Instant::now();
        let mut said = false;
        loop {
            let row = reads.json(&row).await?;
            if row["status"] == "COMPLETED" || begun.elapsed() > PATIENCE {
                return Ok(row);
            }
            // Backups are gone when their time is over; of this demo there are none.
            if row["backup_deletion_status"] == "IN_PROGRESS" && !said {
                let gone = json!({ "deletion_id": request, "backup_deletion_status": "COMPLETED" });
                self.admin.send("update-backup-erasure", &gone).await?;
                said = true;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Has the certificate checked by the tool that anybody can use.
    async fn certificate(&self, request: Uuid) -> Result<Option<String>, DemoError> {
        let mut reads = Reads::new(&self.stack.read_addr);
        let certificate = reads.json(&format!("/v1/erasure-certificates/{request}")).await?;
        let keys = reads.json("/v1/erasure-certificate-keys").await?;
        let key = keys["keys"][0]["public_key"].as_str().unwrap_or_default().to_owned();
        let verified = verify(&key, &certificate.to_string()).await;
        let altered = certificate.to_string().replace("COMPLETE_DELETION", "PARTIAL_DELETION");
        let refused = verify(&key, &altered).await;
        let statement = certificate["statement"].as_str().unwrap_or_default();
        let statement: Value = serde_json::from_str(statement).unwrap_or_default();
        println!(
            "  The certificate names {} destroyed keys and is {} by its signature; altered, it is {}.",
            statement["destroyed_key_ids"].as_array().map_or(0, Vec::len),
            word(verified),
            word(refused)
        );
        Ok((!verified || refused).then(|| "the certificate is not what it should be".to_owned()))
    }

    async fn nothing_left(
        &self,
        email: &str,
        secret: &str,
        post: Uuid,
    ) -> Result<Option<String>, AgoraError> {
        let mut everybody = Reads::new(&self.stack.read_addr);
        let found = everybody.json(&format!("/v1/search/posts?q={secret}")).await?;
        let shown = everybody.get(&format!("/v1/posts/{post}")).await;
        let shown = shown.map(|reply| String::from_utf8_lossy(&reply.body).into_owned());
        let login =
            Commands::new(&self.stack.command_addr).log_in(email, &scene::password(self.run)).await;
        let (found, shown) = (show::items(&found).len(), shown.unwrap_or_default());
        let left = found > 0 || shown.contains(secret) || login.is_ok();
        println!(
            "  Its word is found in {found} posts, its post shows it {} times, and it {} log in.",
            shown.matches(secret).count(),
            if login.is_ok() { "can" } else { "cannot" }
        );
        Ok(left.then(|| "something of the erased person is left".to_owned()))
    }
}

async fn verify(key: &str, certificate: &str) -> bool {
    let mut tool = Command::new(binaries().join("process-managers"));
    tool.args(["verify-certificate", "--public-key", key])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut running) = tool.spawn() else { return false };
    if let Some(mut stdin) = running.stdin.take()
        && stdin.write_all(certificate.as_bytes()).await.is_err()
    {
        return false;
    }
    running.wait().await.is_ok_and(|status| status.success())
}

const fn word(verified: bool) -> &'static str {
    if verified { "verified" } else { "refused" }
}
