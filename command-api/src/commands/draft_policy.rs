//! `draft-policy`: the first words of a version of the privacy policy.

use agora_domain::{
    compliance::{
        policy_values::{NamedInstant, VersionNumber},
        policy_version::{DraftPolicy as Draft, PolicyVersion, PolicyVersionCommand},
    },
    ids::PolicyVersionId,
    values::{MajorChange, PolicyContent},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, Flag, List, WrongFields},
    policies::{self, POLICY_VERSION},
    refusal::CommandError,
};

/// Drafts a version.
pub struct DraftPolicy {
    version_number: VersionNumber,
    effective_date: NamedInstant,
    policy_content: PolicyContent,
    major_changes: Option<Vec<MajorChange>>,
    acceptance_required: bool,
}

/// The body of `draft-policy`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftPolicyBody {
    /// What people know it by. It never changes, and no other version has it.
    #[schema(value_type = String, required, min_length = 1, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    #[serde(default)]
    version_number: Field<VersionNumber>,
    /// From when it is to hold. Where that has passed when it is published, it holds from then on.
    #[schema(value_type = String, required, format = DateTime)]
    #[serde(default)]
    effective_date: Field<NamedInstant>,
    #[schema(value_type = String, required, min_length = 1, max_length = 80_000)]
    #[serde(default)]
    policy_content: Field<PolicyContent>,
    /// What is different from the version before, for people. With `acceptance_required`, consents that
    /// were given to earlier versions are asked for again (CON-15).
    #[schema(value_type = Option<Vec<policies::MajorChangeSchema>>, max_items = 100)]
    #[serde(default)]
    major_changes: Field<List<MajorChange>>,
    /// Whether members have to accept it before they write again.
    #[schema(value_type = bool, required)]
    #[serde(default)]
    acceptance_required: Field<Flag>,
}

impl Command for DraftPolicy {
    const NAME: &'static str = "draft-policy";
    const SUMMARY: &'static str = "Begin a version of the privacy policy";
    const RULES: &'static [&'static str] = &["PPV-01", "PPV-02", "PPV-06", "ROL-01", "ESX-04"];
    type Body = DraftPolicyBody;

    fn parse(body: DraftPolicyBody, wrong: &mut WrongFields) -> Option<Self> {
        let version_number = wrong.required("/version_number", body.version_number);
        let effective_date = wrong.required("/effective_date", body.effective_date);
        let policy_content = wrong.required("/policy_content", body.policy_content);
        let major_changes = match body.major_changes {
            Field::Missing | Field::Null => Some(None),
            changes => wrong.list("/major_changes", changes).map(Some),
        };
        let acceptance_required = wrong.required("/acceptance_required", body.acceptance_required);
        Some(Self {
            version_number: version_number?,
            effective_date: effective_date?,
            policy_content: policy_content?,
            major_changes: major_changes?,
            acceptance_required: acceptance_required?.0,
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let version_id: PolicyVersionId = decision.new_id();
        let version = decision.begin::<PolicyVersion>(version_id);
        let draft = Draft {
            version_id,
            version_number: self.version_number.clone(),
            effective_date: self.effective_date.0,
            policy_content: self.policy_content.clone(),
            major_changes: self.major_changes.clone(),
            acceptance_required: self.acceptance_required,
            drafted_by: decision.actor()?,
        };
        decision.decide_on_target(&version, PolicyVersionCommand::Draft(draft)).await?;
        decision.take(POLICY_VERSION, self.version_number.to_string(), version_id);
        Ok(Done::of::<PolicyVersion>(version_id))
    }

    fn example() -> Value {
        json!({
            "version_number": "v3.2",
            "effective_date": "2027-01-01T00:00:00Z",
            "policy_content": "# Privacy policy\n\nWhat we store about you, and why.",
            "major_changes": ["Searches are noted only with your consent."],
            "acceptance_required": true,
        })
    }
}
