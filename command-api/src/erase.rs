//! The platform's own commands by which an erasure is carried out; none has a route, for nobody else may
//! say that something was erased (DDR-09, DDR-14).

use agora_domain::{
    Actor, PersonalCategory,
    compliance::{
        deletion_request::{
            Certificate, CompleteErasure as Complete, DeletionRequest, DeletionRequestCommand,
            RecordStep, StartErasure as Start,
        },
        deletion_values::ErasureStep,
        subject_erasures::SubjectErasures,
        subject_key::{DestroySubjectKeys, SubjectKey, SubjectKeyCommand},
    },
    exports::{
        export_job::{CancelExport as Cancel, ExportJobCommand},
        subject_exports::SubjectExports,
    },
    ids::DeletionId,
};
use serde_json::{Value, json};

use crate::{
    Command,
    commands::withdraw_deletion_request::WithdrawDeletionRequestBody,
    decision::{Decision, Done},
    deletions,
    execute::Caller,
    exports,
    fields::WrongFields,
    refusal::CommandError,
    sessions,
};

/// There is no route, so no body either.
macro_rules! without_route {
    ($name:literal, $summary:literal, $rules:expr) => {
        const NAME: &'static str = $name;
        const SUMMARY: &'static str = $summary;
        const RULES: &'static [&'static str] = $rules;
        type Body = WithdrawDeletionRequestBody;

        fn parse(_: WithdrawDeletionRequestBody, _: &mut WrongFields) -> Option<Self> {
            None
        }

        fn example() -> Value {
            json!({})
        }
    };
}

/// Begins to erase what was approved.
pub struct StartErasure {
    pub deletion_id: DeletionId,
}

impl Command for StartErasure {
    without_route!("start-erasure", "Begin an erasure that was approved", &["DDR-03", "ADM-05"]);

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let loaded = deletions::load(decision, self.deletion_id).await?;
        let subject = loaded.state.get().map(|request| request.subject);
        let is_last_global_admin = match subject {
            Some(subject) => deletions::is_last_global_admin(decision, subject).await?,
            None => false,
        };
        let start = Start { is_last_global_admin, now: decision.now };
        decision.decide(&loaded, DeletionRequestCommand::Start(start)).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }
}

/// Ends the account of somebody who is erased, and takes back what it waits for.
pub struct CloseErasedAccount {
    pub subject: Actor,
    /// After a restore: it is closed even where the restored log knows of no other admin (DDR-16).
    pub is_restored: bool,
}

impl Command for CloseErasedAccount {
    without_route!(
        "close-erased-account",
        "End the account of somebody who is erased",
        &["DDR-14", "DDR-16", "CRD-04", "SES-11", "ADM-05"]
    );

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(sessions::queue(self.subject))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let stream_id = SubjectExports::stream_id(self.subject);
        let requests = decision.load::<SubjectExports>(stream_id).await?;
        if let Some(job_id) = requests.state.open() {
            let export = exports::load(decision, job_id).await?;
            if let Some(job) = export.state.get().filter(|job| !job.status.is_terminal()) {
                let cancel = Cancel { cancelled_by: Actor::SYSTEM, now: decision.now };
                decision.decide(&export, ExportJobCommand::Cancel(cancel)).await?;
                exports::close_request(decision, job, true).await?;
            }
        }
        deletions::close_account(decision, self.subject, self.is_restored).await?;
        Ok(Done::of::<SubjectErasures>(SubjectErasures::stream_id(self.subject)))
    }
}

/// Says that keys were destroyed, or are about to be replaced: whatever was sealed with them and is not in
/// the log yet never comes in.
pub struct NoteKeysDestroyed {
    pub deletion_id: DeletionId,
    pub subject: Actor,
    pub categories: Vec<PersonalCategory>,
    /// Others take their place.
    pub are_replaced: bool,
    /// They go after this.
    pub is_announced: bool,
}

impl Command for NoteKeysDestroyed {
    without_route!("note-keys-destroyed", "Say that keys were destroyed", &["DDR-14"]);

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let subject = self.subject.subject();
        let keys = decision.load::<SubjectKey>(subject.as_str()).await?;
        let destroy = DestroySubjectKeys {
            subject: subject.clone(),
            deletion_id: self.deletion_id,
            categories: self.categories.clone(),
            are_replaced: self.are_replaced,
            is_announced: self.is_announced,
            now: decision.now,
        };
        decision.decide(&keys, SubjectKeyCommand::Destroy(destroy)).await?;
        Ok(Done::of::<SubjectKey>(subject))
    }
}

/// Adds a line to a request's processing log.
pub struct RecordErasureStep {
    pub deletion_id: DeletionId,
    pub step: ErasureStep,
}

impl Command for RecordErasureStep {
    without_route!("record-erasure-step", "Say what a step of an erasure did", &["DDR-09"]);

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let loaded = deletions::load(decision, self.deletion_id).await?;
        let step = ErasureStep { at: decision.now, ..self.step.clone() };
        let record = DeletionRequestCommand::RecordStep(RecordStep { step });
        decision.decide(&loaded, record).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }
}

/// Ends an erasure, with its certificate.
pub struct CompleteErasure {
    pub deletion_id: DeletionId,
    pub certificate: Certificate,
}

impl Command for CompleteErasure {
    without_route!(
        "complete-erasure",
        "End an erasure of which nothing is left to do",
        &["DDR-03", "DDR-09", "DDR-10", "DDR-12", "DDR-17"]
    );

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let loaded = deletions::load(decision, self.deletion_id).await?;
        let (certificate, now) = (self.certificate.clone(), decision.now);
        let complete = DeletionRequestCommand::Complete(Complete { certificate, now });
        decision.decide(&loaded, complete).await?;
        if let Some(request) = loaded.state.get() {
            // What stayed by an exception may be asked for once that has ended (DDR-13).
            let is_erased = request.scope.closes_account() && request.retention.is_none();
            deletions::close_request(decision, request, is_erased).await?;
        }
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }
}
