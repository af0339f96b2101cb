//! What the ends of members' and admins' accounts have in common.

use agora_domain::{
    Actor, Personal, PersonalCategory,
    identity::{
        credential::{Credential, CredentialCommand, InvalidateCredential},
        member::{Member, MemberCommand},
        values::RevocationCause,
    },
    ids::{CredentialId, MemberId},
    values::Reason,
};
use agora_event_store::Loaded;

use crate::{
    commands::register_member::EMAIL, decision::Decision, refusal::CommandError, sessions,
};

/// Lets the sender, an admin, change a member's status with a reason that is about the member. Gives
/// the member as it was.
pub async fn change_member(
    decision: &mut Decision<'_>,
    member_id: MemberId,
    reason: Option<Reason>,
    command: impl FnOnce(Actor, Option<Personal<Reason>>) -> MemberCommand,
) -> Result<Loaded<Member>, CommandError> {
    let actor = decision.actor()?;
    let member = decision.load::<Member>(member_id.to_string()).await?;
    let (principal, category) = (Actor::member(member_id), PersonalCategory::Content);
    let reason = reason.map(|reason| decision.personal(principal, category, reason));
    decision.decide_on_target(&member, command(actor, reason)).await?;
    Ok(member)
}

/// Lets nobody in any more: the credential is no longer valid (CRD-04), its address is free for
/// another account (CRD-11), all sessions end (SES-11).
pub async fn close(
    decision: &mut Decision<'_>,
    principal: Actor,
    credential_id: CredentialId,
    closed_by: Actor,
) -> Result<(), CommandError> {
    let credential = decision.load::<Credential>(credential_id.to_string()).await?;
    let invalidate = InvalidateCredential { invalidated_by: closed_by };
    decision.decide(&credential, CredentialCommand::Invalidate(invalidate)).await?;
    decision.release(EMAIL, credential_id);
    let cause = RevocationCause::PrincipalRetired;
    sessions::end_all(decision, principal, None, closed_by, cause).await
}
