//! `mark-policy-notified`: people were told of a version.

use agora_domain::{
    compliance::policy_version::{MarkPolicyNotified as Mark, PolicyVersion, PolicyVersionCommand},
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

/// Notes that people were told.
pub struct MarkPolicyNotified {
    pub version_id: PolicyVersionId,
}

/// The body of `mark-policy-notified`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkPolicyNotifiedBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    version_id: Field<PolicyVersionId>,
}

impl Command for MarkPolicyNotified {
    const NAME: &'static str = "mark-policy-notified";
    const SUMMARY: &'static str =
        "Note that people were told of a published version of the privacy policy";
    const RULES: &'static [&'static str] = &["PPV-12", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = MarkPolicyNotifiedBody;

    fn parse(body: MarkPolicyNotifiedBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { version_id: wrong.required("/version_id", body.version_id)? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let version = policies::version(decision, self.version_id).await?;
        let mark = Mark { notified_by: decision.actor()? };
        decision.decide_on_target(&version, PolicyVersionCommand::MarkNotified(mark)).await?;
        Ok(Done::of::<PolicyVersion>(self.version_id))
    }

    fn example() -> Value {
        json!({ "version_id": "01970000-0000-7000-8000-000000000001" })
    }
}
