//! What an automated admin gets in with (ADM-07): one key, no e-mail address, no password. The stream
//! is the admin whose key it is; name, scopes and status are that [`Admin`](super::admin)'s.
//!
//! Life cycle: created with a key → the key rotated or revoked any number of times; a revoked one is
//! replaced by rotation. The key itself is nowhere in here: its hash is a claim of the log, taken by
//! the unit that issues it and released by the one that ends it. Each event carries the whole state,
//! so that a key that is rotated daily stays cheap to check.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{AdminId, ApiKeyId, CredentialId},
    refusal::{Refusal, RefusalKind},
};

/// A service account as the log tells it. `Default` is the one that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceAccount {
    created: Option<Created>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Created {
    admin_id: AdminId,
    credential_id: CredentialId,
    key_id: Option<ApiKeyId>,
}

impl ServiceAccount {
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    /// The key that lets it in, if one does.
    pub fn key_id(&self) -> Option<ApiKeyId> {
        self.created.as_ref().and_then(|account| account.key_id)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ServiceAccountCommand {
    Create(CreateServiceAccount),
    RotateKey(RotateKey),
    RevokeKey(RevokeKey),
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateServiceAccount {
    pub admin_id: AdminId,
    /// What the admin holds in the place of a credential.
    pub credential_id: CredentialId,
    pub key_id: ApiKeyId,
    pub created_by: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RotateKey {
    pub key_id: ApiKeyId,
    pub rotated_by: Actor,
    /// What the decision needs to know of the admin.
    pub is_retired: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RevokeKey {
    pub revoked_by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ServiceAccountEvent {
    ServiceAccountCreated {
        admin_id: AdminId,
        credential_id: CredentialId,
        key_id: ApiKeyId,
        created_by: Actor,
    },
    /// The key before, if there was one, lets nobody in any more.
    ServiceAccountKeyRotated {
        admin_id: AdminId,
        credential_id: CredentialId,
        key_id: ApiKeyId,
        rotated_by: Actor,
    },
    ServiceAccountKeyRevoked {
        admin_id: AdminId,
        credential_id: CredentialId,
        revoked_by: Actor,
    },
}

domain_event!(ServiceAccountEvent {
    ServiceAccountCreated => "1",
    ServiceAccountKeyRotated => "1",
    ServiceAccountKeyRevoked => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ServiceAccountError {
    #[error("there is already a service account of this id")]
    AlreadyExists,
    #[error("there is no such service account")]
    NotFound,
    #[error("the service account is retired for good: create another")]
    Retired,
}

impl Refusal for ServiceAccountError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists | Self::NotFound => "REL-10",
            Self::Retired => "ADM-04",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyExists | Self::Retired => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
        }
    }
}

aggregate!(
    ServiceAccount,
    "service_account",
    ServiceAccountCommand,
    ServiceAccountEvent,
    ServiceAccountError
);

impl Decide for ServiceAccount {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: ServiceAccountCommand,
    ) -> Result<Vec<ServiceAccountEvent>, ServiceAccountError> {
        match command {
            ServiceAccountCommand::Create(command) => create(self, command),
            ServiceAccountCommand::RotateKey(command) => rotate_key(self, command),
            ServiceAccountCommand::RevokeKey(command) => revoke_key(self, command),
        }
    }
}

fn create(
    account: &ServiceAccount,
    command: CreateServiceAccount,
) -> Result<Vec<ServiceAccountEvent>, ServiceAccountError> {
    if account.exists() {
        return Err(ServiceAccountError::AlreadyExists);
    }
    let CreateServiceAccount { admin_id, credential_id, key_id, created_by } = command;
    Ok(vec![ServiceAccountEvent::ServiceAccountCreated {
        admin_id,
        credential_id,
        key_id,
        created_by,
    }])
}

fn rotate_key(
    account: &ServiceAccount,
    command: RotateKey,
) -> Result<Vec<ServiceAccountEvent>, ServiceAccountError> {
    let current = account.created.as_ref().ok_or(ServiceAccountError::NotFound)?;
    if command.is_retired {
        return Err(ServiceAccountError::Retired);
    }
    Ok(vec![ServiceAccountEvent::ServiceAccountKeyRotated {
        admin_id: current.admin_id,
        credential_id: current.credential_id,
        key_id: command.key_id,
        rotated_by: command.rotated_by,
    }])
}

fn revoke_key(
    account: &ServiceAccount,
    command: RevokeKey,
) -> Result<Vec<ServiceAccountEvent>, ServiceAccountError> {
    let current = account.created.as_ref().ok_or(ServiceAccountError::NotFound)?;
    if current.key_id.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![ServiceAccountEvent::ServiceAccountKeyRevoked {
        admin_id: current.admin_id,
        credential_id: current.credential_id,
        revoked_by: command.revoked_by,
    }])
}

impl ServiceAccount {
    fn apply(&mut self, event: ServiceAccountEvent) {
        self.created = Some(match event {
            ServiceAccountEvent::ServiceAccountCreated {
                admin_id, credential_id, key_id, ..
            }
            | ServiceAccountEvent::ServiceAccountKeyRotated {
                admin_id,
                credential_id,
                key_id,
                ..
            } => Created { admin_id, credential_id, key_id: Some(key_id) },
            ServiceAccountEvent::ServiceAccountKeyRevoked { admin_id, credential_id, .. } => {
                Created { admin_id, credential_id, key_id: None }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(9)));

    fn key(number: u128) -> ApiKeyId {
        ApiKeyId(Uuid::from_u128(number))
    }

    fn create() -> ServiceAccountCommand {
        ServiceAccountCommand::Create(CreateServiceAccount {
            admin_id: AdminId(Uuid::from_u128(1)),
            credential_id: CredentialId(Uuid::from_u128(2)),
            key_id: key(3),
            created_by: ADMIN,
        })
    }

    fn rotate(number: u128, is_retired: bool) -> ServiceAccountCommand {
        let rotate = RotateKey { key_id: key(number), rotated_by: ADMIN, is_retired };
        ServiceAccountCommand::RotateKey(rotate)
    }

    fn revoke() -> ServiceAccountCommand {
        ServiceAccountCommand::RevokeKey(RevokeKey { revoked_by: ADMIN })
    }

    fn then(mut account: ServiceAccount, command: ServiceAccountCommand) -> ServiceAccount {
        for event in account.decide(command).unwrap() {
            cqrs_es::Aggregate::apply(&mut account, event);
        }
        account
    }

    #[test]
    fn adm_07_one_key_lets_a_service_account_in() {
        let account = then(ServiceAccount::default(), create());
        assert_eq!(account.key_id(), Some(key(3)));
        let account = then(account, rotate(4, false));
        assert_eq!(account.key_id(), Some(key(4)));
        let account = then(account, revoke());
        assert_eq!(account.key_id(), None);
        assert_eq!(account.decide(revoke()), Ok(vec![]));
        assert_eq!(then(account, rotate(5, false)).key_id(), Some(key(5)));
    }

    #[test]
    fn adm_04_a_retired_service_account_gets_no_other_key() {
        let account = then(ServiceAccount::default(), create());
        assert_eq!(account.decide(rotate(4, true)), Err(ServiceAccountError::Retired));
    }

    #[test]
    fn rel_10_what_does_not_exist_has_no_key_and_exists_once() {
        let nothing = ServiceAccount::default();
        assert_eq!(nothing.decide(rotate(4, false)), Err(ServiceAccountError::NotFound));
        assert_eq!(nothing.decide(revoke()), Err(ServiceAccountError::NotFound));
        let account = then(nothing, create());
        assert_eq!(account.decide(create()), Err(ServiceAccountError::AlreadyExists));
    }
}
