//! `verify-deletion-identity`: the person is who it says: by its own login of a moment ago, or in the eyes of
//! an admin who did not ask for it (DDR-07).

use agora_domain::{
    compliance::deletion_request::{
        DeletionRequest, DeletionRequestCommand, VerifyIdentity as Verify,
    },
    ids::DeletionId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    deletions,
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
    sessions,
};

/// Say that whoever is to be erased is who it says.
pub struct VerifyDeletionIdentity {
    deletion_id: DeletionId,
}

/// The body of `verify-deletion-identity`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyDeletionIdentityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
}

impl Command for VerifyDeletionIdentity {
    const NAME: &'static str = "verify-deletion-identity";
    const SUMMARY: &'static str = "Say that whoever is to be erased is who it says";
    const RULES: &'static [&'static str] =
        &["DDR-07", "DDR-03", "DDR-08", "SES-12", "REL-10", "ESX-03", "ESX-04"];
    type Body = VerifyDeletionIdentityBody;

    fn parse(body: VerifyDeletionIdentityBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { deletion_id: wrong.required("/deletion_id", body.deletion_id)? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let verified_by = decision.actor()?;
        let loaded = deletions::load_own_or_reviewed(decision, self.deletion_id).await?;
        deletions::require_person(decision)?;
        let is_own = loaded.state.get().is_some_and(|request| request.subject == verified_by);
        if is_own {
            sessions::require_recent_login(decision, None)?;
        }
        let verify = Verify { verified_by, has_logged_in: is_own, now: decision.now };
        let verify = DeletionRequestCommand::VerifyIdentity(verify);
        decision.decide_on_target(&loaded, verify).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({ "deletion_id": "01970000-0000-7000-8000-000000000001" })
    }
}
