//! What the commands on one integration have in common.

use agora_domain::{
    Actor,
    ids::IntegrationId,
    site::integration::{Integration, IntegrationCommand},
};

use crate::{
    decision::{Decision, Done},
    refusal::CommandError,
};

/// Lets the sender change an integration's status.
pub async fn change(
    decision: &mut Decision<'_>,
    integration_id: IntegrationId,
    command: impl FnOnce(Actor) -> IntegrationCommand,
) -> Result<Done, CommandError> {
    let integration = decision.load::<Integration>(integration_id.to_string()).await?;
    let command = command(decision.actor()?);
    decision.decide_on_target(&integration, command).await?;
    Ok(Done::of::<Integration>(integration_id))
}
