//! Mails of a person: those that wait, and those in files, where there is no mail server.

use std::{
    collections::HashSet,
    fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use agora_domain::{
    Actor,
    compliance::processing_limit::ProcessingLimit,
    identity::{admin::Admin, member::Member},
    ids::CredentialId,
    process_managers::{mail::MailKind, policy_notices},
};
use agora_event_store::{
    RecordedEvent,
    read::{self, to_db},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    Eraser,
    stores::{Done, Trouble},
};

/// How often it is looked whether mails have left.
const LOOK: Duration = Duration::from_millis(250);

impl Eraser {
    /// Lets what waits leave, then drops what has not; removes the files that are addressed to the
    /// person. It comes before the keys go: after that nobody knows the addresses.
    pub(super) async fn remove_mails(
        &self,
        subject: Actor,
        patience: Duration,
    ) -> Result<Done, Trouble> {
        let events = self.events_about(subject).await?;
        let causes: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
        let head = to_db(self.head().await?);
        let deadline = Instant::now() + patience;
        while self.waiting(&causes, head).await? && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        sqlx::query("DELETE FROM process.wake_ups WHERE process = 'mail' AND cause = ANY ($1)")
            .bind(&causes)
            .execute(self.app.log.pool())
            .await?;
        // Nobody waits for these: of a policy that comes the person need not hear any more.
        sqlx::query("DELETE FROM process.wake_ups WHERE process = $1 AND key = $2")
            .bind(policy_notices::NAME)
            .bind(subject.id)
            .execute(self.app.log.pool())
            .await?;
        let addresses = self.addresses(&events).await?;
        let folder = self.home.join("mail");
        let is_theirs = move |path: &Path| is_to(path, &addresses);
        let removed = tokio::task::spawn_blocking(move || remove(&folder, is_theirs)).await;
        let removed = removed.map_err(|_| Trouble::Wait("mail_task_ended"))?;
        Ok(Done { count: Some(removed.map_err(Trouble::Mails)? as u64), ..Done::default() })
    }

    /// Removes the files of mails that events about the person caused: their names derive from these, so
    /// this works without a key, too.
    pub(super) async fn remove_known_mails(&self, subject: Actor) -> Result<usize, Trouble> {
        let (events, policies) = (self.events_about(subject).await?, self.published().await?);
        let notices = policies.into_iter().map(|id| policy_notices::mail_id(id, subject.id));
        let names: HashSet<PathBuf> = events
            .iter()
            .flat_map(|event| {
                let kinds = MailKind::of(&event.event_type).iter();
                kinds.map(move |kind| kind.mail_id(event.event_id))
            })
            .chain(notices)
            .map(|id| format!("{id}.eml").into())
            .collect();
        let folder = self.home.join("mail");
        let is_theirs = move |path: &Path| {
            Ok(path.file_name().is_some_and(|name| names.contains(Path::new(name))))
        };
        let removed = tokio::task::spawn_blocking(move || remove(&folder, is_theirs)).await;
        removed.map_err(|_| Trouble::Wait("mail_task_ended"))?.map_err(Trouble::Mails)
    }

    /// Whether something is still to leave, or the process of mails has not seen yet that it is.
    async fn waiting(&self, causes: &[Uuid], head: i64) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM process.wake_ups
                            WHERE process = 'mail' AND cause = ANY ($1))
                 OR NOT EXISTS (SELECT FROM process.checkpoints
                                WHERE process = 'mail' AND position >= $2)",
        )
        .bind(causes)
        .bind(head)
        .fetch_one(self.app.log.pool())
        .await
    }

    /// The events of the streams whose mails go to the person: account, credential, restriction, exports,
    /// erasures, and resets of its password that it carried out. Others lead to nobody but by the address.
    async fn events_about(&self, subject: Actor) -> Result<Vec<RecordedEvent>, Trouble> {
        let log = &self.app.log;
        let id = subject.id.to_string();
        let credential_id: Option<CredentialId> = match subject.is_admin() {
            true => log.load_fresh::<Admin>(&id).await.map(|it| it.state.credential_id()),
            false => log.load_fresh::<Member>(&id).await.map(|it| it.state.credential_id()),
        }
        .map_err(|error| Trouble::Refused(error.to_string()))?;
        let exports: Vec<Uuid> = sqlx::query_scalar(
            "SELECT request_id FROM read.data_export_requests WHERE user_id = $1",
        )
        .bind(subject.id)
        .fetch_all(log.pool())
        .await?;
        let deletions: Vec<Uuid> = sqlx::query_scalar(
            "SELECT deletion_id FROM read.data_deletion_requests WHERE user_id = $1",
        )
        .bind(subject.id)
        .fetch_all(log.pool())
        .await?;
        let restriction = ProcessingLimit::restriction_stream_id(subject);
        let mut streams = vec![(subject.kind.as_str(), id), ("processing_limit", restriction)];
        streams.extend(deletions.into_iter().map(|id| ("deletion_request", id.to_string())));
        streams.extend(credential_id.map(|id| ("credential", id.to_string())));
        streams.extend(exports.into_iter().map(|id| ("export_job", id.to_string())));
        let mut connection = log.pool().acquire().await?;
        let mut events = Vec::new();
        for (aggregate_type, aggregate_id) in streams {
            events.extend(read::stream(&mut connection, aggregate_type, &aggregate_id).await?);
        }
        let resets: Vec<String> = events.iter().filter_map(reset_of).collect();
        for reset_id in resets {
            events.extend(read::stream(&mut connection, "password_reset", &reset_id).await?);
        }
        Ok(events)
    }

    /// The publications of policies, of which many were told.
    async fn published(&self) -> Result<Vec<Uuid>, Trouble> {
        let published = sqlx::query_scalar(
            "SELECT e.event_id FROM read.policy_versions v
             CROSS JOIN LATERAL log.stream('policy_version', v.version_id::text) e
             WHERE e.event_type = ANY ($1)",
        )
        .bind(policy_notices::EVENT_TYPES)
        .fetch_all(self.app.log.pool())
        .await?;
        Ok(published)
    }

    /// Every address that the person ever had, in lower case.
    async fn addresses(&self, events: &[RecordedEvent]) -> Result<HashSet<String>, Trouble> {
        let opener = agora_event_store::Opener::new(self.app.log.vault().clone());
        let opened = opener.open_events(&events.iter().collect::<Vec<_>>()).await?;
        let mut addresses = HashSet::new();
        for event in opened {
            if let Ok(payload) = serde_json::from_str(&event.payload) {
                collect(&payload, &mut addresses);
            }
        }
        Ok(addresses)
    }
}

