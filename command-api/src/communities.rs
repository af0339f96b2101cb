//! What several commands need to know of a community.

use agora_domain::{
    Actor, Personal,
    community::community::Community,
    identity::member::{Member, MemberStatus},
    values::ModerationReason,
};

use crate::{decision::Decision, moderations, refusal::CommandError};

/// Whether the owner's account is deleted. Its id stays the owner's, and admins see to the community
/// (COM-16).
pub async fn owner_is_gone(
    community: &Community,
    decision: &mut Decision<'_>,
) -> Result<bool, CommandError> {
    let Some(owner) = community.owner() else { return Ok(false) };
    let member = decision.load::<Member>(owner.to_string()).await?;
    Ok(member.state.status().is_none_or(|status| status == MemberStatus::Deleted))
}

/// An admin's reason, as what it is about: the owner's.
pub async fn reason_for(
    community: &Community,
    reason: Option<ModerationReason>,
    decision: &mut Decision<'_>,
) -> Result<Option<Personal<ModerationReason>>, CommandError> {
    let Some(owner) = community.owner() else { return Ok(None) };
    moderations::reason_for(Actor::member(owner), reason, decision).await
}
