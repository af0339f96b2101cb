//! What several commands do with members' and admins' accounts: name one, ask for it, end it.

use std::str::FromStr;

use agora_domain::{
    Actor, ActorKind, Personal, PersonalCategory, RuleBreak,
    identity::{
        admin::Admin,
        credential::{Credential, CredentialCommand, InvalidateCredential},
        member::{Member, MemberCommand},
        values::RevocationCause,
    },
    ids::{CredentialId, MemberId},
    values::Reason,
};
use agora_event_store::Loaded;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    commands::register_member::EMAIL,
    decision::Decision,
    fields::{Field, WrongFields},
    refusal::CommandError,
    sessions,
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

/// A member or an admin, as bodies name one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountBody {
    #[schema(value_type = String, required, example = "member", pattern = "^(member|admin)$")]
    #[serde(default)]
    kind: Field<AccountKind>,
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    id: Field<AccountId>,
}

struct AccountKind(ActorKind);

impl FromStr for AccountKind {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        [ActorKind::Member, ActorKind::Admin]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .map(Self)
            .ok_or(RuleBreak::malformed("must be `member` or `admin`"))
    }
}

struct AccountId(Uuid);

impl FromStr for AccountId {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        text.parse::<MemberId>().map(|id| Self(id.0))
    }
}

impl AccountBody {
    /// The actor; `pointer` is where the object stands.
    pub fn parse(self, pointer: &str, wrong: &mut WrongFields) -> Option<Actor> {
        let kind = wrong.required(format!("{pointer}/kind"), self.kind);
        let id = wrong.required(format!("{pointer}/id"), self.id);
        kind.zip(id).map(|(kind, id)| Actor { kind: kind.0, id: id.0 })
    }
}

/// Whether there is, or was, such a member or admin.
pub async fn exists(decision: &mut Decision<'_>, principal: Actor) -> Result<bool, CommandError> {
    let id = principal.id.to_string();
    Ok(match principal.kind {
        ActorKind::Member => decision.load::<Member>(id).await?.state.exists(),
        ActorKind::Admin => decision.load::<Admin>(id).await?.state.exists(),
        ActorKind::Guest | ActorKind::System => false,
    })
}

/// Whether it may log in, now.
pub async fn may_log_in(
    decision: &mut Decision<'_>,
    principal: Actor,
) -> Result<bool, CommandError> {
    let id = principal.id.to_string();
    Ok(match principal.kind {
        ActorKind::Member => decision.load::<Member>(id).await?.state.may_log_in(),
        ActorKind::Admin => decision.load::<Admin>(id).await?.state.is_active(),
        ActorKind::Guest | ActorKind::System => false,
    })
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
