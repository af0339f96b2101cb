//! `record-export-download`: one more download of an export's file (O13). The download itself sends it,
//! before the first byte leaves.

use agora_domain::{
    exports::{
        export_downloads::{ExportDownloads, ExportDownloadsCommand, RecordDownload},
        export_job::{ExportContent, ExportKind, ExportStatus},
    },
    ids::ExportJobId,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    exports,
    fields::{Field, WrongFields},
    mail_tokens::ExportToken,
    refusal::{CommandError, no_such},
};

/// Counts a download.
pub struct RecordExportDownload {
    export_id: ExportJobId,
    verification_token: Option<ExportToken>,
}

/// The body of `record-export-download`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordExportDownloadBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    export_id: Field<ExportJobId>,
    /// Of one's own data: the one that the request was answered with, or that came by mail.
    #[schema(value_type = Option<String>, format = Password, min_length = 43, max_length = 43)]
    #[serde(default)]
    verification_token: Field<ExportToken>,
}

impl Command for RecordExportDownload {
    const NAME: &'static str = "record-export-download";
    const SUMMARY: &'static str = "Count a download of one's export; the download itself does it";
    const RULES: &'static [&'static str] = &[
        "OPR-13", "BUF-15", "BUF-17", "BUF-18", "DXR-05", "DXR-06", "DXR-07", "MEM-05", "REL-10",
        "ESX-03", "ESX-04",
    ];
    type Body = RecordExportDownloadBody;

    fn parse(body: RecordExportDownloadBody, wrong: &mut WrongFields) -> Option<Self> {
        let export_id = wrong.required("/export_id", body.export_id);
        let token = wrong.optional("/verification_token", body.verification_token);
        Some(Self { export_id: export_id?, verification_token: token? })
    }

    /// All downloads of one file are one queue, and so none is lost (BUF-17).
    fn queue(&self, _: &Caller) -> Option<String> {
        Some(exports::queue(self.export_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let downloaded_by = decision.actor()?;
        let loaded = exports::load(decision, self.export_id).await?;
        let job = loaded.state.require().map_err(|_| no_such("export"))?;
        if !exports::is_own(decision, job)? {
            return Err(no_such("export"));
        }
        if job.content.kind() != ExportKind::SubjectData {
            exports::require_unrestricted(decision)?;
        }
        if let ExportContent::SubjectData(data) = &job.content {
            let fits = |token: &ExportToken| {
                let sha256 = data.verification_token_sha256.get();
                sha256.is_some_and(|sha256| decision.app.is_export_token(token, sha256))
            };
            if !self.verification_token.as_ref().is_some_and(fits) {
                let detail = "The download needs the token that the request was answered with, or \
                              that came by mail.";
                return Err(Problem::forbidden(detail).with_rule("DXR-06").into());
            }
        }
        let now = decision.now;
        let record = RecordDownload {
            job_id: self.export_id,
            downloaded_by,
            now,
            is_available: job.available_file(now).is_some(),
            is_completed: job.status == ExportStatus::Completed,
        };
        let downloads = decision.load::<ExportDownloads>(self.export_id.to_string()).await?;
        decision.decide_on_target(&downloads, ExportDownloadsCommand::Record(record)).await?;
        Ok(Done::of::<ExportDownloads>(self.export_id))
    }

    fn example() -> Value {
        json!({ "export_id": "01970000-0000-7000-8000-000000000001" })
    }
}
