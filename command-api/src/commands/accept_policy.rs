//! `accept-policy`: somebody accepts the version of the privacy policy that holds.

use agora_domain::{
    RuleBreak,
    compliance::{
        policy_acceptance::{AcceptVersion, PolicyAcceptance, PolicyAcceptanceCommand},
        policy_series::PolicySeries,
        policy_values::VersionNumber,
    },
    exports::export_values::Sha256Hex,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, consents,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Accepts a version.
pub struct AcceptPolicy {
    version_number: VersionNumber,
    content_hash: Option<Sha256Hex>,
}

/// The body of `accept-policy`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptPolicyBody {
    /// The version that holds now.
    #[schema(value_type = String, required, example = "v3.2", min_length = 1, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    #[serde(default)]
    version_number: Field<VersionNumber>,
    /// SHA-256 of the text that was shown: refused where it is not the text of that version.
    #[schema(value_type = Option<String>, min_length = 64, max_length = 64,
             pattern = "^[0-9a-f]+$")]
    #[serde(default)]
    content_hash: Field<Sha256Hex>,
}

impl Command for AcceptPolicy {
    const NAME: &'static str = "accept-policy";
    const SUMMARY: &'static str = "Accept the version of the privacy policy that holds now";
    const RULES: &'static [&'static str] =
        &["PPV-01", "PPV-13", "PPV-15", "ADM-07", "ESX-03", "ESX-04"];
    type Body = AcceptPolicyBody;

    fn parse(body: AcceptPolicyBody, wrong: &mut WrongFields) -> Option<Self> {
        let version_number = wrong.required("/version_number", body.version_number);
        let content_hash = match body.content_hash {
            Field::Bad(_) => {
                let says = "must be 64 hexadecimal digits in lower case";
                wrong.note("/content_hash", &RuleBreak::new("PPV-15", says))
            }
            field => wrong.optional("/content_hash", field),
        };
        Some(Self { version_number: version_number?, content_hash: content_hash? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(PolicyAcceptance::stream_id)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let principal = consents::person(decision)?;
        let series = decision.load::<PolicySeries>(PolicySeries::STREAM_ID).await?;
        let id = PolicyAcceptance::stream_id(principal);
        let acceptance = decision.load::<PolicyAcceptance>(&id).await?;
        let accept = AcceptVersion {
            principal,
            version_number: self.version_number.clone(),
            shown: self.content_hash.as_ref().map(|hash| hash.as_str().to_owned()),
            current: series.state.current(decision.now).cloned(),
            now: decision.now,
        };
        decision.decide_on_target(&acceptance, PolicyAcceptanceCommand::Accept(accept)).await?;
        Ok(Done::of::<PolicyAcceptance>(id))
    }

    fn example() -> Value {
        json!({ "version_number": "v3.2" })
    }
}
