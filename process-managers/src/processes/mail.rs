//! Runs `agora_domain::process_managers::mail`.

use agora_command_api::{App, refusal::at_once};
use agora_domain::{
    Actor, ActorKind, Decide, RuleBreak,
    compliance::{
        deletion_request::{DeletionRequest, DeletionRequestEvent},
        processing_limit::{ProcessingLimit, ProcessingLimitEvent},
    },
    exports::{
        export_job::{ExportJob, ExportJobEvent},
        export_values::DeliveryMethod,
    },
    identity::{
        admin::Admin,
        credential::{Credential, CredentialEvent},
        member::Member,
        password_reset::{PasswordReset, PasswordResetEvent},
    },
    ids::{CredentialId, DeletionId, EmailConfirmationId, ExportJobId, MemberId},
    process_managers::{
        Reaction, WakeUp,
        mail::{self, KEPT_TRYING, MailKind, SendMail},
    },
    values::Email,
};
use agora_event_store::{LoadError, RecordedEvent, read};
use agora_service::{clock, problem::Problem};
use chrono::{DateTime, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Process;
use crate::mail::{
    Mail, Mailer, SendError,
    texts::{self, Text},
};

pub struct SendMails {
    pub mailer: Mailer,
}

/// A mail without its id and date.
struct Letter {
    to: Email,
    text: Text,
    /// It is of no use after this.
    until: DateTime<Utc>,
}

impl Process for SendMails {
    const NAME: &'static str = mail::NAME;
    const EVENT_TYPES: &'static [&'static str] = mail::EVENT_TYPES;
    type Command = SendMail;

    async fn on_event(
        &self,
        _: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<SendMail>>, LoadError> {
        Ok(mail::on_event(event.event_id, &event.event_type, event.recorded_at))
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<SendMail>> {
        mail::on_wake_up(wake_up)
    }

    async fn send(&self, app: &App, command: SendMail, cause: Uuid) -> Result<(), Problem> {
        let count = |outcome| metrics::counter!("agora_mails", "outcome" => outcome).increment(1);
        let mail_id = command.mail_id;
        let Some((event, kind)) = found(app, mail_id, cause).await? else { return Ok(()) };
        let Some(letter) = self.letter(app, &event, kind).await? else {
            count("needless");
            return Ok(());
        };
        if clock::now() >= letter.until {
            tracing::warn!(%mail_id, ?kind, "a mail was given up: its time is over");
            count("expired");
            return Ok(());
        }
        let (subject, text) = letter.text;
        let mail = Mail { id: mail_id, to: letter.to, date: event.recorded_at, subject, text };
        match self.mailer.send(&mail).await {
            Ok(()) => {
                count("sent");
                Ok(())
            }
            Err(SendError::Refused) => {
                tracing::warn!(%mail_id, ?kind, "a mail was given up: its address takes none");
                count("refused");
                Ok(())
            }
            Err(error) => {
                count("failed");
                Err(Problem::unavailable(format!("mail {mail_id}: {error}")))
            }
        }
    }
}

/// The event that caused a mail. None where the log has lost it (a restore).
async fn found(
    app: &App,
    mail_id: Uuid,
    cause: Uuid,
) -> Result<Option<(RecordedEvent, MailKind)>, Problem> {
    let event = async {
        let mut connection = app.log.pool().acquire().await?;
        read::by_id(&mut connection, cause).await
    };
    let event = event.await.map_err(|error| problem(error.into()))?;
    Ok(event.and_then(|event| {
        let kind = MailKind::find(&event.event_type, event.event_id, mail_id)?;
        Some((event, kind))
    }))
}

impl SendMails {
    /// What to write to whom, as things stand now; none where there is nothing left to say.
    async fn letter(
        &self,
        app: &App,
        event: &RecordedEvent,
        kind: MailKind,
    ) -> Result<Option<Letter>, Problem> {
        match kind {
            MailKind::ResetPassword => self.reset(app, event).await,
            MailKind::ConfirmRegistration | MailKind::ConfirmNewEmail => {
                self.confirmation(app, event, kind).await
            }
            MailKind::ExportReady => self.export_ready(app, event).await,
            MailKind::ExportDelayed => export_delayed(app, event).await,
            MailKind::ExportFailed => export_failed(app, event).await,
            MailKind::RestrictionLifted => restriction_lifted(app, event).await,
            MailKind::DeletionRejected | MailKind::DeletionDelayed | MailKind::PartErased => {
                deletion(app, event).await
            }
            _ => {
                let to = addressee(app, event, kind).await?;
                let (text, until) = (texts::notice(kind), event.recorded_at + KEPT_TRYING);
                Ok(to.map(|to| Letter { to, text, until }))
            }
        }
    }

    async fn reset(&self, app: &App, event: &RecordedEvent) -> Result<Option<Letter>, Problem> {
        let asked = app.log.read_event::<PasswordReset>(event).await.map_err(problem)?;
        let PasswordResetEvent::PasswordResetRequested {
            reset_id,
            expires_at: until,
            email,
            credential_id,
            ..
        } = asked
        else {
            return Ok(None);
        };
        let credential_id = match (credential_id, email.as_ref().and_then(|email| email.get())) {
            (Some(credential_id), _) => Some(credential_id),
            (None, Some(email)) => app.credential_of(email).await?,
            (None, None) => None,
        };
        let Some(credential_id) = credential_id else { return Ok(None) };
        let credential = load::<Credential>(app, credential_id).await?;
        let token = app.password_reset_token(reset_id, credential_id, &credential);
        let Some((token, to)) = token.zip(credential.email().cloned()) else { return Ok(None) };
        let link = self.mailer.link("reset-password", &token);
        let link = link.as_ref().map(|link| link.as_str());
        let text = texts::with_token(MailKind::ResetPassword, &token, link);
        Ok(Some(Letter { to, text, until }))
    }

    /// A link, never the data; and only to the address that is the person's own now (DXR-08).
    async fn export_ready(
        &self,
        app: &App,
        event: &RecordedEvent,
    ) -> Result<Option<Letter>, Problem> {
        let export = load::<ExportJob>(app, id::<ExportJobId>(event)?).await?;
        let Some(job) = export.get() else { return Ok(None) };
        let data = job.content.subject_data();
        let data = data.filter(|data| data.delivery_method == DeliveryMethod::Email);
        let (Some(data), Some(until)) = (data, job.expires_at) else { return Ok(None) };
        if job.available_file(clock::now()).is_none() {
            return Ok(None);
        }
        let token = app.export_token(job.job_id, data.subject);
        let where_to = match self.mailer.link_to_export(job.job_id, &token) {
            Some(link) => Zeroizing::new(format!("Get it here:\n\n{}", link.as_str())),
            None => Zeroizing::new(format!(
                "Get it from the read API, with this token as the header\n\
                 Agora-Export-Token:\n\nGET /v1/exports/{}/download\n\n{}",
                job.job_id,
                token.as_str()
            )),
        };
        let to = address_of(app, data.subject).await?;
        let text = texts::export_ready(&where_to, until);
        Ok(to.map(|to| Letter { to, text, until }))
    }

    async fn confirmation(
        &self,
        app: &App,
        event: &RecordedEvent,
        kind: MailKind,
    ) -> Result<Option<Letter>, Problem> {
        let credential_id: CredentialId = id(event)?;
        let credential = load::<Credential>(app, credential_id).await?;
        let (confirmation_id, to): (EmailConfirmationId, Option<Email>) =
            match app.log.read_event::<Credential>(event).await.map_err(problem)? {
                CredentialEvent::EmailConfirmationRequested { confirmation_id, .. } => {
                    (confirmation_id, credential.email().cloned())
                }
                CredentialEvent::EmailChangeRequested { confirmation_id, email, .. } => {
                    (confirmation_id, email.get().cloned())
                }
                _ => return Ok(None),
            };
        // Confirmed meanwhile, or another request has taken its place.
        let awaited = credential.awaited().filter(|it| it.confirmation_id == confirmation_id);
        let Some((awaited, to)) = awaited.zip(to).filter(|_| credential.is_valid()) else {
            return Ok(None);
        };
        let until = awaited.expires_at;
        let text = match app.credential_of(&to).await? {
            Some(owner) if owner == credential_id => return Ok(None),
            Some(_) => texts::taken(),
            None => {
                let token = app.email_confirmation_token(confirmation_id, credential_id);
                let link = self.mailer.link("confirm-email", &token);
                texts::with_token(kind, &token, link.as_ref().map(|link| link.as_str()))
            }
        };
        Ok(Some(Letter { to, text, until }))
    }
}

/// Whoever waits is told why (DXR-10), by whatever way the answer itself will come.
async fn export_delayed(app: &App, event: &RecordedEvent) -> Result<Option<Letter>, Problem> {
    let extended = app.log.read_event::<ExportJob>(event).await.map_err(problem)?;
    let ExportJobEvent::ExportDeadlineExtended { due_at, reason, .. } = extended else {
        return Ok(None);
    };
    let export = load::<ExportJob>(app, id::<ExportJobId>(event)?).await?;
    let data = export.get().and_then(|job| job.content.subject_data());
    let (Some(data), Some(reason)) = (data, reason.get()) else { return Ok(None) };
    let to = address_of(app, data.subject).await?;
    let text = texts::export_delayed(reason.as_str(), due_at);
    Ok(to.map(|to| Letter { to, text, until: event.recorded_at + KEPT_TRYING }))
}

/// Whoever waits for an answer that will not come is told, by whatever way it would have come.
async fn export_failed(app: &App, event: &RecordedEvent) -> Result<Option<Letter>, Problem> {
    let export = load::<ExportJob>(app, id::<ExportJobId>(event)?).await?;
    let Some(data) = export.get().and_then(|job| job.content.subject_data()) else {
        return Ok(None);
    };
    let to = address_of(app, data.subject).await?;
    let text = texts::export_failed();
    Ok(to.map(|to| Letter { to, text, until: event.recorded_at + KEPT_TRYING }))
}

/// Whoever had the processing of its data restricted is told that it no longer is, and why.
async fn restriction_lifted(app: &App, event: &RecordedEvent) -> Result<Option<Letter>, Problem> {
    let told = app.log.read_event::<ProcessingLimit>(event).await.map_err(problem)?;
    let ProcessingLimitEvent::RestrictionLifted { limit, lifting_reason, .. } = told else {
        return Ok(None);
    };
    let Some(reason) = lifting_reason.get() else { return Ok(None) };
    let to = address_of(app, limit.principal).await?;
    let text = texts::restriction_lifted(reason.as_str());
    Ok(to.map(|to| Letter { to, text, until: event.recorded_at + KEPT_TRYING }))
}

/// What became of a request to be erased, for as long as its person can be reached (DDR-11, DDR-12).
async fn deletion(app: &App, event: &RecordedEvent) -> Result<Option<Letter>, Problem> {
    let request = load::<DeletionRequest>(app, id::<DeletionId>(event)?).await?;
    let Some(request) = request.get() else { return Ok(None) };
    let text = match app.log.read_event::<DeletionRequest>(event).await.map_err(problem)? {
        DeletionRequestEvent::DeletionRejected { reason, .. } => {
            reason.get().map(|reason| texts::deletion_rejected(reason.as_str()))
        }
        DeletionRequestEvent::DeletionDeadlineExtended { reason, due_at, .. } => {
            reason.get().map(|reason| texts::deletion_delayed(reason.as_str(), due_at))
        }
        _ => Some(texts::part_erased()),
    };
    let to = address_of(app, request.subject).await?;
    let letter = |(to, text)| Letter { to, text, until: event.recorded_at + KEPT_TRYING };
    Ok(to.zip(text).map(letter))
}

/// The address that somebody has confirmed and uses; none once erased, or where nobody may log in by
/// it any more.
pub(super) async fn address_of(app: &App, actor: Actor) -> Result<Option<Email>, Problem> {
    let credential_id = match actor.kind {
        ActorKind::Member => load::<Member>(app, actor.id).await?.credential_id(),
        ActorKind::Admin => load::<Admin>(app, actor.id).await?.credential_id(),
        ActorKind::Guest | ActorKind::System => None,
    };
    let Some(credential_id) = credential_id else { return Ok(None) };
    let credential = load::<Credential>(app, credential_id).await?;
    Ok(credential.email().filter(|_| credential.is_valid()).cloned())
}

/// Who is told of what happened; none once erased.
async fn addressee(
    app: &App,
    event: &RecordedEvent,
    kind: MailKind,
) -> Result<Option<Email>, Problem> {
    let credential_id: CredentialId = match kind {
        MailKind::EmailChanged => {
            let changed = app.log.read_event::<Credential>(event).await.map_err(problem)?;
            let CredentialEvent::EmailChanged { previous, .. } = changed else { return Ok(None) };
            return Ok(previous.get().cloned());
        }
        MailKind::DeletionPending | MailKind::AccountDeleted => {
            let member = load::<Member>(app, id::<MemberId>(event)?).await?;
            match member.credential_id() {
                Some(credential_id) => credential_id,
                None => return Ok(None),
            }
        }
        _ => id(event)?,
    };
    Ok(load::<Credential>(app, credential_id).await?.email().cloned())
}

/// Past the cache: what is written about was decided elsewhere. By an older state a mail would be
/// taken for needless, or carry a token that is void already.
pub(super) async fn load<A: Decide>(app: &App, id: impl ToString) -> Result<A, Problem> {
    let loaded = app.log.load_fresh::<A>(&id.to_string()).await.map_err(problem)?;
    Ok(A::clone(&loaded.state))
}

pub(super) fn id<I: std::str::FromStr<Err = RuleBreak>>(
    event: &RecordedEvent,
) -> Result<I, Problem> {
    event.aggregate_id.parse().map_err(|_| Problem::internal())
}

pub(super) fn problem(error: LoadError) -> Problem {
    at_once(error.into())
}
