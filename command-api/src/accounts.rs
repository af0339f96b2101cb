//! What the ends of members' and admins' accounts have in common.

use agora_domain::{
    Actor,
    identity::{
        credential::{Credential, CredentialCommand, InvalidateCredential},
        values::RevocationCause,
    },
    ids::CredentialId,
};

use crate::{
    commands::register_member::EMAIL, decision::Decision, refusal::CommandError, sessions,
};

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
