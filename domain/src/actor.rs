//! Who acts: the `actor {kind, id}` of every event (K4).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{AdminId, GuestId, MemberId},
    personal::Subject,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    Member,
    Admin,
    /// Nobody is known but a signature (E06).
    Guest,
    /// The platform itself: expiry, detection, bootstrap. Its id is the nil UUID.
    System,
}

impl ActorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Guest => "guest",
            Self::System => "system",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: Uuid,
}

impl Actor {
    pub const SYSTEM: Self = Self { kind: ActorKind::System, id: Uuid::nil() };

    pub const fn member(id: MemberId) -> Self {
        Self { kind: ActorKind::Member, id: id.0 }
    }

    pub const fn admin(id: AdminId) -> Self {
        Self { kind: ActorKind::Admin, id: id.0 }
    }

    pub const fn guest(id: GuestId) -> Self {
        Self { kind: ActorKind::Guest, id: id.0 }
    }

    /// Whether it is a member or an admin: somebody with a credential, and with personal data of its
    /// own. What is seen of others, such as an address, is sealed under the day (GST-01).
    pub fn has_account(self) -> bool {
        matches!(self.kind, ActorKind::Member | ActorKind::Admin)
    }

    pub fn is_admin(self) -> bool {
        self.kind == ActorKind::Admin
    }

    /// The member, if it is one.
    pub fn as_member(self) -> Option<MemberId> {
        (self.kind == ActorKind::Member).then_some(MemberId(self.id))
    }

    /// The admin, if it is one.
    pub fn as_admin(self) -> Option<AdminId> {
        (self.kind == ActorKind::Admin).then_some(AdminId(self.id))
    }

    /// The guest, if it is one.
    pub fn as_guest(self) -> Option<GuestId> {
        (self.kind == ActorKind::Guest).then_some(GuestId(self.id))
    }

    /// The data subject that this actor is.
    pub fn subject(self) -> Subject {
        Subject::from(self.id)
    }
}

/// `member:018f…`, as it stands in ids of streams and in metadata.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}
