//! What the commands that guests may send have in common.

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
    app.guest_address_acts.begin(&caller.network()).map_err(too_many)
}

/// Counts a guest that is about to be made: each is a stream in the log, and costs its maker nothing.
pub fn throttle_new(app: &App, caller: &Caller) -> Result<(), Problem> {
    app.new_guests.begin(&caller.network()).map_err(|wait| too_many(wait, None))
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
