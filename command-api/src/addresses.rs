//! What the commands on addresses have in common: finding what is known of one.

use agora_domain::{
    Personal, PersonalCategory, Subject,
    ids::IpAddressId,
    security::{
        ip_address::{Act, IpAddress, IpAddressCommand},
        network::Network,
    },
};
use agora_event_store::Loaded;

use crate::{
    decision::{Decision, Done},
    refusal::CommandError,
};

/// The scope of the claims that lead from an address to what is known of it.
pub const IP_ADDRESS: &str = "ip_address";

/// Where commands on one address wait for each other.
pub fn queue(network: Network) -> String {
    format!("ip_address/{network}")
}

/// What is known of an address. Where that is nothing, its record is to be begun: whoever else begins it
/// at the same time makes the decision be taken again.
pub async fn load(
    decision: &mut Decision<'_>,
    network: Network,
) -> Result<(IpAddressId, Loaded<IpAddress>), CommandError> {
    let key = decision.app.address_index(network);
    let known = decision.app.holder(IP_ADDRESS, &key).await?;
    if let Some(id) = known.and_then(|id| id.parse::<IpAddressId>().ok()) {
        let loaded = decision.load::<IpAddress>(id.to_string()).await?;
        return Ok((id, loaded));
    }
    let id: IpAddressId = decision.new_id();
    decision.take(IP_ADDRESS, key, id);
    Ok((id, decision.begin::<IpAddress>(id)))
}

/// A value sealed with the key of the address itself.
pub fn personal<T>(id: IpAddressId, value: T) -> Personal<T> {
    Personal::new(Subject::from(id.0), PersonalCategory::Network, value)
}

/// What a command is told of the address.
pub fn command(
    decision: &Decision<'_>,
    id: IpAddressId,
    network: Network,
    act: Act,
) -> Result<IpAddressCommand, CommandError> {
    Ok(IpAddressCommand {
        id,
        address: personal(id, network),
        is_range: network.is_range(),
        is_exempt: network.is_exempt(),
        at: decision.now,
        by: decision.actor()?,
        act,
    })
}

/// Does something about an address.
pub async fn act(
    decision: &mut Decision<'_>,
    network: Network,
    act: impl FnOnce(IpAddressId) -> Act + Send,
) -> Result<Done, CommandError> {
    let (id, loaded) = load(decision, network).await?;
    let command = command(decision, id, network, act(id))?;
    decision.decide_on_target(&loaded, command).await?;
    // What did not come to be leaves no claim.
    if loaded.sequence == 0 && decision.unit.events.is_empty() {
        decision.unit.takes.clear();
    }
    Ok(Done::of::<IpAddress>(id))
}
