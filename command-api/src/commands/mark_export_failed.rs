//! `mark-export-failed`: there will be no file, and why (O12).

use agora_domain::{
    exports::{
        export_job::{ExportJob, ExportJobCommand, FailExport},
        export_values::{ErrorCode, ErrorMessage, HappenedAt},
    },
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

/// Marks an export as failed.
pub struct MarkExportFailed {
    export_id: ExportJobId,
    error_code: ErrorCode,
    error_message: ErrorMessage,
    completed_at: Option<HappenedAt>,
}

impl MarkExportFailed {
    /// As the process that makes files sends it.
    pub fn new(export_id: ExportJobId, error_code: ErrorCode, error_message: ErrorMessage) -> Self {
        Self { export_id, error_code, error_message, completed_at: None }
    }
}

/// The body of `mark-export-failed`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkExportFailedBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    export_id: Field<ExportJobId>,
    /// For machines, such as AGGREGATION_TIMEOUT.
    #[schema(value_type = String, required, min_length = 1, max_length = 64,
             pattern = "^[A-Z0-9_]+$")]
    #[serde(default)]
    error_code: Field<ErrorCode>,
    /// For people.
    #[schema(value_type = String, required, min_length = 1, max_length = 1_000)]
    #[serde(default)]
    error_message: Field<ErrorMessage>,
    /// Not before it was begun, and not in the future. Now, where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    completed_at: Field<HappenedAt>,
}

impl Command for MarkExportFailed {
    const NAME: &'static str = "mark-export-failed";
    const SUMMARY: &'static str = "Say that there will be no file, and why, as a service account";
    const RULES: &'static [&'static str] = &[
        "OPR-12", "BUF-03", "BUF-05", "BUF-07", "DXR-03", "DEL-04", "ROL-01", "REL-10", "ESX-03",
        "ESX-04",
    ];
    type Body = MarkExportFailedBody;

    fn parse(body: MarkExportFailedBody, wrong: &mut WrongFields) -> Option<Self> {
        let export_id = wrong.required("/export_id", body.export_id);
        let error_code = wrong.required_by("BUF-05", "/error_code", body.error_code);
        let error_message = wrong.required_by("BUF-05", "/error_message", body.error_message);
        let completed_at = wrong.optional("/completed_at", body.completed_at);
        Some(Self {
            export_id: export_id?,
            error_code: error_code?,
            error_message: error_message?,
            completed_at: completed_at?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(exports::queue(self.export_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let loaded = exports::load(decision, self.export_id).await?;
        exports::require_system(decision)?;
        let job = loaded.state.require().map_err(|_| no_such("export"))?;
        let fail = FailExport {
            error_code: self.error_code.clone(),
            error_message: self.error_message.clone(),
            completed_at: self.completed_at.map(|at| at.0),
            now: decision.now,
        };
        decision.decide_on_target(&loaded, ExportJobCommand::Fail(fail)).await?;
        exports::close_request(decision, job, true).await?;
        Ok(Done::of::<ExportJob>(self.export_id))
    }

    fn example() -> Value {
        json!({
            "export_id": "01970000-0000-7000-8000-000000000001",
            "error_code": "AGGREGATION_TIMEOUT",
            "error_message": "The figures could not be gathered in time.",
        })
    }
}
