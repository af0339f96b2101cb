//! `archive-exports`: rows that are older than a year go to where only auditors look (BUF-25).

use agora_domain::{
    exports::export_job::{ArchiveExport, ExportJob, ExportJobCommand},
    ids::ExportJobId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    exports,
    fields::{Field, List, WrongFields},
    refusal::CommandError,
};

/// Archives exports.
pub struct ArchiveExports {
    export_ids: Vec<ExportJobId>,
}

impl ArchiveExports {
    /// As the process that cleans up sends it; at most [`exports::AT_ONCE_MAX`].
    pub fn new(export_ids: Vec<ExportJobId>) -> Self {
        Self { export_ids }
    }
}

/// The body of `archive-exports`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveExportsBody {
    /// Which: all of them were asked for a year ago or earlier and have ended, or nothing is done.
    /// What is in the archive already is passed over.
    #[schema(value_type = Vec<Uuid>, required, min_items = 1, max_items = 100)]
    #[serde(default)]
    export_ids: Field<List<ExportJobId>>,
}

impl Command for ArchiveExports {
    const NAME: &'static str = "archive-exports";
    const SUMMARY: &'static str = "Move the rows of exports of a year ago to the auditors' archive";
    const RULES: &'static [&'static str] = &["BUF-25", "DEL-05", "REL-10", "ESX-04"];
    type Body = ArchiveExportsBody;

    fn parse(body: ArchiveExportsBody, wrong: &mut WrongFields) -> Option<Self> {
        exports::ids(body.export_ids, wrong).map(|export_ids| Self { export_ids })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let now = decision.now;
        for export_id in &self.export_ids {
            let job = exports::load(decision, *export_id).await?;
            decision.decide(&job, ExportJobCommand::Archive(ArchiveExport { now })).await?;
        }
        Ok(Done::of::<ExportJob>(self.export_ids.first().copied().unwrap_or_default()))
    }

    fn example() -> Value {
        json!({ "export_ids": ["01970000-0000-7000-8000-000000000001"] })
    }
}
