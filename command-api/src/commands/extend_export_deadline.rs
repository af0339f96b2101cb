//! `extend-export-deadline`: an admin puts the answer to a person off, and says why (DXR-10).

use agora_domain::{
    PersonalCategory,
    exports::export_job::{ExportJob, ExportJobCommand, ExportJobError, ExtendDeadline},
    ids::ExportJobId,
    values::Reason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    exports,
    fields::{Field, WrongFields},
    refusal::{CommandError, no_such, refused},
};

/// Puts a deadline off.
pub struct ExtendExportDeadline {
    export_id: ExportJobId,
    reason: Reason,
}

/// The body of `extend-export-deadline`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendExportDeadlineBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    export_id: Field<ExportJobId>,
    /// What the person is told.
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for ExtendExportDeadline {
    const NAME: &'static str = "extend-export-deadline";
    const SUMMARY: &'static str =
        "Put the answer to a person's request off by two months, once, within the first";
    const RULES: &'static [&'static str] =
        &["DXR-10", "BUF-08", "MOD-03", "REL-10", "ESX-03", "ESX-04"];
    type Body = ExtendExportDeadlineBody;

    fn parse(body: ExtendExportDeadlineBody, wrong: &mut WrongFields) -> Option<Self> {
        let export_id = wrong.required("/export_id", body.export_id);
        let reason = wrong.required_by("DXR-10", "/reason", body.reason);
        Some(Self { export_id: export_id?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(exports::queue(self.export_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let extended_by = decision.actor()?;
        let loaded = exports::load(decision, self.export_id).await?;
        let job = loaded.state.require().map_err(|_| no_such("export"))?;
        // A tenant's are no business of an admin's (BUF-16).
        if job.content.statutory().is_some() {
            return Err(no_such("export"));
        }
        let data = job.content.subject_data().ok_or(ExportJobError::NoDeadline).map_err(refused)?;
        let (category, reason) = (PersonalCategory::Content, self.reason.clone());
        let reason = decision.about(data.subject.id, category, reason);
        let extend = ExtendDeadline { extended_by, reason, now: decision.now };
        decision.decide_on_target(&loaded, ExportJobCommand::ExtendDeadline(extend)).await?;
        Ok(Done::of::<ExportJob>(self.export_id))
    }

    fn example() -> Value {
        json!({
            "export_id": "01970000-0000-7000-8000-000000000001",
            "reason": "There is more to gather than one month is enough for.",
        })
    }
}
