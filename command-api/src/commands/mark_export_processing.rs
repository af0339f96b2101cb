//! `mark-export-processing`: whoever makes the file has begun; one wins (O10).

use agora_domain::{
    exports::{
        export_job::{ExportJob, ExportJobCommand, StartExport},
        export_values::HappenedAt,
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
    refusal::CommandError,
};

/// Marks an export as begun.
pub struct MarkExportProcessing {
    export_id: ExportJobId,
    processing_started_at: Option<HappenedAt>,
}

impl MarkExportProcessing {
    /// As the process that makes files sends it.
    pub fn new(export_id: ExportJobId) -> Self {
        Self { export_id, processing_started_at: None }
    }
}

/// The body of `mark-export-processing`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkExportProcessingBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    export_id: Field<ExportJobId>,
    /// Not before it was asked for, and not in the future. Now, where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    processing_started_at: Field<HappenedAt>,
}

impl Command for MarkExportProcessing {
    const NAME: &'static str = "mark-export-processing";
    const SUMMARY: &'static str = "Say that the making of a file has begun, as a service account";
    const RULES: &'static [&'static str] =
        &["OPR-10", "BUF-03", "BUF-07", "DXR-03", "DEL-04", "ROL-01", "REL-10", "ESX-03", "ESX-04"];
    type Body = MarkExportProcessingBody;

    fn parse(body: MarkExportProcessingBody, wrong: &mut WrongFields) -> Option<Self> {
        let export_id = wrong.required("/export_id", body.export_id);
        let started_at = wrong.optional("/processing_started_at", body.processing_started_at);
        Some(Self { export_id: export_id?, processing_started_at: started_at? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(exports::queue(self.export_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let job = exports::load(decision, self.export_id).await?;
        exports::require_system(decision)?;
        let start = StartExport {
            processing_started_at: self.processing_started_at.map(|at| at.0),
            now: decision.now,
        };
        decision.decide_on_target(&job, ExportJobCommand::Start(start)).await?;
        Ok(Done::of::<ExportJob>(self.export_id))
    }

    fn example() -> Value {
        json!({ "export_id": "01970000-0000-7000-8000-000000000001" })
    }
}
