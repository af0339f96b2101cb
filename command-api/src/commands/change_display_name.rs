//! `change-display-name`: another name to be shown, or none.

use agora_domain::{
    ActorKind, PersonalCategory,
    identity::{
        admin::{Admin, AdminCommand, ChangeAdminDisplayName},
        member::{ChangeDisplayName as Change, Member, MemberCommand},
    },
    refusal::RuleBreak,
    values::DisplayName,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Changes one's own name.
pub struct ChangeDisplayName {
    display_name: Option<DisplayName>,
}

/// The body of `change-display-name`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeDisplayNameBody {
    /// Null takes the name away: `Anonymous` is shown then.
    #[schema(value_type = Option<String>, required, max_length = 32)]
    #[serde(default)]
    display_name: Field<DisplayName>,
}

impl Command for ChangeDisplayName {
    const NAME: &'static str = "change-display-name";
    const SUMMARY: &'static str = "Change the name that one is shown under";
    const RULES: &'static [&'static str] =
        &["MEM-01", "MEM-05", "MEM-06", "ADM-04", "ESX-03", "ESX-04"];
    type Body = ChangeDisplayNameBody;

    fn parse(body: ChangeDisplayNameBody, wrong: &mut WrongFields) -> Option<Self> {
        let display_name = match wrong.change("/display_name", body.display_name)? {
            Some(change) => change,
            None => wrong.note("/display_name", &RuleBreak::malformed("is required"))?,
        };
        Some(Self { display_name })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let actor = decision.actor()?;
        let display_name = self
            .display_name
            .clone()
            .map(|name| decision.personal(actor, PersonalCategory::Identity, name));
        let id = actor.id.to_string();
        match actor.kind {
            ActorKind::Member => {
                let member = decision.load::<Member>(&id).await?;
                let change = MemberCommand::ChangeDisplayName(Change { display_name });
                decision.decide_on_target(&member, change).await?;
                Ok(Done::of::<Member>(id))
            }
            ActorKind::Admin => {
                let admin = decision.load::<Admin>(&id).await?;
                let change =
                    AdminCommand::ChangeDisplayName(ChangeAdminDisplayName { display_name });
                decision.decide_on_target(&admin, change).await?;
                Ok(Done::of::<Admin>(id))
            }
            ActorKind::Guest | ActorKind::System => Err(Problem::internal().into()),
        }
    }

    fn example() -> Value {
        json!({ "display_name": "Ola" })
    }
}
