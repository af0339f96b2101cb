//! Exports of each kind and format: an organization's report, what is stored about a person, what is
//! public. Each file is downloaded, and `sha256sum` compares it with what the API says of it.
#![expect(clippy::print_stdout, reason = "what the demo is for")]

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{process::Command, time::sleep};
use uuid::Uuid;

use super::{DemoError, show};
use crate::{
    agora::{AgoraError, Commands, Reads, Session},
    client::Client,
    scene::{self, Stack},
};

/// How long the files may take, all together.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long it may take until the history counts the downloads.
const COUNTED_WITHIN: Duration = Duration::from_secs(10);

const REPORT_FORMATS: [&str; 5] = ["PDF", "XLSX", "CSV", "JSON", "XML"];
const SUBJECT_FORMATS: [&str; 4] = ["PDF", "JSON", "CSV", "XML"];
const PLATFORM_FILES: [(&str, &str); 3] =
    [("communities", "json"), ("posts", "csv"), ("comments", "json")];

pub(super) struct Exporting<'s> {
    pub(super) stack: &'s Stack,
    pub(super) admin: Commands,
    pub(super) run: &'s str,
    /// Where the files go.
    pub(super) folder: &'s Path,
}

/// An export that somebody asked for.
struct Asked {
    what: String,
    job: Uuid,
    session: Session,
    /// Where its row is read.
    row: Row,
    /// What lets a person have its own data.
    token: Option<String>,
}

#[derive(Clone, Copy)]
enum Row {
    /// Of the organization's history.
    Statutory,
    /// Of one's own log of data exports.
    Own,
}

