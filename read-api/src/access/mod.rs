//! Who asks, and whether they may: before any handler runs, for every route, in one place.

mod activity;
mod guard;
pub mod permissions;
mod session;

use agora_domain::{Actor, ids::SessionId};

pub use activity::Activity;
pub use guard::guard;
pub use permissions::{PERMISSIONS, Role};
pub(crate) use session::{still_open, token_is_missing};

/// Who asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    Guest,
    Principal(Principal),
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    pub actor: Actor,
    pub session_id: SessionId,
    pub roles: Vec<Role>,
}

impl Caller {
    pub fn roles(&self) -> &[Role] {
        match self {
            Self::Guest => &[Role::Guest],
            Self::Principal(principal) => &principal.roles,
        }
    }

    pub fn actor(&self) -> Option<Actor> {
        match self {
            Self::Guest => None,
            Self::Principal(principal) => Some(principal.actor),
        }
    }
}
