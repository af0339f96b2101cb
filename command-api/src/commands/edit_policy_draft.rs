//! `edit-policy-draft`: another text, date or flag of a version that is not published.

use agora_domain::{
    RuleBreak,
    compliance::{
        policy_values::NamedInstant,
        policy_version::{EditPolicyDraft as Edit, PolicyVersion, PolicyVersionCommand},
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
    policies,
    refusal::CommandError,
};

/// Edits a version.
pub struct EditPolicyDraft {
    version_id: PolicyVersionId,
    effective_date: Option<NamedInstant>,
    policy_content: Option<PolicyContent>,
    major_changes: Option<Option<Vec<MajorChange>>>,
    acceptance_required: Option<bool>,
}

/// The body of `edit-policy-draft`: what is not named stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditPolicyDraftBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    version_id: Field<PolicyVersionId>,
    /// Can be moved until the version is published; everything else, only in a draft.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    effective_date: Field<NamedInstant>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 80_000)]
    #[serde(default)]
    policy_content: Field<PolicyContent>,
    /// Null takes them away.
    #[schema(value_type = Option<Vec<policies::MajorChangeSchema>>, max_items = 100)]
    #[serde(default)]
    major_changes: Field<List<MajorChange>>,
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    acceptance_required: Field<Flag>,
}

impl Command for EditPolicyDraft {
    const NAME: &'static str = "edit-policy-draft";
    const SUMMARY: &'static str = "Change a version of the privacy policy that is not published";
    const RULES: &'static [&'static str] =
        &["PPV-02", "PPV-04", "PPV-06", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = EditPolicyDraftBody;

    fn parse(body: EditPolicyDraftBody, wrong: &mut WrongFields) -> Option<Self> {
        let version_id = wrong.required("/version_id", body.version_id);
        let effective_date = wrong.optional("/effective_date", body.effective_date);
        let policy_content = wrong.optional("/policy_content", body.policy_content);
        let major_changes = match body.major_changes {
            Field::Missing => Some(None),
            Field::Null => Some(Some(None)),
            changes => wrong.list("/major_changes", changes).map(|list| Some(Some(list))),
        };
        let acceptance_required = wrong.optional("/acceptance_required", body.acceptance_required);
        let edit = Self {
            version_id: version_id?,
            effective_date: effective_date?,
            policy_content: policy_content?,
            major_changes: major_changes?,
            acceptance_required: acceptance_required?.map(|flag| flag.0),
        };
        if edit.effective_date.is_none()
            && edit.policy_content.is_none()
            && edit.major_changes.is_none()
            && edit.acceptance_required.is_none()
        {
            let nothing = RuleBreak::malformed("must come with what is to change");
            return wrong.note("/version_id", &nothing);
        }
        Some(edit)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let version = policies::version(decision, self.version_id).await?;
        let edit = Edit {
            effective_date: self.effective_date.map(|date| date.0),
            policy_content: self.policy_content.clone(),
            major_changes: self.major_changes.clone(),
            acceptance_required: self.acceptance_required,
            edited_by: decision.actor()?,
        };
        decision.decide_on_target(&version, PolicyVersionCommand::Edit(edit)).await?;
        Ok(Done::of::<PolicyVersion>(self.version_id))
    }

    fn example() -> Value {
        json!({
            "version_id": "01970000-0000-7000-8000-000000000001",
            "policy_content": "# Privacy policy\n\nWhat we store about you, and why.",
        })
    }
}
