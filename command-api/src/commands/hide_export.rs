//! `hide-export`: an entry of the log of data exports is shown no more; the export stays a fact (DEL-05).

use agora_domain::{
    exports::export_job::{ExportJob, ExportJobCommand, HideExport as Hide},
    ids::ExportJobId,
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
    refusal::{CommandError, no_such},
};

/// Hides an entry.
pub struct HideExport {
    export_id: ExportJobId,
}

/// The body of `hide-export`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HideExportBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    export_id: Field<ExportJobId>,
}

impl Command for HideExport {
    const NAME: &'static str = "hide-export";
    const SUMMARY: &'static str =
        "Hide the entry of an export that has ended from the log of data exports";
    const RULES: &'static [&'static str] =
        &["DEL-05", "BUF-09", "BUF-15", "REL-10", "ESX-03", "ESX-04"];
    type Body = HideExportBody;

    fn parse(body: HideExportBody, wrong: &mut WrongFields) -> Option<Self> {
        let export_id = wrong.required("/export_id", body.export_id);
        Some(Self { export_id: export_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(exports::queue(self.export_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let hidden_by = decision.actor()?;
        let loaded = exports::load(decision, self.export_id).await?;
        let job = loaded.state.require().map_err(|_| no_such("export"))?;
        exports::require_own_or_administered(decision, job)?;
        let hide = Hide { hidden_by, now: decision.now };
        decision.decide_on_target(&loaded, ExportJobCommand::Hide(hide)).await?;
        Ok(Done::of::<ExportJob>(self.export_id))
    }

    fn example() -> Value {
        json!({ "export_id": "01970000-0000-7000-8000-000000000001" })
    }
}
