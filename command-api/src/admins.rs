//! What the commands that take an admin's rights away have in common.

use agora_domain::{
    identity::{
        admin::{Admin, AdminCommand, ChangeAdminStatus},
        admin_roster::{AdminRoster, AdminRosterCommand, ChangeAdminRoster},
    },
    ids::AdminId,
};
use agora_event_store::Loaded;

use crate::{decision::Decision, permission::not_oneself, refusal::CommandError};

/// Takes an admin off duty, by the sender: it leaves the roster, which keeps the last one (ADM-05).
/// Gives the admin as it was.
pub async fn leaves(
    decision: &mut Decision<'_>,
    admin_id: AdminId,
    command: fn(ChangeAdminStatus) -> AdminCommand,
) -> Result<Loaded<Admin>, CommandError> {
    let actor = decision.actor()?;
    let admin = decision.load::<Admin>(admin_id.to_string()).await?;
    decision.decide_on_target(&admin, command(ChangeAdminStatus { actor })).await?;
    let roster = decision.load::<AdminRoster>(AdminRoster::STREAM_ID).await?;
    let leave = AdminRosterCommand::Leave(ChangeAdminRoster { admin_id });
    decision.decide(&roster, leave).await?;
    not_oneself(decision, admin_id, "ADM-05")?;
    Ok(admin)
}
