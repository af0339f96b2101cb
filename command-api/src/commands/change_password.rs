//! `change-password`: another password for whoever knows the present one; ends the other sessions.

use agora_domain::{
    Actor, ActorKind, PersonalCategory,
    identity::{
        admin::Admin,
        credential::{ChangePassword as Change, Credential, CredentialCommand},
        member::Member,
        password::PasswordAttempt,
        values::RevocationCause,
    },
    ids::CredentialId,
};
use agora_event_store::Loaded;
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::register_member::{NewPassword, PasswordText};
use crate::{
    App, Command,
    authenticate::Principal,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::{CommandError, at_once, too_many_failures},
    sessions,
};

/// Changes the password.
pub struct ChangePassword {
    current: PasswordAttempt,
    new: NewPassword,
    verified: Option<Verified>,
}

/// What `prepare` found out: whether the present password fits this state of the credential.
struct Verified {
    credential: Loaded<Credential>,
    fits: bool,
}

/// The body of `change-password`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordBody {
    #[schema(value_type = String, required, format = Password, max_length = 1_024)]
    #[serde(default)]
    current_password: Field<PasswordAttempt>,
    /// At least 12 characters (configurable), any characters, none of the common ones.
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 1_024)]
    #[serde(default)]
    new_password: Field<PasswordText>,
}

impl Command for ChangePassword {
    const NAME: &'static str = "change-password";
    const SUMMARY: &'static str = "Set another password; all other sessions end";
    const RULES: &'static [&'static str] = &[
        "CRD-04", "CRD-05", "CRD-06", "CRD-07", "CRD-08", "CRD-12", "SES-11", "ADM-07", "ESX-03",
        "ESX-04",
    ];
    type Body = ChangePasswordBody;

    fn parse(body: ChangePasswordBody, wrong: &mut WrongFields) -> Option<Self> {
        let current = wrong.required("/current_password", body.current_password);
        let new = wrong.required("/new_password", body.new_password);
        Some(Self { current: current?, new: NewPassword::Given(new?.0), verified: None })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        let sender = caller.principal.as_ref().ok_or_else(Problem::internal)?;
        sender.require_session()?;
        let actor = sender.actor;
        // A stolen session must not become a way to guess the password (CRD-12).
        let account = actor.to_string();
        self.new.check(app, "/new_password")?;
        app.account_failures.begin(&account).map_err(too_many_failures)?;
        let verified = async {
            let credential = credential(app, actor).await.map_err(at_once)?;
            let hash = credential.state.password_hash().cloned();
            let fits = app.hasher.verify(self.current.clone(), hash).await?;
            Ok::<_, Problem>((credential, fits))
        };
        let (credential, fits) =
            verified.await.inspect_err(|_| app.account_failures.undo(&account))?;
        if fits {
            app.account_failures.succeeded(&account);
            self.new.hash(app, "/new_password").await?;
        }
        self.verified = Some(Verified { credential, fits });
        Ok(())
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        caller.actor().map(sessions::queue)
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let Some(Verified { credential: seen, fits }) = &self.verified else {
            return Err(Problem::internal().into());
        };
        let actor = decision.actor()?;
        let stream_id = &*seen.stream.aggregate_id;
        let credential = decision.load::<Credential>(stream_id).await?;
        // A password that was changed meanwhile is no longer the one that was verified.
        let verified = *fits && credential.sequence == seen.sequence;
        let password_hash = match &self.new {
            NewPassword::Hashed(hash) => hash.clone(),
            // Not hashed where the present one did not fit: the aggregate says so.
            NewPassword::Given(_) => {
                seen.state.password_hash().cloned().ok_or_else(Problem::internal)?
            }
        };
        let change = Change {
            password_hash: decision.personal(actor, PersonalCategory::Credential, password_hash),
            current_password_verified: verified,
        };
        decision.decide_on_target(&credential, CredentialCommand::ChangePassword(change)).await?;
        let current = decision.caller.principal.as_ref().and_then(Principal::session_id);
        let cause = RevocationCause::PasswordChanged;
        sessions::end_all(decision, actor, current, actor, cause).await?;
        Ok(Done::of::<Credential>(stream_id))
    }

    fn example() -> Value {
        json!({
            "current_password": "an uncommon phrase of words",
            "new_password": "another uncommon phrase of words",
        })
    }
}

async fn credential(app: &App, actor: Actor) -> Result<Loaded<Credential>, CommandError> {
    let id = actor.id.to_string();
    let credential_id: Option<CredentialId> = match actor.kind {
        ActorKind::Member => app.log.load::<Member>(&id).await?.state.credential_id(),
        ActorKind::Admin => app.log.load::<Admin>(&id).await?.state.credential_id(),
        ActorKind::Guest | ActorKind::System => None,
    };
    let credential_id = credential_id.ok_or_else(Problem::internal)?;
    Ok(app.log.load::<Credential>(&credential_id.to_string()).await?)
}
