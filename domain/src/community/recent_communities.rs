//! The communities that a member visited last (E13). The stream is the member.
//!
//! Life cycle: each visit writes the whole list anew, the most recent first, five at most; a
//! community's rank is its place, from 1. Visits in quick succession are one: nothing is appended
//! where the community already has rank 1 and was visited less than a minute ago. Membership plays
//! no part (REC-04). That a deleted community disappears is seen to where the list is read (REC-06).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Decide, aggregate, domain_event},
    ids::{CommunityId, MemberId, RecentCommunityId},
    refusal::{Refusal, RefusalKind},
};

/// The most communities in a member's list (REC-01).
pub const RECENT_COMMUNITIES_MAX: usize = 5;

/// Visits closer to each other than this are one.
pub const VISIT_INTERVAL: TimeDelta = TimeDelta::minutes(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentCommunity {
    /// Stays the same while the community stays in the list.
    pub id: RecentCommunityId,
    pub community_id: CommunityId,
    pub last_activity_at: DateTime<Utc>,
}

/// A member's list as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecentCommunities {
    recent: Vec<RecentCommunity>,
}

impl RecentCommunities {
    /// The id of the stream of one member's list.
    pub fn stream_id(member: MemberId) -> String {
        member.to_string()
    }

    /// The most recent first: rank 1, 2, … (REC-02).
    pub fn list(&self) -> &[RecentCommunity] {
        &self.recent
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum RecentCommunitiesCommand {
    Visit(VisitCommunity),
}

/// Says that somebody visited, never where it is to stand in the list (REC-03).
#[derive(Clone, Debug, PartialEq)]
pub struct VisitCommunity {
    /// The id that the entry gets if the community is not in the list.
    pub new_id: RecentCommunityId,
    pub member_id: MemberId,
    pub community_id: CommunityId,
    pub now: DateTime<Utc>,
    /// What the decision needs to know of the community.
    pub community_open: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecentCommunitiesEvent {
    CommunityVisited {
        member_id: MemberId,
        community_id: CommunityId,
        /// The whole list after the visit, the most recent first.
        recent: Vec<RecentCommunity>,
    },
}

domain_event!(RecentCommunitiesEvent { CommunityVisited => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecentCommunitiesError {
    #[error("the community does not exist or is deleted")]
    CommunityClosed,
}

impl Refusal for RecentCommunitiesError {
    fn rule(&self) -> &'static str {
        match self {
            Self::CommunityClosed => "REC-06",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::CommunityClosed => RefusalKind::NotFound,
        }
    }
}

aggregate!(
    RecentCommunities,
    "recent_communities",
    RecentCommunitiesCommand,
    RecentCommunitiesEvent,
    RecentCommunitiesError
);

impl Decide for RecentCommunities {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: RecentCommunitiesCommand,
    ) -> Result<Vec<RecentCommunitiesEvent>, RecentCommunitiesError> {
        match command {
            RecentCommunitiesCommand::Visit(command) => visit(self, command),
        }
    }
}

fn visit(
    communities: &RecentCommunities,
    command: VisitCommunity,
) -> Result<Vec<RecentCommunitiesEvent>, RecentCommunitiesError> {
    if !command.community_open {
        return Err(RecentCommunitiesError::CommunityClosed);
    }
    let visited = |entry: &&RecentCommunity| entry.community_id == command.community_id;
    let first = communities.recent.first().filter(visited);
    if first.is_some_and(|entry| command.now - entry.last_activity_at < VISIT_INTERVAL) {
        return Ok(Vec::new());
    }
    let known = communities.recent.iter().find(visited);
    let newest = RecentCommunity {
        id: known.map_or(command.new_id, |entry| entry.id),
        community_id: command.community_id,
        last_activity_at: command.now,
    };
    let others = communities.recent.iter().filter(|entry| !visited(entry)).cloned();
    Ok(vec![RecentCommunitiesEvent::CommunityVisited {
        member_id: command.member_id,
        community_id: command.community_id,
        recent: std::iter::once(newest).chain(others).take(RECENT_COMMUNITIES_MAX).collect(),
    }])
}

impl RecentCommunities {
    fn apply(&mut self, event: RecentCommunitiesEvent) {
        let RecentCommunitiesEvent::CommunityVisited { recent, .. } = event;
        self.recent = recent;
    }
}

#[cfg(test)]
mod tests;
