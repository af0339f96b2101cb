//! One principal's place in one organization (K3). The stream is the pair,
//! `{organization}-{kind}-{principal}`, so that nobody is in an organization twice.
//!
//! Life cycle: added with a role by a platform admin → the role changed any number of times → removed →
//! added again. Each event carries the whole state. Whose session carries the organization loses what
//! it may with the next request after the removal.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::OrganizationId,
    refusal::{Refusal, RefusalKind, RuleBreak},
};

/// What somebody may do in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationRole {
    /// Writes reports and requests exports, besides what a reader may.
    Reporter,
    /// Sees reports and exports, and downloads.
    Reader,
}

impl OrganizationRole {
    pub const ALL: [Self; 2] = [Self::Reporter, Self::Reader];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reporter => "reporter",
            Self::Reader => "reader",
        }
    }

    /// Whether it may change what the organization reports.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Reporter)
    }
}

impl FromStr for OrganizationRole {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(RuleBreak::new("BUF-15", "must be reporter or reader"))
    }
}

/// The organization that a session carries and its holder is still in, and what it may there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub organization_id: OrganizationId,
    pub role: OrganizationRole,
}

/// A membership as the log tells it. `Default` is that of somebody who was never added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrganizationMembership {
    /// `None`: never added, or removed.
    role: Option<OrganizationRole>,
}

impl OrganizationMembership {
    /// The id of the stream of one principal's membership of one organization.
    pub fn stream_id(organization_id: OrganizationId, principal: Actor) -> String {
        format!("{organization_id}-{}-{}", principal.kind.as_str(), principal.id)
    }

