//! One member's membership of one community (E11). The stream is the pair: `{community}:{member}`,
//! so that there is never more than one at a time (MSH-02).
//!
//! Life cycle: joined → left → joined again, which is a new membership with an id of its own; the
//! earlier one stays in the log (MSH-05). The owner may leave and stays the owner (MSH-07).

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Decide, aggregate, domain_event},
    ids::{CommunityId, MemberId, MembershipId},
    refusal::{Refusal, RefusalKind},
};

/// A membership as the log tells it. `Default` is that of somebody who never joined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// `None`: never joined, or left.
    current: Option<MembershipId>,
}

impl Membership {
    /// The id of the stream of one member's membership of one community.
    pub fn stream_id(community: CommunityId, member: MemberId) -> String {
        format!("{community}:{member}")
    }

    pub fn is_member(&self) -> bool {
        self.current.is_some()
    }

    /// The membership in force.
    pub fn id(&self) -> Option<MembershipId> {
        self.current
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum MembershipCommand {
    Join(JoinCommunity),
    Leave(LeaveCommunity),
}

#[derive(Clone, Debug, PartialEq)]
pub struct JoinCommunity {
    /// The id that the membership gets if this begins one.
    pub new_id: MembershipId,
    pub community_id: CommunityId,
    /// Who joins: nobody joins for another (MSH-01).
    pub member_id: MemberId,
    /// What the decision needs to know of the community.
    pub community_open: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeaveCommunity {
    pub community_id: CommunityId,
    pub member_id: MemberId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MembershipEvent {
    CommunityJoined { id: MembershipId, community_id: CommunityId, member_id: MemberId },
    CommunityLeft { id: MembershipId, community_id: CommunityId, member_id: MemberId },
}

domain_event!(MembershipEvent { CommunityJoined => "1", CommunityLeft => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MembershipError {
    #[error("the community does not exist or is deleted")]
    CommunityClosed,
}

impl Refusal for MembershipError {
    fn rule(&self) -> &'static str {
        match self {
            Self::CommunityClosed => "MSH-04",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::CommunityClosed => RefusalKind::NotFound,
        }
    }
}

aggregate!(Membership, "membership", MembershipCommand, MembershipEvent, MembershipError);

impl Decide for Membership {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: MembershipCommand) -> Result<Vec<MembershipEvent>, MembershipError> {
        match command {
            MembershipCommand::Join(command) => join(self, command),
            MembershipCommand::Leave(command) => Ok(leave(self, command)),
        }
    }
}

fn join(
    membership: &Membership,
    command: JoinCommunity,
) -> Result<Vec<MembershipEvent>, MembershipError> {
    if !command.community_open {
        return Err(MembershipError::CommunityClosed);
    }
    if membership.is_member() {
        return Ok(Vec::new());
    }
    Ok(vec![MembershipEvent::CommunityJoined {
        id: command.new_id,
        community_id: command.community_id,
        member_id: command.member_id,
    }])
}

/// Who is not a member has left already. One may leave a deleted community, too.
fn leave(membership: &Membership, command: LeaveCommunity) -> Vec<MembershipEvent> {
    let left = membership.current.map(|id| MembershipEvent::CommunityLeft {
        id,
        community_id: command.community_id,
        member_id: command.member_id,
    });
    left.into_iter().collect()
}

impl Membership {
    fn apply(&mut self, event: MembershipEvent) {
        match event {
            MembershipEvent::CommunityJoined { id, .. } => self.current = Some(id),
            MembershipEvent::CommunityLeft { .. } => self.current = None,
        }
    }
}

#[cfg(test)]
mod tests;
