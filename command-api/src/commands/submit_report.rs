//! `submit-report`: the report is as it was handed in, from now on and for ever.

use agora_domain::{
    exports::bufdir_report::{BufdirReport, BufdirReportCommand, SubmitReport as Submit},
    ids::BufdirReportId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    organizations,
    refusal::CommandError,
    reports::{self, REPORT_DRAFT},
};

/// Submits a report.
pub struct SubmitReport {
    report_id: BufdirReportId,
}

/// The body of `submit-report`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitReportBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    report_id: Field<BufdirReportId>,
}

impl Command for SubmitReport {
    const NAME: &'static str = "submit-report";
    const SUMMARY: &'static str = "Submit a report: it does not change any more";
    const RULES: &'static [&'static str] = &["REL-09", "BUF-15", "ROL-01", "ESX-03", "ESX-04"];
    type Body = SubmitReportBody;

    fn parse(body: SubmitReportBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { report_id: wrong.required("/report_id", body.report_id)? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let organization_id = organizations::reporter(decision)?;
        let report = reports::of(organization_id, self.report_id, decision).await?;
        let submit = Submit { organization_id, submitted_by: decision.actor()? };
        decision.decide_on_target(&report, BufdirReportCommand::Submit(submit)).await?;
        if !report.state.is_submitted() {
            decision.release(REPORT_DRAFT, self.report_id);
        }
        Ok(Done::of::<BufdirReport>(self.report_id))
    }

    fn example() -> Value {
        json!({ "report_id": "01970000-0000-7000-8000-000000000001" })
    }
}
