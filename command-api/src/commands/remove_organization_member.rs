//! `remove-organization-member`: somebody no longer acts for an organization, from its next request on.

use agora_domain::{
    Actor,
    exports::{
        organization::Organization,
        organization_membership::{
            OrganizationMembership, OrganizationMembershipCommand,
            RemoveOrganizationMember as Remove,
        },
    },
    ids::OrganizationId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    accounts::AccountBody,
    decision::{Decision, Done},
    fields::{Field, Object, WrongFields},
    refusal::CommandError,
};

/// Removes somebody.
pub struct RemoveOrganizationMember {
    organization_id: OrganizationId,
    principal: Actor,
}

/// The body of `remove-organization-member`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveOrganizationMemberBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    organization_id: Field<OrganizationId>,
    /// Who is removed. Sessions stay, and are of no organization any more.
    #[schema(value_type = AccountBody, required)]
    #[serde(default)]
    principal: Field<Object<AccountBody>>,
}

impl Command for RemoveOrganizationMember {
    const NAME: &'static str = "remove-organization-member";
    const SUMMARY: &'static str = "Let somebody no longer act for an organization";
    const RULES: &'static [&'static str] = &["BUF-15", "REL-10", "ESX-03", "ESX-04"];
    type Body = RemoveOrganizationMemberBody;

    fn parse(body: RemoveOrganizationMemberBody, wrong: &mut WrongFields) -> Option<Self> {
        let organization_id = wrong.required("/organization_id", body.organization_id);
        let principal = wrong.required("/principal", body.principal);
        let principal = principal.and_then(|Object(account)| account.parse("/principal", wrong));
        Some(Self { organization_id: organization_id?, principal: principal? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let Self { organization_id, principal } = *self;
        let organization = decision.load::<Organization>(organization_id.to_string()).await?;
        let id = OrganizationMembership::stream_id(organization_id, principal);
        let membership = decision.load::<OrganizationMembership>(&id).await?;
        let remove = Remove {
            organization_id,
            principal,
            removed_by: decision.actor()?,
            organization_exists: organization.state.exists(),
        };
        let remove = OrganizationMembershipCommand::Remove(remove);
        decision.decide_on_target(&membership, remove).await?;
        Ok(Done::of::<OrganizationMembership>(id))
    }

    fn example() -> Value {
        json!({
            "organization_id": "01970000-0000-7000-8000-000000000001",
            "principal": { "kind": "member", "id": "01970000-0000-7000-8000-000000000002" },
        })
    }
}
