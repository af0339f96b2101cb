//! Who is an active admin: one stream for all, so that two admins cannot suspend each other at once
//! and leave none (ADM-05), and so that only one first admin comes in (ADM-01).
//!
//! Life cycle: every change of who is active writes the whole list anew, in the unit that changes
//! the admin.

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Decide, aggregate, domain_event},
    ids::AdminId,
    refusal::{Refusal, RefusalKind},
};

/// The active admins as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdminRoster {
    active: Vec<AdminId>,
}

impl AdminRoster {
    /// The id of the one stream.
    pub const STREAM_ID: &'static str = "all";

    /// In the order in which they came in.
    pub fn active(&self) -> &[AdminId] {
        &self.active
    }

    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum AdminRosterCommand {
    Enter(ChangeAdminRoster),
    Leave(ChangeAdminRoster),
    /// Leaves, be it as the last one: after a restore, of somebody who was erased while there were others.
    Erase(ChangeAdminRoster),
}

/// Enters or leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeAdminRoster {
    pub admin_id: AdminId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AdminRosterEvent {
    /// The whole list after the change.
    AdminRosterChanged { active: Vec<AdminId> },
}

domain_event!(AdminRosterEvent { AdminRosterChanged => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AdminRosterError {
    #[error("this is the last active admin: let another be created or reinstated first")]
    LastAdmin,
}

impl Refusal for AdminRosterError {
    fn rule(&self) -> &'static str {
        match self {
            Self::LastAdmin => "ADM-05",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::LastAdmin => RefusalKind::Conflict,
        }
    }
}

aggregate!(AdminRoster, "admin_roster", AdminRosterCommand, AdminRosterEvent, AdminRosterError);

impl Decide for AdminRoster {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: AdminRosterCommand,
    ) -> Result<Vec<AdminRosterEvent>, AdminRosterError> {
        match command {
            AdminRosterCommand::Enter(command) => enter(self, command),
            AdminRosterCommand::Leave(command) => leave(self, command, false),
            AdminRosterCommand::Erase(command) => leave(self, command, true),
        }
    }
}

fn enter(
    roster: &AdminRoster,
    command: ChangeAdminRoster,
) -> Result<Vec<AdminRosterEvent>, AdminRosterError> {
    if roster.active.contains(&command.admin_id) {
        return Ok(Vec::new());
    }
    let mut active = roster.active.clone();
    active.push(command.admin_id);
    Ok(vec![AdminRosterEvent::AdminRosterChanged { active }])
}

fn leave(
    roster: &AdminRoster,
    command: ChangeAdminRoster,
    may_be_last: bool,
) -> Result<Vec<AdminRosterEvent>, AdminRosterError> {
    if !roster.active.contains(&command.admin_id) {
        return Ok(Vec::new());
    }
    let active: Vec<AdminId> =
        roster.active.iter().copied().filter(|admin_id| *admin_id != command.admin_id).collect();
    if active.is_empty() && !may_be_last {
        return Err(AdminRosterError::LastAdmin);
    }
    Ok(vec![AdminRosterEvent::AdminRosterChanged { active }])
}

impl AdminRoster {
    fn apply(&mut self, event: AdminRosterEvent) {
        let AdminRosterEvent::AdminRosterChanged { active } = event;
        self.active = active;
    }
}

#[cfg(test)]
mod tests;
