//! `add-organization-member`: somebody may act for an organization from now on, or in another role.

use agora_domain::{
    Actor,
    exports::{
        organization::Organization,
        organization_membership::{
            AddOrganizationMember as Add, OrganizationMembership, OrganizationMembershipCommand,
            OrganizationRole,
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
    organizations,
    refusal::CommandError,
};

/// Adds somebody.
pub struct AddOrganizationMember {
    organization_id: OrganizationId,
    principal: Actor,
    role: OrganizationRole,
}

/// The body of `add-organization-member`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddOrganizationMemberBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    organization_id: Field<OrganizationId>,
    /// Who is added: a member, or an admin who is a person.
    #[schema(value_type = AccountBody, required)]
    #[serde(default)]
    principal: Field<Object<AccountBody>>,
    /// `reporter` writes reports and requests exports, `reader` sees and downloads. Of who is in it
    /// already the role changes, from its next request on.
    #[schema(value_type = String, required, pattern = "^(reporter|reader)$")]
    #[serde(default)]
    role: Field<OrganizationRole>,
}

impl Command for AddOrganizationMember {
    const NAME: &'static str = "add-organization-member";
    const SUMMARY: &'static str = "Let somebody act for an organization, or change the role in it";
    const RULES: &'static [&'static str] = &["BUF-15", "REL-10", "ESX-03", "ESX-04"];
    type Body = AddOrganizationMemberBody;

    fn parse(body: AddOrganizationMemberBody, wrong: &mut WrongFields) -> Option<Self> {
        let organization_id = wrong.required("/organization_id", body.organization_id);
        let principal = wrong.required("/principal", body.principal);
        let principal = principal.and_then(|Object(account)| account.parse("/principal", wrong));
        let role = wrong.required("/role", body.role);
        Some(Self { organization_id: organization_id?, principal: principal?, role: role? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let Self { organization_id, principal, role } = *self;
        let organization = decision.load::<Organization>(organization_id.to_string()).await?;
        let id = OrganizationMembership::stream_id(organization_id, principal);
        let membership = decision.load::<OrganizationMembership>(&id).await?;
        let add = Add {
            organization_id,
            principal,
            role,
            added_by: decision.actor()?,
            organization_exists: organization.state.exists(),
            principal_may_log_in: organizations::may_be_in_one(decision, principal).await?,
        };
        let add = OrganizationMembershipCommand::Add(add);
        decision.decide_on_target(&membership, add).await?;
        Ok(Done::of::<OrganizationMembership>(id))
    }

    fn example() -> Value {
        json!({
            "organization_id": "01970000-0000-7000-8000-000000000001",
            "principal": { "kind": "member", "id": "01970000-0000-7000-8000-000000000002" },
            "role": "reporter",
        })
    }
}
