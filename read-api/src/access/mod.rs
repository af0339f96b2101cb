//! Who asks, and whether they may: before any handler runs, for every route, in one place.

mod activity;
mod guard;
pub mod permissions;
mod session;

use agora_domain::{
    Actor,
    exports::organization_membership::Tenant,
    ids::{GuestId, SessionId},
};

pub use activity::Activity;
pub use guard::guard;
pub use permissions::{READS, Roles};
pub use session::IssuedSessions;
pub(crate) use session::{still_open, token_is_missing};

/// Who asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// Nobody known.
    Guest,
    /// A guest that shows its signature. It may read what all guests may.
    SignedGuest(GuestId),
    Principal(Principal),
}

/// Somebody who is logged in, or a service account.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    pub actor: Actor,
    /// None where it is a service account's key that was sent.
    pub session_id: Option<SessionId>,
    /// The organization that the session carries, while its holder is in it (BUF-15).
    pub organization: Option<Tenant>,
    pub roles: Roles,
}

impl Caller {
    pub fn roles(&self) -> Roles {
        match self {
            Self::Guest => Roles::GUEST,
            Self::SignedGuest(_) => Roles::GUEST.and(Roles::SIGNED_GUEST),
            Self::Principal(principal) => principal.roles,
        }
    }

    /// The login, where there is one.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Guest | Self::SignedGuest(_) => None,
            Self::Principal(principal) => principal.session_id,
        }
    }

    pub fn actor(&self) -> Option<Actor> {
        match self {
            Self::Guest => None,
            Self::SignedGuest(guest_id) => Some(Actor::guest(*guest_id)),
            Self::Principal(principal) => Some(principal.actor),
        }
    }
}