impl Exporting<'_> {
    /// Says what is not as it must be.
    pub(super) async fn show(&mut self, members: &[Session]) -> Result<Vec<String>, DemoError> {
        // Files of the run before are others' data.
        let _absent = fs::remove_dir_all(self.folder);
        fs::create_dir_all(self.folder).map_err(|error| self.unwritten(error))?;
        println!("\nExports, downloaded to {}:", self.folder.display());
        let name = format!("Familievernkontoret Ås {}", self.run);
        let reporter =
            scene::reporter(self.stack, &mut self.admin, self.run, &members[0], &name).await?;
        let asked = self.ask(&reporter, members).await?;
        let mut failed = Vec::new();
        let mut sums = String::new();
        for asked in &asked {
            match self.fetch(asked).await? {
                Ok((checksum, name)) => sums.push_str(&format!("{checksum}  {name}\n")),
                Err(why) => failed.push(format!("export of {}: {why}", asked.what)),
            }
        }
        let list = self.folder.join("SHA256SUMS");
        fs::write(list, &sums).map_err(|error| self.unwritten(error))?;
        failed.extend(self.check_sums(sums.lines().count()).await);
        failed.extend(self.history(&reporter).await?);
        Ok(failed)
    }

    fn unwritten(&self, error: std::io::Error) -> DemoError {
        DemoError::Exports(self.folder.to_owned(), error)
    }

    async fn ask(&self, reporter: &Session, members: &[Session]) -> Result<Vec<Asked>, AgoraError> {
        let mut commands = Commands::new(&self.stack.command_addr);
        commands.act_as(reporter);
        let report: Value = serde_json::from_str(scene::REPORT).expect("the demo's report is JSON");
        let report = commands.send("create-report", &report).await?.aggregate_id;
        commands.send("submit-report", &json!({ "report_id": report })).await?;
        let mut all = Vec::new();
        for format in REPORT_FORMATS {
            let body = json!({
                "kind": "statutory_report", "bufdir_report_id": report,
                "format": format, "source": "ADMIN_PORTAL",
            });
            let job = commands.send("request-export", &body).await?.aggregate_id;
            let what = format!("the report as {format}");
            let session = reporter.clone();
            all.push(Asked { what, job, session, row: Row::Statutory, token: None });
        }
        // One open request a person, so each format is another's.
        for (format, person) in SUBJECT_FORMATS.into_iter().zip(members.iter().cycle().skip(1)) {
            all.push(self.ask_own(person, format).await?);
        }
        let person = members.last().expect("the demo has members");
        commands.act_as(person);
        for (export_type, format) in PLATFORM_FILES {
            let body =
                json!({ "kind": "platform_data", "export_type": export_type, "format": format });
            let job = commands.send("request-export", &body).await?.aggregate_id;
            let what = format!("public {export_type} as {format}");
            all.push(Asked { what, job, session: person.clone(), row: Row::Own, token: None });
        }
        Ok(all)
    }

    async fn ask_own(&self, person: &Session, format: &str) -> Result<Asked, AgoraError> {
        let mut commands = Commands::new(&self.stack.command_addr);
        commands.act_as(person);
        let body = json!({
            "kind": "subject_data", "request_type": "FULL_EXPORT",
            "format": format, "delivery_method": "DOWNLOAD_LINK",
        });
        let accepted = commands.send("request-export", &body).await?;
        let token = accepted.result["verification_token"].as_str().map(str::to_owned);
        let what = format!("a member's own data as {format}");
        let (job, session) = (accepted.aggregate_id, person.clone());
        Ok(Asked { what, job, session, row: Row::Own, token })
    }

    /// What is stored about a person, downloaded; or why it is not.
    pub(super) async fn own_data(
        &self,
        person: &Session,
        format: &str,
    ) -> Result<Result<(), String>, DemoError> {
        let asked = self.ask_own(person, format).await?;
        Ok(self.fetch(&asked).await?.map(|_| ()))
    }

    /// Waits for the file, downloads it, and gives the checksum that the API tells and its name here;
    /// or why there is none.
    async fn fetch(&self, asked: &Asked) -> Result<Result<(String, String), String>, DemoError> {
        let row = match self.wait(asked).await? {
            Ok(row) => row,
            Err(why) => return Ok(Err(why)),
        };
        let mut client = Client::new(&self.stack.read_addr);
        client.set_token(Some(asked.session.token.clone()));
        let token = asked.token.as_deref().map(|token| format!("?token={token}"));
        let path = format!("/v1/exports/{}/download{}", asked.job, token.unwrap_or_default());
        let reply = client
            .get(&path)
            .await
            .map_err(|error| AgoraError::Client { what: asked.what.clone(), error })?;
        if !reply.is_success() {
            return Ok(Err(format!("the download answers {}", reply.head.status)));
        }
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        // Several people's files have the same name.
        let short = asked.job.simple().to_string();
        let name = format!("{}-{}", &short[short.len() - 6..], text("file_name"));
        let path = self.folder.join(&name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(&reply.body))
            .map_err(|error| self.unwritten(error))?;
        println!("    {:<34} {:>9} bytes  {name}", asked.what, reply.body.len());
        Ok(Ok((text("checksum_sha256"), name)))
    }

    async fn wait(&self, asked: &Asked) -> Result<Result<Value, String>, AgoraError> {
        let mut reads = Reads::new(&self.stack.read_addr);
        reads.act_as(&asked.session);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let row = match asked.row {
                Row::Statutory => self.statutory(&mut reads, asked.job).await?,
                Row::Own => {
                    let list = reads.json("/v1/data-export-logs?limit=100").await?;
                    let mine = |row: &Value| row["id"] == json!(asked.job);
                    show::items(&list).into_iter().find(mine)
                }
            };
            let row = row.unwrap_or_default();
            match row["status"].as_str() {
                Some("completed") => return Ok(Ok(row)),
                Some("failed") => return Ok(Err(format!("failed: {}", row["error_code"]))),
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
        Ok(Err(format!("not made within {PATIENCE:?}")))
    }

    /// The row of an export, once the table has it.
    async fn statutory(&self, reads: &mut Reads, job: Uuid) -> Result<Option<Value>, AgoraError> {
        match reads.json(&format!("/v1/exports/{job}")).await {
            Ok(row) => Ok(Some(row)),
            Err(AgoraError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What `sha256sum` finds.
    async fn check_sums(&self, files: usize) -> Option<String> {
        let mut check = Command::new("sha256sum");
        check.args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(self.folder);
        match check.output().await {
            Ok(output) if output.status.success() => {
                println!("  sha256sum --check: {files} files are what the API says they are");
                None
            }
            Ok(output) => Some(format!("sha256sum: {}", String::from_utf8_lossy(&output.stdout))),
            Err(error) => Some(format!("sha256sum cannot be run: {error}")),
        }
    }

    /// The organization's history, as its members see it.
    async fn history(&self, reporter: &Session) -> Result<Option<String>, AgoraError> {
        let mut reads = Reads::new(&self.stack.read_addr);
        reads.act_as(reporter);
        let begun = Instant::now();
        let rows = loop {
            let rows = show::items(&reads.json("/v1/exports?limit=20").await?);
            let counted = rows.iter().filter(|row| row["download_count"] == 1).count();
            if counted == REPORT_FORMATS.len() || begun.elapsed() > COUNTED_WITHIN {
                break rows;
            }
            sleep(Duration::from_millis(100)).await;
        };
        println!("  The organization's export history:");
        for row in &rows {
            println!(
                "    {:<8} {:<10} {:<32} downloaded {} times, until {}",
                row["report_period_label"].as_str().unwrap_or_default(),
                row["status"].as_str().unwrap_or_default(),
                row["file_name"].as_str().unwrap_or_default(),
                row["download_count"],
                row["expires_at"].as_str().unwrap_or_default(),
            );
        }
        let right = |row: &Value| row["status"] == "completed" && row["download_count"] == 1;
        let all = rows.len() == REPORT_FORMATS.len() && rows.iter().all(right);
        Ok((!all).then(|| "the export history does not show each file downloaded once".to_owned()))
    }
}