    /// What its holder may do there, while it is in.
    pub fn role(&self) -> Option<OrganizationRole> {
        self.role
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum OrganizationMembershipCommand {
    Add(AddOrganizationMember),
    Remove(RemoveOrganizationMember),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AddOrganizationMember {
    pub organization_id: OrganizationId,
    pub principal: Actor,
    pub role: OrganizationRole,
    pub added_by: Actor,
    /// What the decision needs to know of the organization.
    pub organization_exists: bool,
    /// Whether the principal is somebody who may log in: a session is what carries a tenant.
    pub principal_may_log_in: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RemoveOrganizationMember {
    pub organization_id: OrganizationId,
    pub principal: Actor,
    pub removed_by: Actor,
    /// What the decision needs to know of the organization.
    pub organization_exists: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OrganizationMembershipEvent {
    OrganizationMemberAdded {
        organization_id: OrganizationId,
        principal: Actor,
        role: OrganizationRole,
        added_by: Actor,
    },
    OrganizationMemberRoleChanged {
        organization_id: OrganizationId,
        principal: Actor,
        previous_role: OrganizationRole,
        role: OrganizationRole,
        changed_by: Actor,
    },
    OrganizationMemberRemoved {
        organization_id: OrganizationId,
        principal: Actor,
        removed_by: Actor,
    },
}

domain_event!(OrganizationMembershipEvent {
    OrganizationMemberAdded => "1",
    OrganizationMemberRoleChanged => "1",
    OrganizationMemberRemoved => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OrganizationMembershipError {
    #[error("there is no such organization")]
    NoOrganization,
    #[error("there is no such member or admin, or it cannot log in")]
    NoPrincipal,
}

impl Refusal for OrganizationMembershipError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NoOrganization | Self::NoPrincipal => "REL-10",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NoOrganization | Self::NoPrincipal => RefusalKind::NotFound,
        }
    }
}

aggregate!(
    OrganizationMembership,
    "organization_membership",
    OrganizationMembershipCommand,
    OrganizationMembershipEvent,
    OrganizationMembershipError
);

impl Decide for OrganizationMembership {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: OrganizationMembershipCommand,
    ) -> Result<Vec<OrganizationMembershipEvent>, OrganizationMembershipError> {
        match command {
            OrganizationMembershipCommand::Add(command) => add(self, command),
            OrganizationMembershipCommand::Remove(command) => remove(self, command),
        }
    }
}

fn add(
    membership: &OrganizationMembership,
    command: AddOrganizationMember,
) -> Result<Vec<OrganizationMembershipEvent>, OrganizationMembershipError> {
    if !command.organization_exists {
        return Err(OrganizationMembershipError::NoOrganization);
    }
    if !command.principal.has_account() || !command.principal_may_log_in {
        return Err(OrganizationMembershipError::NoPrincipal);
    }
    let AddOrganizationMember { organization_id, principal, role, added_by, .. } = command;
    Ok(match membership.role {
        Some(current) if current == role => Vec::new(),
        Some(previous_role) => {
            vec![OrganizationMembershipEvent::OrganizationMemberRoleChanged {
                organization_id,
                principal,
                previous_role,
                role,
                changed_by: added_by,
            }]
        }
        None => vec![OrganizationMembershipEvent::OrganizationMemberAdded {
            organization_id,
            principal,
            role,
            added_by,
        }],
    })
}

/// Who is not in it has been removed already, or never was: nothing to do.
fn remove(
    membership: &OrganizationMembership,
    command: RemoveOrganizationMember,
) -> Result<Vec<OrganizationMembershipEvent>, OrganizationMembershipError> {
    let RemoveOrganizationMember { organization_id, principal, removed_by, organization_exists } =
        command;
    if !organization_exists {
        return Err(OrganizationMembershipError::NoOrganization);
    }
    if membership.role.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![OrganizationMembershipEvent::OrganizationMemberRemoved {
        organization_id,
        principal,
        removed_by,
    }])
}

impl OrganizationMembership {
    fn apply(&mut self, event: OrganizationMembershipEvent) {
        self.role = match event {
            OrganizationMembershipEvent::OrganizationMemberAdded { role, .. }
            | OrganizationMembershipEvent::OrganizationMemberRoleChanged { role, .. } => Some(role),
            OrganizationMembershipEvent::OrganizationMemberRemoved { .. } => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::{AdminId, GuestId, MemberId};

    const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(1));
    const MEMBER: Actor = Actor::member(MemberId(Uuid::from_u128(2)));
    const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));

    fn add(role: OrganizationRole) -> AddOrganizationMember {
        AddOrganizationMember {
            organization_id: ORGANIZATION,
            principal: MEMBER,
            role,
            added_by: ADMIN,
            organization_exists: true,
            principal_may_log_in: true,
        }
    }

    fn remove() -> OrganizationMembershipCommand {
        OrganizationMembershipCommand::Remove(RemoveOrganizationMember {
            organization_id: ORGANIZATION,
            principal: MEMBER,
            removed_by: ADMIN,
            organization_exists: true,
        })
    }

    fn then(
        mut membership: OrganizationMembership,
        command: OrganizationMembershipCommand,
    ) -> OrganizationMembership {
        for event in membership.decide(command).unwrap() {
            cqrs_es::Aggregate::apply(&mut membership, event);
        }
        membership
    }

    #[test]
    fn buf_15_one_is_in_an_organization_from_the_addition_to_the_removal() {
        use OrganizationMembershipCommand::Add;
        use OrganizationRole::{Reader, Reporter};
        let membership = then(OrganizationMembership::default(), Add(add(Reader)));
        assert_eq!(membership.role(), Some(Reader));
        assert_eq!(membership.decide(Add(add(Reader))), Ok(vec![]));
        let membership = then(membership, Add(add(Reporter)));
        assert_eq!(membership.role(), Some(Reporter));
        let membership = then(membership, remove());
        assert_eq!(membership.role(), None);
        assert_eq!(membership.decide(remove()), Ok(vec![]));
        assert_eq!(then(membership, Add(add(Reader))).role(), Some(Reader));
    }

    #[test]
    fn rel_10_only_who_can_log_in_is_added_to_what_exists() {
        use OrganizationMembershipCommand::Add;
        let none = OrganizationMembership::default();
        let valid = add(OrganizationRole::Reader);
        let nowhere = AddOrganizationMember { organization_exists: false, ..valid.clone() };
        let deleted = AddOrganizationMember { principal_may_log_in: false, ..valid.clone() };
        let guest = Actor::guest(GuestId(Uuid::from_u128(4)));
        let guest = AddOrganizationMember { principal: guest, ..valid };
        let no_principal = Err(OrganizationMembershipError::NoPrincipal);
        assert_eq!(none.decide(Add(nowhere)), Err(OrganizationMembershipError::NoOrganization));
        assert_eq!(none.decide(Add(deleted)), no_principal);
        assert_eq!(none.decide(Add(guest)), no_principal);
    }

    #[test]
    fn buf_15_each_pair_has_a_stream_of_its_own() {
        let member = OrganizationMembership::stream_id(ORGANIZATION, MEMBER);
        assert_eq!(member, format!("{ORGANIZATION}-member-{}", MEMBER.id));
        let admin = Actor { id: MEMBER.id, ..ADMIN };
        assert_ne!(member, OrganizationMembership::stream_id(ORGANIZATION, admin));
    }
}
