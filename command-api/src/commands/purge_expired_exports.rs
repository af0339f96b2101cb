//! `purge-expired-exports`: the files of exports that have expired go; the exports stay (O14).

use agora_domain::{
    exports::export_job::{ExportJob, ExportJobCommand, PurgeFile},
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

/// Purges files.
pub struct PurgeExpiredExports {
    export_ids: Vec<ExportJobId>,
    for_erasure: bool,
}

impl PurgeExpiredExports {
    /// As the process that cleans up sends it; at most [`exports::AT_ONCE_MAX`].
    pub fn new(export_ids: Vec<ExportJobId>) -> Self {
        Self { export_ids, for_erasure: false }
    }

    /// As an erasure sends it: it does not wait until they have expired.
    pub fn for_erasure(export_ids: Vec<ExportJobId>) -> Self {
        Self { export_ids, for_erasure: true }
    }
}

/// The body of `purge-expired-exports`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeExpiredExportsBody {
    /// Which: all of them have expired, or nothing is done. What is purged already, or never had a
    /// file, is passed over.
    #[schema(value_type = Vec<Uuid>, required, min_items = 1, max_items = 100)]
    #[serde(default)]
    export_ids: Field<List<ExportJobId>>,
}

impl Command for PurgeExpiredExports {
    const NAME: &'static str = "purge-expired-exports";
    const SUMMARY: &'static str = "Let the files of expired exports go; their rows stay for ever";
    const RULES: &'static [&'static str] =
        &["OPR-14", "BUF-09", "BUF-14", "DXR-07", "REL-10", "ESX-04"];
    type Body = PurgeExpiredExportsBody;

    fn parse(body: PurgeExpiredExportsBody, wrong: &mut WrongFields) -> Option<Self> {
        exports::ids(body.export_ids, wrong).map(Self::new)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let purge = PurgeFile { for_erasure: self.for_erasure, now: decision.now };
        for export_id in &self.export_ids {
            let job = exports::load(decision, *export_id).await?;
            decision.decide(&job, ExportJobCommand::Purge(purge.clone())).await?;
        }
        Ok(Done::of::<ExportJob>(self.export_ids.first().copied().unwrap_or_default()))
    }

    fn example() -> Value {
        json!({ "export_ids": ["01970000-0000-7000-8000-000000000001"] })
    }
}
