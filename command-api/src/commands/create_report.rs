//! `create-report`: the draft of a statutory report of the session's organization.

use agora_domain::{
    exports::{
        bufdir_report::{self, BufdirReport, BufdirReportCommand, CreateReport as Create},
        report_content::{PeriodLabel, ReportDay, ReportPeriod, SchemaVersion},
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
    reports::{self, REPORT_DRAFT, SectionBody, Sections},
};

/// Makes a report.
pub struct CreateReport {
    period: ReportPeriod,
    schema_version: SchemaVersion,
    sections: Sections,
}

/// The body of `create-report`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateReportBody {
    /// A year, a quarter or a month.
    #[schema(value_type = String, required, min_length = 4, max_length = 7,
             pattern = "^[0-9]{4}(-Q[1-4]|-(0[1-9]|1[0-2]))?$")]
    #[serde(default)]
    period_label: Field<PeriodLabel>,
    /// The first day that the report is about, within what the label names.
    #[schema(value_type = String, required, format = Date)]
    #[serde(default)]
    period_from: Field<ReportDay>,
    /// The last day.
    #[schema(value_type = String, required, format = Date)]
    #[serde(default)]
    period_to: Field<ReportDay>,
    /// The version of the authority's schema by which it is filled in.
    #[schema(value_type = String, required, min_length = 1, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    #[serde(default)]
    schema_version: Field<SchemaVersion>,
    /// At most 64 KiB of JSON in all; they may be few, or none, until the report is submitted.
    #[schema(value_type = Vec<SectionBody>, required, max_items = 50)]
    #[serde(default)]
    sections: Field<List<Object<SectionBody>>>,
}

impl Command for CreateReport {
    const NAME: &'static str = "create-report";
    const SUMMARY: &'static str = "Begin a statutory report of the organization that one's session is \
                                   of: one draft for a period and schema version";
    const RULES: &'static [&'static str] = &["REL-09", "BUF-15", "BUF-24", "ROL-01", "ESX-04"];
    type Body = CreateReportBody;

    fn parse(body: CreateReportBody, wrong: &mut WrongFields) -> Option<Self> {
        let label = wrong.required("/period_label", body.period_label);
        let from = wrong.required("/period_from", body.period_from);
        let to = wrong.required("/period_to", body.period_to);
        let schema_version = wrong.required("/schema_version", body.schema_version);
        let sections = Sections::parse(body.sections, wrong);
        Some(Self {
            period: ReportPeriod { label: label?, from: from?, to: to? },
            schema_version: schema_version?,
            sections: sections?,
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let organization_id = organizations::reporter(decision)?;
        let created_by = decision.actor()?;
        let report_id: BufdirReportId = decision.new_id();
        let create = Create {
            report_id,
            organization_id,
            period: self.period.clone(),
            schema_version: self.schema_version.clone(),
            sections: self.sections.by(created_by, decision),
            created_by,
        };
        let report = decision.begin::<BufdirReport>(report_id);
        decision.decide_on_target(&report, BufdirReportCommand::Create(create)).await?;
        let (label, version) = (&self.period.label, &self.schema_version);
        let key = bufdir_report::draft_key(organization_id, label, version);
        decision.take(REPORT_DRAFT, key, report_id);
        Ok(Done::of::<BufdirReport>(report_id))
    }

    fn example() -> Value {
        json!({
            "period_label": "2025-Q1",
            "period_from": "2025-01-01",
            "period_to": "2025-03-31",
            "schema_version": "1.0",
            "sections": reports::example(),
        })
    }
}
