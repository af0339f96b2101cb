//! Runs `agora_domain::process_managers::policy_notices`.

use agora_command_api::{
    App,
    commands::mark_policy_notified::MarkPolicyNotified,
    execute::{Caller, Conditions, execute},
};
use agora_domain::{
    Actor, ActorKind,
    compliance::policy_version::PolicyVersion,
    ids::PolicyVersionId,
    process_managers::{
        Reaction, WakeUp,
        policy_notices::{self, KEPT_TRYING, Notice, closing_key, mail_id},
    },
};
use agora_event_store::{
    LoadError, RecordedEvent,
    read::{self, to_db},
};
use agora_service::{clock, problem::Problem};
use uuid::Uuid;

use super::{
    Process,
    mail::{address_of, id, load, problem},
};
use crate::mail::{Mail, Mailer, SendError, texts};

pub struct TellOfPolicies {
    pub mailer: Mailer,
}

impl Process for TellOfPolicies {
    const NAME: &'static str = policy_notices::NAME;
    const EVENT_TYPES: &'static [&'static str] = policy_notices::EVENT_TYPES;
    type Command = Notice;

    async fn on_event(
        &self,
        _: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<Notice>>, LoadError> {
        Ok(policy_notices::on_event(event.event_id, event.recorded_at))
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<Notice>> {
        policy_notices::on_wake_up(wake_up)
    }

    async fn send(&self, app: &App, command: Notice, cause: Uuid) -> Result<(), Problem> {
        let Some(event) = found(app, cause).await? else { return Ok(()) };
        match command {
            Notice::Begin => begin(app, &event).await,
            Notice::Tell { person } => self.tell(app, &event, person).await,
            Notice::Close => close(app, &event).await,
        }
    }
}

/// The publication. None where the log has lost it (a restore).
async fn found(app: &App, cause: Uuid) -> Result<Option<RecordedEvent>, Problem> {
    let event = async {
        let mut connection = app.log.pool().acquire().await?;
        read::by_id(&mut connection, cause).await
    };
    event.await.map_err(database)
}

fn database(error: sqlx::Error) -> Problem {
    problem(error.into())
}

fn is_too_late(event: &RecordedEvent) -> bool {
    clock::now() >= event.recorded_at + KEPT_TRYING
}

/// A wake-up for each who is to be told, and the one that closes. Who accepts in this moment has read it.
async fn begin(app: &App, event: &RecordedEvent) -> Result<(), Problem> {
    if is_too_late(event) {
        tracing::warn!(position = event.position, "nobody is told of a policy: it is old news");
        return Ok(());
    }
    let shown: bool = sqlx::query_scalar(
        "SELECT least(coalesce(read.served_position('policy_acceptances'), 0),
                      coalesce(read.served_position('consents'), 0)) >= $1",
    )
    .bind(to_db(event.position))
    .fetch_one(app.log.pool())
    .await
    .map_err(database)?;
    if !shown {
        return Err(Problem::unavailable("the read tables do not show the publication yet"));
    }
    sqlx::query(
        "INSERT INTO process.wake_ups (process, key, at, cause)
         SELECT $1, told.key, clock_timestamp(), $2
         FROM (SELECT user_id AS key FROM read.policy_acceptances
               UNION SELECT user_id FROM read.consents WHERE NOT is_imported
               UNION SELECT $3) told
         ON CONFLICT (process, key)
             DO UPDATE SET at = excluded.at, cause = excluded.cause, attempts = 0",
    )
    .bind(policy_notices::NAME)
    .bind(event.event_id)
    .bind(closing_key(event.event_id))
    .execute(app.log.pool())
    .await
    .map_err(database)?;
    Ok(())
}

/// Marks the version as told of, once nobody waits.
async fn close(app: &App, event: &RecordedEvent) -> Result<(), Problem> {
    let waits: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM process.wake_ups
                        WHERE process = $1 AND cause = $2 AND key <> ALL ($3))",
    )
    .bind(policy_notices::NAME)
    .bind(event.event_id)
    .bind([event.event_id, closing_key(event.event_id)])
    .fetch_one(app.log.pool())
    .await
    .map_err(database)?;
    if waits {
        return Err(Problem::unavailable("notices of a policy wait for the mail server"));
    }
    let mark = MarkPolicyNotified { version_id: id::<PolicyVersionId>(event)? };
    let caller = Caller::system(Some(event.event_id));
    execute(app, &caller, &Conditions::default(), mark).await.map(|_| ())
}

impl TellOfPolicies {
    async fn tell(&self, app: &App, event: &RecordedEvent, person: Uuid) -> Result<(), Problem> {
        let count = |outcome| metrics::counter!("agora_mails", "outcome" => outcome).increment(1);
        if is_too_late(event) {
            count("expired");
            return Ok(());
        }
        let version = load::<PolicyVersion>(app, id::<PolicyVersionId>(event)?).await?;
        let Some(policy) = version.document() else { return Ok(()) };
        let mut to = None;
        for kind in [ActorKind::Member, ActorKind::Admin] {
            if to.is_none() {
                to = address_of(app, Actor { kind, id: person }).await?;
            }
        }
        // Erased, or gone.
        let Some(to) = to else {
            count("needless");
            return Ok(());
        };
        let changes: Vec<String> =
            policy.major_changes.iter().flatten().map(|it| it.as_str().to_owned()).collect();
        let (subject, text) = texts::policy_published(
            policy.version_number.as_str(),
            policy.effective_date,
            &changes,
            policy.acceptance_required,
        );
        let id = mail_id(event.event_id, person);
        let mail = Mail { id, to, date: event.recorded_at, subject, text };
        match self.mailer.send(&mail).await {
            Ok(()) => {
                count("sent");
                Ok(())
            }
            Err(SendError::Refused) => {
                count("refused");
                Ok(())
            }
            Err(error) => {
                count("failed");
                Err(Problem::unavailable(format!("mail {id}: {error}")))
            }
        }
    }
}
