//! `request-policy-changes`: the legal review sends a version back.

use agora_domain::{
    PersonalCategory,
    compliance::policy_version::{
        PolicyVersion, PolicyVersionCommand, RequestPolicyChanges as RequestChanges,
    },
    ids::PolicyVersionId,
    values::Reason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    policies,
    refusal::CommandError,
};

/// Sends a version back.
pub struct RequestPolicyChanges {
    version_id: PolicyVersionId,
    reason: Reason,
}

/// The body of `request-policy-changes`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestPolicyChangesBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    version_id: Field<PolicyVersionId>,
    /// What is to be changed.
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

impl Command for RequestPolicyChanges {
    const NAME: &'static str = "request-policy-changes";
    const SUMMARY: &'static str =
        "Send a version of the privacy policy back as a draft; wants the scope `legal`";
    const RULES: &'static [&'static str] =
        &["PPV-04", "PPV-14", "MOD-03", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = RequestPolicyChangesBody;

    fn parse(body: RequestPolicyChangesBody, wrong: &mut WrongFields) -> Option<Self> {
        let version_id = wrong.required("/version_id", body.version_id);
        let reason = wrong.required("/reason", body.reason);
        Some(Self { version_id: version_id?, reason: reason? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let version = policies::version(decision, self.version_id).await?;
        let requested_by = decision.actor()?;
        let is_legal = policies::is_legal(decision, requested_by).await?;
        let reason =
            decision.personal(requested_by, PersonalCategory::Content, self.reason.clone());
        let changes = RequestChanges { requested_by, is_legal, reason };
        decision.decide_on_target(&version, PolicyVersionCommand::RequestChanges(changes)).await?;
        Ok(Done::of::<PolicyVersion>(self.version_id))
    }

    fn example() -> Value {
        json!({
            "version_id": "01970000-0000-7000-8000-000000000001",
            "reason": "It does not name the processors.",
        })
    }
}
