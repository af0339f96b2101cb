//! `confirm-email`: the token of a mail shows that an address is its sender's. A registration that
//! waited for it becomes an account; an address that was asked for takes the place of the old one.
//!
//! A registration also needs its password: anybody may register with anybody's address, and whoever
//! confirms what somebody else began would have an account that the other can log in to. A change of
//! address was asked for with the password already.

use agora_domain::{
    Actor, ActorKind, Personal, RuleBreak,
    identity::{
        admin::Admin,
        credential::{
            AwaitedFor, ConfirmEmail as Confirm, Credential, CredentialCommand, CredentialError,
        },
        member::{Member, MemberCommand, RegisterMember},
        password::PasswordAttempt,
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
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    mail_tokens::{MailToken, wrong_confirmation},
    refusal::{CommandError, at_once, refused, too_many_failures},
};

/// Confirms an address.
pub struct ConfirmEmail {
    token: MailToken,
    password: Option<PasswordAttempt>,
    /// Whether the password fits the registration.
    verified: bool,
}

/// The body of `confirm-email`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmailBody {
    /// Of the mail that register-member or change-email sends.
    #[schema(value_type = String, required, min_length = 86, max_length = 86)]
    #[serde(default)]
    token: Field<MailToken>,
    /// The one that register-member was sent with. Required to confirm a registration; a change of
    /// address needs none.
    #[schema(value_type = Option<String>, format = Password, max_length = 1_024)]
    #[serde(default)]
    password: Field<PasswordAttempt>,
}

impl Command for ConfirmEmail {
    const NAME: &'static str = "confirm-email";
    const SUMMARY: &'static str = "Confirm an e-mail address with the token of a mail";
    const RULES: &'static [&'static str] = &[
        "CRD-01", "CRD-04", "CRD-07", "CRD-09", "CRD-10", "CRD-12", "MEM-05", "MEM-06", "ADM-04",
        "ESX-03", "ESX-04",
    ];
    // A registration that waited for its confirmation becomes an account here (GST-06).
    const COUNTS_GUESTS: bool = true;
    type Body = ConfirmEmailBody;

    fn parse(body: ConfirmEmailBody, wrong: &mut WrongFields) -> Option<Self> {
        let token = wrong.required("/token", body.token);
        let password = wrong.optional("/password", body.password);
        Some(Self { token: token?, password: password?, verified: false })
    }

    /// Hashes only for whoever has a token, and counts the guesses (CRD-12).
    async fn prepare(&mut self, app: &App, _: &Caller) -> Result<(), Problem> {
        app.verify_email_confirmation(&self.token).map_err(at_once)?;
        let id = self.token.credential_id.to_string();
        // Past the cache: the registration may have been taken in by another instance just now.
        let credential = app.log.load_fresh::<Credential>(&id).await;
        let credential = credential.map_err(|error| at_once(error.into()))?.state;
        if !credential.is_registered_by(self.token.confirmation_id()) {
            return Ok(());
        }
        let Some(password) = self.password.clone() else {
            let broken = "is required: the one that the registration was made with";
            let mut wrong = WrongFields::default();
            let _: Option<()> = wrong.note("/password", &RuleBreak::new("CRD-09", broken));
            return Err(wrong.into_problem().unwrap_or_else(Problem::internal));
        };
        app.account_failures.begin(&id).map_err(too_many_failures)?;
        let hash = credential.unconfirmed_password_hash().cloned();
        let verified = app.hasher.verify(password, hash).await;
        self.verified = verified.inspect_err(|_| app.account_failures.undo(&id))?;
        if !self.verified {
            return Err(at_once(wrong_confirmation()));
        }
        app.account_failures.succeeded(&id);
        Ok(())
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
            AwaitedFor::Registration { .. } if !self.verified => Err(wrong_confirmation()),
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
        json!({ "token": EXAMPLE_TOKEN, "password": "an uncommon phrase of words" })
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
        ActorKind::Member | ActorKind::Guest | ActorKind::System => {
            decision.load::<Member>(id).await?.state.require_active().map_err(refused)
        }
    }
}
