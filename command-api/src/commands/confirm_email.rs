//! `confirm-email`: the token of a mail shows that an address is its sender's. A registration that
//! waited for it becomes an account; an address that was asked for takes the place of the old one.

use agora_domain::{
    Actor, ActorKind, Personal,
    identity::{
        admin::Admin,
        credential::{
            AwaitedFor, ConfirmEmail as Confirm, Credential, CredentialCommand, CredentialError,
        },
        member::{Member, MemberCommand, RegisterMember},
    },
    ids::CredentialId,
    values::{DisplayName, Email},
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{register_member::EMAIL, reset_password::EXAMPLE_TOKEN};
use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    mail_tokens::MailToken,
    refusal::{CommandError, refused},
};

/// Confirms an address.
pub struct ConfirmEmail {
    token: MailToken,
}

/// The body of `confirm-email`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmailBody {
    /// Of the mail that register-member or change-email sends.
    #[schema(value_type = String, required, min_length = 86, max_length = 86)]
    #[serde(default)]
    token: Field<MailToken>,
}

impl Command for ConfirmEmail {
    const NAME: &'static str = "confirm-email";
    const SUMMARY: &'static str = "Confirm an e-mail address with the token of a mail";
    const RULES: &'static [&'static str] =
        &["CRD-01", "CRD-04", "CRD-10", "CRD-12", "MEM-05", "MEM-06", "ADM-04", "ESX-03", "ESX-04"];
    type Body = ConfirmEmailBody;

    fn parse(body: ConfirmEmailBody, wrong: &mut WrongFields) -> Option<Self> {
        let token = wrong.required("/token", body.token);
        Some(Self { token: token? })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        decision.app.verify_email_confirmation(&self.token)?;
        let MailToken { credential_id, .. } = self.token;
        let credential = decision.load::<Credential>(credential_id.to_string()).await?;
        let holder =
            credential.state.holder().ok_or_else(|| refused(CredentialError::NotAwaited))?;
        decision.is_sent_by(holder);
        let confirmation_id = self.token.confirmation_id();
        let confirm = Confirm { confirmation_id, now: decision.now };
        decision.decide_on_target(&credential, CredentialCommand::ConfirmEmail(confirm)).await?;
        let awaited = credential.state.awaited().ok_or_else(Problem::internal)?;
        match &awaited.what {
            AwaitedFor::Registration { display_name } => {
                take(decision, credential.state.email(), credential_id)?;
                register(decision, holder, credential_id, display_name.clone()).await
            }
            AwaitedFor::Change { email } => {
                require_active(decision, holder).await?;
                decision.release(EMAIL, credential_id);
                take(decision, email.get(), credential_id)?;
                Ok(Done::of::<Credential>(credential_id))
            }
        }
    }

    fn example() -> Value {
        json!({ "token": EXAMPLE_TOKEN })
    }
}

/// Takes the address: of two who confirm the same one, the second is refused (CRD-01).
fn take(
    decision: &mut Decision<'_>,
    email: Option<&Email>,
    credential_id: CredentialId,
) -> Result<(), CommandError> {
    let erased = || Problem::gone("The person whom this is about has been erased.");
    let email = email.ok_or_else(|| erased().with_rule("MEM-07"))?;
    decision.take(EMAIL, decision.app.email_index(email), credential_id);
    Ok(())
}

async fn register(
    decision: &mut Decision<'_>,
    holder: Actor,
    credential_id: CredentialId,
    display_name: Option<Personal<DisplayName>>,
) -> Result<Done, CommandError> {
    let member_id = holder.as_member().ok_or_else(Problem::internal)?;
    let register =
        RegisterMember { member_id, credential_id, display_name, credential_holder: holder };
    let member = decision.begin::<Member>(member_id);
    decision.decide(&member, MemberCommand::Register(register)).await?;
    Ok(Done::of::<Member>(member_id))
}

/// A link in a mail does no more than its reader could do with a session (MEM-05, MEM-06, ADM-04).
async fn require_active(decision: &mut Decision<'_>, holder: Actor) -> Result<(), CommandError> {
    let id = holder.id.to_string();
    match holder.kind {
        ActorKind::Admin => {
            decision.load::<Admin>(id).await?.state.require_active().map_err(refused)
        }
        ActorKind::Member | ActorKind::System => {
            decision.load::<Member>(id).await?.state.require_active().map_err(refused)
        }
    }
}
