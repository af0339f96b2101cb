//! `publish-policy`: from its date on, a version holds.

use agora_domain::{
    compliance::{
        policy_series::{AddVersion, PolicySeries, PolicySeriesCommand},
        policy_version::{PolicyVersion, PolicyVersionCommand, PublishPolicy as Publish},
    },
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

/// Publishes a version.
pub struct PublishPolicy {
    version_id: PolicyVersionId,
}

/// The body of `publish-policy`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishPolicyBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    version_id: Field<PolicyVersionId>,
}

impl Command for PublishPolicy {
    const NAME: &'static str = "publish-policy";
    const SUMMARY: &'static str =
        "Publish an approved version of the privacy policy: it holds from its date on";
    const RULES: &'static [&'static str] =
        &["PPV-04", "PPV-07", "PPV-08", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = PublishPolicyBody;

    fn parse(body: PublishPolicyBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { version_id: wrong.required("/version_id", body.version_id)? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let version = policies::version(decision, self.version_id).await?;
        let published_by = decision.actor()?;
        let publish = Publish { published_by, now: decision.now };
        decision.decide_on_target(&version, PolicyVersionCommand::Publish(publish)).await?;
        let series = decision.load::<PolicySeries>(PolicySeries::STREAM_ID).await?;
        // Of what was published before, the series has it already.
        if let Some(version) = version.state.as_published(decision.now) {
            let add = PolicySeriesCommand::Add(AddVersion { version, published_by });
            decision.decide(&series, add).await?;
        }
        Ok(Done::of::<PolicyVersion>(self.version_id))
    }

    fn example() -> Value {
        json!({ "version_id": "01970000-0000-7000-8000-000000000001" })
    }
}
