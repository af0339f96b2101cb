//! `forget-guest`: a guest's signature means nothing any more. What it wrote stays.

use agora_domain::{
    identity::guest::{ForgetGuest as Forget, Guest, GuestCommand},
    ids::GuestId,
    refusal::RuleBreak,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    authenticate::GUEST_SIGNATURE,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    guests,
    refusal::{CommandError, no_such},
};

/// Forgets a guest.
pub struct ForgetGuest {
    /// Oneself where `None`.
    guest_id: Option<GuestId>,
}

/// The body of `forget-guest`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetGuestBody {
    /// Whom an admin lets be forgotten; a guest leaves it out, or names itself.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    guest_id: Field<GuestId>,
}

impl Command for ForgetGuest {
    const NAME: &'static str = "forget-guest";
    const SUMMARY: &'static str = "Forget a guest: oneself by one's signature or, as an admin, any";
    const RULES: &'static [&'static str] = &["GST-04", "GST-05", "REL-10", "ESX-03", "ESX-04"];
    type Body = ForgetGuestBody;

    fn parse(body: ForgetGuestBody, wrong: &mut WrongFields) -> Option<Self> {
        let guest_id = wrong.optional("/guest_id", body.guest_id);
        Some(Self { guest_id: guest_id? })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        self.guest_id.or_else(|| guests::sender(caller)).map(|guest_id| guest_id.to_string())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let forgotten_by = decision.actor()?;
        let guest_id = match (self.guest_id, guests::sender(decision.caller)) {
            (None, Some(sender)) => sender,
            (Some(named), None) => named,
            (Some(named), Some(sender)) if named == sender => named,
            // That there is another guest of this id must not leak.
            (Some(_), Some(_)) => return Err(no_such("guest")),
            (None, None) => {
                let mut wrong = WrongFields::default();
                let _: Option<()> = wrong.note("/guest_id", &RuleBreak::malformed("is required"));
                return Err(wrong.into_problem().unwrap_or_else(Problem::internal).into());
            }
        };
        let guest = decision.load::<Guest>(guest_id.to_string()).await?;
        let forget = GuestCommand::Forget(Forget { guest_id, forgotten_by });
        decision.decide_on_target(&guest, forget).await?;
        decision.release(GUEST_SIGNATURE, guest_id);
        Ok(Done::of::<Guest>(guest_id))
    }

    fn example() -> Value {
        json!({ "guest_id": "01970000-0000-7000-8000-000000000001" })
    }
}
