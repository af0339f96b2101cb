//! `cancel-export`: a person takes its request for its own data back, or an admin does.

use agora_domain::{
    exports::export_job::{CancelExport as Cancel, ExportJob, ExportJobCommand},
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

/// Cancels an export.
pub struct CancelExport {
    export_id: ExportJobId,
}

/// The body of `cancel-export`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelExportBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    export_id: Field<ExportJobId>,
}

impl Command for CancelExport {
    const NAME: &'static str = "cancel-export";
    const SUMMARY: &'static str = "Take a request for one's own data back, while it has not ended";
    const RULES: &'static [&'static str] =
        &["DXR-03", "BUF-03", "BUF-15", "DEL-04", "REL-10", "ESX-03", "ESX-04"];
    type Body = CancelExportBody;

    fn parse(body: CancelExportBody, wrong: &mut WrongFields) -> Option<Self> {
        let export_id = wrong.required("/export_id", body.export_id);
        Some(Self { export_id: export_id? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(exports::queue(self.export_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let cancelled_by = decision.actor()?;
        let loaded = exports::load(decision, self.export_id).await?;
        let job = loaded.state.require().map_err(|_| no_such("export"))?;
        exports::require_own_or_administered(decision, job)?;
        let cancel = Cancel { cancelled_by, now: decision.now };
        decision.decide_on_target(&loaded, ExportJobCommand::Cancel(cancel)).await?;
        exports::close_request(decision, job, true).await?;
        Ok(Done::of::<ExportJob>(self.export_id))
    }

    fn example() -> Value {
        json!({ "export_id": "01970000-0000-7000-8000-000000000001" })
    }
}
