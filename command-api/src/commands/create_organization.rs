//! `create-organization`: a tenant, for which others will report and export.

use agora_domain::{
    exports::organization::{CreateOrganization as Create, Organization, OrganizationCommand},
    ids::OrganizationId,
    values::OrganizationName,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// The scope of claims under which organizations' names stand, folded.
const ORGANIZATION_NAME: &str = "organization_name";

/// Makes an organization.
pub struct CreateOrganization {
    name: OrganizationName,
}

/// The body of `create-organization`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganizationBody {
    /// As it stands on its reports; unique up to case. It never changes.
    #[schema(value_type = String, required, min_length = 1, max_length = 200)]
    #[serde(default)]
    name: Field<OrganizationName>,
}

impl Command for CreateOrganization {
    const NAME: &'static str = "create-organization";
    const SUMMARY: &'static str = "Make an organization that reports: a tenant";
    const RULES: &'static [&'static str] = &["REL-09", "ESX-04"];
    type Body = CreateOrganizationBody;

    fn parse(body: CreateOrganizationBody, wrong: &mut WrongFields) -> Option<Self> {
        Some(Self { name: wrong.required("/name", body.name)? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let organization_id: OrganizationId = decision.new_id();
        let created_by = decision.actor()?;
        let organization = decision.begin::<Organization>(organization_id);
        let create = Create { organization_id, name: self.name.clone(), created_by };
        decision.decide_on_target(&organization, OrganizationCommand::Create(create)).await?;
        decision.take(ORGANIZATION_NAME, self.name.folded(), organization_id);
        Ok(Done::of::<Organization>(organization_id))
    }

    fn example() -> Value {
        json!({ "name": "Stiftelsen Barnas Hus" })
    }
}