/// The request by which a password was set.
fn reset_of(event: &RecordedEvent) -> Option<String> {
    if event.event_type != "PasswordReset" {
        return None;
    }
    let payload: Value = serde_json::from_str(&event.payload).ok()?;
    payload["PasswordReset"]["reset_id"].as_str().map(str::to_owned)
}

fn collect(value: &Value, addresses: &mut HashSet<String>) {
    match value {
        Value::String(text) if text.contains('@') => {
            addresses.insert(text.to_lowercase());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, addresses)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, addresses)),
        _ => {}
    }
}

/// Removes the mails that are somebody's; says how many. No folder is no mail.
fn remove(folder: &Path, is_theirs: impl Fn(&Path) -> io::Result<bool>) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry?.path();
        match is_theirs(&path) {
            Ok(true) => {}
            Ok(false) => continue,
            // Whoever reads the mails may remove one at the same time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        match fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if removed > 0 {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(removed)
}

/// Whether a mail's header says that it goes to one of the addresses.
fn is_to(path: &Path, addresses: &HashSet<String>) -> io::Result<bool> {
    let header = BufReader::new(fs::File::open(path)?).split(b'\n');
    for line in header {
        let line = String::from_utf8_lossy(&line?).to_lowercase();
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(false);
        }
        if let Some(to) = line.strip_prefix("to:") {
            let to = to.trim().trim_start_matches('<').trim_end_matches('>');
            return Ok(addresses.contains(to));
        }
    }
    Ok(false)
}
