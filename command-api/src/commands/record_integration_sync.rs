//! `record-integration-sync`: a handshake with an integration's provider has succeeded.

use agora_domain::{
    ids::IntegrationId,
    site::{
        integration::{Integration, IntegrationCommand, RecordIntegrationSync as Record},
        integration_values::SyncedAt,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Records a handshake.
pub struct RecordIntegrationSync {
    integration_id: IntegrationId,
    synced_at: Option<SyncedAt>,
}

/// The body of `record-integration-sync`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordIntegrationSyncBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    integration_id: Field<IntegrationId>,
    /// When it succeeded: not in the future, and not before the last one. Now, where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    synced_at: Field<SyncedAt>,
}

impl Command for RecordIntegrationSync {
    const NAME: &'static str = "record-integration-sync";
    const SUMMARY: &'static str = "Record that a handshake with an integration succeeded";
    const RULES: &'static [&'static str] = &["INT-05", "REL-10", "ESX-03", "ESX-04"];
    type Body = RecordIntegrationSyncBody;

    fn parse(body: RecordIntegrationSyncBody, wrong: &mut WrongFields) -> Option<Self> {
        let integration_id = wrong.required("/integration_id", body.integration_id);
        let synced_at = wrong.optional("/synced_at", body.synced_at);
        Some(Self { integration_id: integration_id?, synced_at: synced_at? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let integration = decision.load::<Integration>(self.integration_id.to_string()).await?;
        let now = SyncedAt(decision.now);
        let record =
            Record { synced_at: self.synced_at.unwrap_or(now), now, actor: decision.actor()? };
        decision.decide_on_target(&integration, IntegrationCommand::RecordSync(record)).await?;
        Ok(Done::of::<Integration>(self.integration_id))
    }

    fn example() -> Value {
        json!({
            "integration_id": "01970000-0000-7000-8000-000000000001",
            "synced_at": "2026-01-31T12:00:00Z",
        })
    }
}
