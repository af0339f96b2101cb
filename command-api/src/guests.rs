//! What the commands that guests may send have in common.

use std::net::{IpAddr, Ipv6Addr};

use agora_domain::{
    identity::guest::{Guest, GuestCommand, NoteActivity},
    ids::GuestId,
    site::settings::Setting,
};
use agora_service::problem::Problem;

use crate::{
    App,
    decision::Decision,
    execute::Caller,
    refusal::{CommandError, too_many},
};

/// The guest who sends the command, if it is one.
pub fn sender(caller: &Caller) -> Option<GuestId> {
    caller.actor()?.as_guest()
}

/// Counts what a guest does, before it is done: so much for each guest, and so much for each address
/// whatever the number of guests there (CMT-09). Others pass.
pub fn throttle(app: &App, caller: &Caller, rule: &'static str) -> Result<(), Problem> {
    let Some(guest_id) = sender(caller) else { return Ok(()) };
    let too_many = |wait| too_many(wait, Some(rule));
    app.guest_acts.begin(&guest_id.to_string()).map_err(too_many)?;
    app.guest_address_acts.begin(&network(caller)).map_err(too_many)
}

/// Counts a guest that is about to be made: each is a stream in the log, and costs its maker nothing.
pub fn throttle_new(app: &App, caller: &Caller) -> Result<(), Problem> {
    app.new_guests.begin(&network(caller)).map_err(|wait| too_many(wait, None))
}

/// Lets a guest do what the setting allows guests, and notes that it is active. Others pass.
pub async fn admit(
    decision: &mut Decision<'_>,
    setting: &'static Setting,
    rule: &'static str,
) -> Result<(), CommandError> {
    if sender(decision.caller).is_none() {
        return Ok(());
    }
    if !decision.flag(setting).await? {
        let detail = format!("Guests may not do this ({} is off): log in first.", setting.key);
        return Err(Problem::forbidden(detail).with_rule(rule).into());
    }
    note_activity(decision).await
}

/// Notes that the guest who sends the command is active (GST-04). Others pass.
pub async fn note_activity(decision: &mut Decision<'_>) -> Result<(), CommandError> {
    let Some(guest_id) = sender(decision.caller) else { return Ok(()) };
    let guest = decision.load::<Guest>(guest_id.to_string()).await?;
    let now = decision.now;
    decision.decide(&guest, GuestCommand::NoteActivity(NoteActivity { guest_id, now })).await
}

/// The address by which a client is counted: of IPv6 its /64, since whoever has one address of that
/// has them all.
fn network(caller: &Caller) -> String {
    let address = caller.address.as_ref().map_or("", |(_, address)| address.as_str());
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string()
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use agora_domain::Subject;

    use super::*;

    #[test]
    fn cmt_09_ipv6_clients_are_counted_by_their_network() {
        let of = |address: &str| {
            let address = Some((Subject::from("day"), address.to_owned()));
            network(&Caller { address, ..Caller::default() })
        };
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
