//! `submit-policy`: a draft goes to its legal review.

use agora_domain::{
    compliance::policy_version::{PolicyVersion, PolicyVersionCommand, SubmitPolicy as Submit},
    ids::PolicyVersionId,
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

/// Submits a draft.
pub struct SubmitPolicy {
    version_id: PolicyVersionId,
}

/// The body of `submit-policy`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitPolicyBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    version_id: Field<PolicyVersionId>,
}

impl Command for SubmitPolicy {
    const NAME: &'static str = "submit-policy";
    const SUMMARY: &'static str = "Hand a draft of the privacy policy in for its legal review";
    const RULES: &'static [&'static str] = &["PPV-04", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = SubmitPolicyBody;

    fn parse(body: SubmitPolicyBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { version_id: wrong.required("/version_id", body.version_id)? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let version = policies::version(decision, self.version_id).await?;
        let submit = Submit { submitted_by: decision.actor()? };
        decision.decide_on_target(&version, PolicyVersionCommand::Submit(submit)).await?;
        Ok(Done::of::<PolicyVersion>(self.version_id))
    }

    fn example() -> Value {
        json!({ "version_id": "01970000-0000-7000-8000-000000000001" })
    }
}
