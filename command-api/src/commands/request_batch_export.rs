//! `request-batch-export`: the platform itself asks for a file of a report, in nobody's name (O2).

use agora_domain::{
    exports::{
        export_quota::ExportQuota,
        export_values::{ExportSource, ReportFormat},
    },
    ids::{BufdirReportId, OrganizationId},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::request_export::{Statutory, find_report, no_such_report, statutory_content};
use crate::{
    Command,
    decision::{Decision, Done},
    exports,
    fields::{Field, WrongFields},
    refusal::CommandError,
    reply::Reply,
};

/// Asks for an export in nobody's name.
pub struct RequestBatchExport(Statutory);

/// The body of `request-batch-export`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestBatchExportBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    bufdir_report_id: Field<BufdirReportId>,
    /// May be given, and must then be the report's.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    organization_id: Field<OrganizationId>,
    #[schema(value_type = String, required, example = "PDF",
             pattern = "^(PDF|CSV|XLSX|JSON|XML)$")]
    #[serde(default)]
    format: Field<ReportFormat>,
}

impl Command for RequestBatchExport {
    const NAME: &'static str = "request-batch-export";
    const SUMMARY: &'static str = "Ask for a file of a report in nobody's name, as the platform";
    const RULES: &'static [&'static str] =
        &["OPR-02", "OPR-01", "BUF-01", "BUF-02", "BUF-10", "BUF-20", "ROL-01", "ESX-04"];
    type Body = RequestBatchExportBody;

    fn parse(body: RequestBatchExportBody, wrong: &mut WrongFields) -> Option<Self> {
        let report_id = wrong.required_by("BUF-01", "/bufdir_report_id", body.bufdir_report_id);
        let organization_id = wrong.optional("/organization_id", body.organization_id);
        let format = wrong.required("/format", body.format);
        Some(Self(Statutory {
            report_id: report_id?,
            organization_id: organization_id?,
            source: ExportSource::SystemBatch,
            format: format?,
            mobile_os: None,
        }))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let found = find_report(decision, self.0.report_id).await?;
        let (found, report) = found.ok_or_else(no_such_report)?;
        let quota = ExportQuota::of_organization(report.organization_id);
        let content = statutory_content(found, &self.0);
        exports::request(decision, quota, content, Some(report), None).await
    }

    fn answer(reply: Reply) -> Result<Reply, Problem> {
        exports::answer(reply)
    }

    fn example() -> Value {
        json!({
            "bufdir_report_id": "01970000-0000-7000-8000-000000000001",
            "format": "PDF",
        })
    }
}
