//! Knowing the password once more, before what a stolen session must not do (CRD-08, CRD-10).

use agora_domain::{
    Actor, ActorKind,
    identity::{
        admin::Admin,
        credential::Credential,
        member::Member,
        password::{PasswordAttempt, PasswordHash},
    },
    ids::CredentialId,
};
use agora_event_store::Loaded;
use agora_service::problem::Problem;

use crate::{
    App,
    decision::Decision,
    execute::Caller,
    refusal::{CommandError, at_once, too_many_failures},
};

/// A password to be verified against the sender's own credential.
pub struct Reauthentication {
    attempt: PasswordAttempt,
    seen: Option<Seen>,
}

/// Whether the password fits this state of the credential.
struct Seen {
    credential: Loaded<Credential>,
    fits: bool,
}

impl Reauthentication {
    pub fn new(attempt: PasswordAttempt) -> Self {
        Self { attempt, seen: None }
    }

    /// Verifies, once. Failures are counted: a stolen session must not become a way to guess the
    /// password (CRD-12).
    pub async fn verify(&mut self, app: &App, caller: &Caller) -> Result<bool, Problem> {
        let actor = caller.actor().ok_or_else(Problem::internal)?;
        let account = actor.to_string();
        app.account_failures.begin(&account).map_err(too_many_failures)?;
        let verified = async {
            let credential = own_credential(app, actor).await.map_err(at_once)?;
            let hash = credential.state.password_hash().cloned();
            let fits = app.hasher.verify(self.attempt.clone(), hash).await?;
            Ok::<_, Problem>((credential, fits))
        };
        let (credential, fits) =
            verified.await.inspect_err(|_| app.account_failures.undo(&account))?;
        if fits {
            app.account_failures.succeeded(&account);
        }
        self.seen = Some(Seen { credential, fits });
        Ok(fits)
    }

    /// The credential now, and whether the password fits it: one that was changed meanwhile is no
    /// longer the one that was verified.
    pub async fn credential(
        &self,
        decision: &mut Decision<'_>,
    ) -> Result<(Loaded<Credential>, bool), CommandError> {
        let seen = self.seen.as_ref().ok_or_else(Problem::internal)?;
        let credential = decision.load::<Credential>(&*seen.credential.stream.aggregate_id).await?;
        let fits = seen.fits && credential.sequence == seen.credential.sequence;
        Ok((credential, fits))
    }

    /// The hash that the password was verified against.
    pub fn present_hash(&self) -> Option<PasswordHash> {
        self.seen.as_ref().and_then(|seen| seen.credential.state.password_hash().cloned())
    }
}

async fn own_credential(app: &App, actor: Actor) -> Result<Loaded<Credential>, CommandError> {
    let id = actor.id.to_string();
    let credential_id: Option<CredentialId> = match actor.kind {
        ActorKind::Member => app.log.load::<Member>(&id).await?.state.credential_id(),
        ActorKind::Admin => app.log.load::<Admin>(&id).await?.state.credential_id(),
        ActorKind::System => None,
    };
    let credential_id = credential_id.ok_or_else(Problem::internal)?;
    Ok(app.log.load::<Credential>(&credential_id.to_string()).await?)
}
