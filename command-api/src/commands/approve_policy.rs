//! `approve-policy`: the legal review ends well.

use agora_domain::{
    compliance::policy_version::{ApprovePolicy as Approve, PolicyVersion, PolicyVersionCommand},
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

/// Approves a version.
pub struct ApprovePolicy {
    version_id: PolicyVersionId,
}

/// The body of `approve-policy`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovePolicyBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    version_id: Field<PolicyVersionId>,
}

impl Command for ApprovePolicy {
    const NAME: &'static str = "approve-policy";
    const SUMMARY: &'static str = "Approve a version of the privacy policy that one wrote nothing of; wants the scope `legal`";
    const RULES: &'static [&'static str] =
        &["PPV-04", "PPV-14", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = ApprovePolicyBody;

    fn parse(body: ApprovePolicyBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { version_id: wrong.required("/version_id", body.version_id)? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let version = policies::version(decision, self.version_id).await?;
        let reviewed_by = decision.actor()?;
        let is_legal = policies::is_legal(decision, reviewed_by).await?;
        let approve = Approve { reviewed_by, is_legal, now: decision.now };
        decision.decide_on_target(&version, PolicyVersionCommand::Approve(approve)).await?;
        Ok(Done::of::<PolicyVersion>(self.version_id))
    }

    fn example() -> Value {
        json!({ "version_id": "01970000-0000-7000-8000-000000000001" })
    }
}
