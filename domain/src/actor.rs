//! Who acts: the `actor {kind, id}` of every event (K4).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{AdminId, MemberId},
    personal::Subject,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    Member,
    Admin,
    /// The platform itself: expiry, detection, bootstrap. Its id is the nil UUID.
    System,
}

impl ActorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
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
