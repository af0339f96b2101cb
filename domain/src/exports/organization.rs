//! An organization: the tenant to which reports and their exports belong (K3, K30).
//!
//! Life cycle: created under a name that never changes and is unique up to case, for it stands on what
//! is handed to an authority. Who is in it is
//! [`OrganizationMembership`](super::organization_membership)'s.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::OrganizationId,
    refusal::{Refusal, RefusalKind},
    values::OrganizationName,
};

/// An organization as the log tells it. `Default` is the one that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    name: Option<OrganizationName>,
}

impl Organization {
    pub fn exists(&self) -> bool {
        self.name.is_some()
    }

    pub fn name(&self) -> Option<&OrganizationName> {
        self.name.as_ref()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum OrganizationCommand {
    Create(CreateOrganization),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateOrganization {
    pub organization_id: OrganizationId,
    pub name: OrganizationName,
    pub created_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OrganizationEvent {
    OrganizationCreated {
        organization_id: OrganizationId,
        name: OrganizationName,
        created_by: Actor,
    },
}

domain_event!(OrganizationEvent { OrganizationCreated => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OrganizationError {
    #[error("there is already an organization of this id")]
    AlreadyExists,
}

impl Refusal for OrganizationError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "REL-10",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists => RefusalKind::Conflict,
        }
    }
}

aggregate!(Organization, "organization", OrganizationCommand, OrganizationEvent, OrganizationError);

impl Decide for Organization {
    fn decide(
        &self,
        command: OrganizationCommand,
    ) -> Result<Vec<OrganizationEvent>, OrganizationError> {
        match command {
            OrganizationCommand::Create(command) => create(self, command),
        }
    }
}

fn create(
    organization: &Organization,
    command: CreateOrganization,
) -> Result<Vec<OrganizationEvent>, OrganizationError> {
    if organization.exists() {
        return Err(OrganizationError::AlreadyExists);
    }
    let CreateOrganization { organization_id, name, created_by } = command;
    Ok(vec![OrganizationEvent::OrganizationCreated { organization_id, name, created_by }])
}

impl Organization {
    fn apply(&mut self, event: OrganizationEvent) {
        match event {
            OrganizationEvent::OrganizationCreated { name, .. } => self.name = Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::AdminId;

    #[test]
    fn rel_10_an_organization_is_created_once() {
        let create = OrganizationCommand::Create(CreateOrganization {
            organization_id: OrganizationId(Uuid::from_u128(1)),
            name: "Barnas Hus".parse().unwrap(),
            created_by: Actor::admin(AdminId(Uuid::from_u128(2))),
        });
        let mut organization = Organization::default();
        assert!(!organization.exists());
        for event in organization.decide(create.clone()).unwrap() {
            cqrs_es::Aggregate::apply(&mut organization, event);
        }
        assert_eq!(organization.name().unwrap().as_str(), "Barnas Hus");
        assert_eq!(organization.decide(create), Err(OrganizationError::AlreadyExists));
    }
}
