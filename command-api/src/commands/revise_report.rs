//! `revise-report`: other figures in a draft.

use agora_domain::{
    exports::{
        bufdir_report::{BufdirReport, BufdirReportCommand, ReviseReport as Revise},
        report_content::ReportDay,
    },
    ids::BufdirReportId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, List, Object, WrongFields},
    organizations,
    refusal::CommandError,
    reports::{self, SectionBody, Sections},
};

/// Revises a report.
pub struct ReviseReport {
    report_id: BufdirReportId,
    period_from: Option<ReportDay>,
    period_to: Option<ReportDay>,
    sections: Sections,
}

/// The body of `revise-report`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviseReportBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    report_id: Field<BufdirReportId>,
    /// Absent: as it is. The label and the schema version never change: they say which report it is.
    #[schema(value_type = Option<String>, format = Date)]
    #[serde(default)]
    period_from: Field<ReportDay>,
    /// Absent: as it is.
    #[schema(value_type = Option<String>, format = Date)]
    #[serde(default)]
    period_to: Field<ReportDay>,
    /// All of them: they replace those before. At most 64 KiB of JSON.
    #[schema(value_type = Vec<SectionBody>, required, max_items = 50)]
    #[serde(default)]
    sections: Field<List<Object<SectionBody>>>,
}

impl Command for ReviseReport {
    const NAME: &'static str = "revise-report";
    const SUMMARY: &'static str = "Replace the sections of a report that is not submitted";
    const RULES: &'static [&'static str] =
        &["REL-09", "BUF-15", "BUF-24", "ROL-01", "ESX-03", "ESX-04"];
    type Body = ReviseReportBody;

    fn parse(body: ReviseReportBody, wrong: &mut WrongFields) -> Option<Self> {
        let report_id = wrong.required("/report_id", body.report_id);
        let period_from = wrong.optional("/period_from", body.period_from);
        let period_to = wrong.optional("/period_to", body.period_to);
        let sections = Sections::parse(body.sections, wrong);
        Some(Self {
            report_id: report_id?,
            period_from: period_from?,
            period_to: period_to?,
            sections: sections?,
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let organization_id = organizations::reporter(decision)?;
        let revised_by = decision.actor()?;
        let report = reports::of(organization_id, self.report_id, decision).await?;
        let revise = Revise {
            organization_id,
            period_from: self.period_from,
            period_to: self.period_to,
            sections: self.sections.by(revised_by, decision),
            revised_by,
        };
        decision.decide_on_target(&report, BufdirReportCommand::Revise(revise)).await?;
        Ok(Done::of::<BufdirReport>(self.report_id))
    }

    fn example() -> Value {
        json!({
            "report_id": "01970000-0000-7000-8000-000000000001",
            "period_from": "2025-01-15",
            "period_to": "2025-03-31",
            "sections": reports::example(),
        })
    }
}
