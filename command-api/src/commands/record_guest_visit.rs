//! `record-guest-visit`: somebody without an account is here. Makes a guest, or notes that one came
//! back.

use agora_domain::{
    identity::guest::{Guest, GuestCommand, NoteActivity, SeeGuest, SignatureDigest},
    ids::GuestId,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    App, Command,
    authenticate::{self, GUEST_SIGNATURE},
    decision::{Decision, Done},
    execute::Caller,
    fields::WrongFields,
    guests,
    refusal::CommandError,
};

/// Records a visit.
pub struct RecordGuestVisit {
    /// For a guest that is new.
    signature: Option<Zeroizing<String>>,
}

/// The body of `record-guest-visit`: no fields.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordGuestVisitBody {}

impl Command for RecordGuestVisit {
    const NAME: &'static str = "record-guest-visit";
    const SUMMARY: &'static str = "Say that a guest is here: without `Agora-Guest` a new one, \
                                   whose signature is returned this once";
    const RULES: &'static [&'static str] =
        &["GST-01", "GST-03", "GST-04", "GST-05", "ESX-03", "ESX-04"];
    const SECRET_REPLY: bool = true;
    type Body = RecordGuestVisitBody;

    fn parse(_: RecordGuestVisitBody, _: &mut WrongFields) -> Option<Self> {
        Some(Self { signature: None })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        if guests::sender(caller).is_none() {
            guests::throttle_new(app, caller)?;
            self.signature = Some(authenticate::new_secret()?);
        }
        Ok(())
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        guests::sender(caller).map(|guest_id| guest_id.to_string())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let now = decision.now;
        if let Some(guest_id) = guests::sender(decision.caller) {
            let guest = decision.load::<Guest>(guest_id.to_string()).await?;
            let active = GuestCommand::NoteActivity(NoteActivity { guest_id, now });
            decision.decide_on_target(&guest, active).await?;
            return Ok(Done::of::<Guest>(guest_id).with_result(json!({ "guest_id": guest_id })));
        }
        let signature = self.signature.as_ref().ok_or_else(Problem::internal)?;
        let guest_id: GuestId = decision.new_id();
        let key = authenticate::claim_key(&authenticate::hash(signature));
        let session_signature = Some(SignatureDigest::of_sha256(key.as_str()));
        let guest = decision.begin::<Guest>(guest_id);
        let see = GuestCommand::See(SeeGuest { guest_id, session_signature, now });
        decision.decide_on_target(&guest, see).await?;
        decision.take(GUEST_SIGNATURE, key, guest_id);
        Ok(Done::of::<Guest>(guest_id).with_result(json!({
            "guest_id": guest_id,
            "session_signature": signature.as_str(),
        })))
    }

    fn example() -> Value {
        json!({})
    }
}
