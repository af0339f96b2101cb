//! `import-consent`: what another system knew of a consent, as history that is never valid (CON-10).

use agora_domain::{
    Actor,
    compliance::{
        consent::{Consent, ConsentCommand, ImportConsent as Import},
        consent_values::ConsentStatus,
        policy_series::PolicySeries,
        policy_values::NamedInstant,
    },
    ids::ConsentId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    accounts::{self, AccountBody},
    consents::{self, Answer, ConsentBody},
    decision::{Decision, Done},
    fields::{Field, Object, WrongFields},
    refusal::CommandError,
};

/// Imports a record.
pub struct ImportConsent {
    principal: Actor,
    answer: Answer,
    status: ConsentStatus,
    granted_at: Option<NamedInstant>,
    withdrawn_at: Option<NamedInstant>,
}

/// The body of `import-consent`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportConsentBody {
    /// Whose it was.
    #[schema(value_type = AccountBody, required)]
    #[serde(default)]
    principal: Field<Object<AccountBody>>,
    #[schema(value_type = String, required, pattern = "^(GRANTED|DENIED|WITHDRAWN|EXPIRED)$")]
    #[serde(default)]
    consent_status: Field<ConsentStatus>,
    /// As for `grant-consent`, but any published version, any method and several purposes.
    #[schema(value_type = ConsentBody, required)]
    #[serde(default)]
    terms: Field<Object<ConsentBody>>,
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    granted_at: Field<NamedInstant>,
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    withdrawn_at: Field<NamedInstant>,
}

impl Command for ImportConsent {
    const NAME: &'static str = "import-consent";
    const SUMMARY: &'static str =
        "Keep what another system knew of a consent: history, never valid";
    const RULES: &'static [&'static str] =
        &["CON-01", "CON-02", "CON-03", "CON-04", "CON-05", "CON-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = ImportConsentBody;

    fn parse(body: ImportConsentBody, wrong: &mut WrongFields) -> Option<Self> {
        let principal = wrong.required("/principal", body.principal);
        let principal = principal.and_then(|Object(account)| account.parse("/principal", wrong));
        let status = wrong.required("/consent_status", body.consent_status);
        let terms = wrong.required("/terms", body.terms);
        let answer = terms.and_then(|Object(terms)| terms.parse_at("/terms", wrong));
        let granted_at = wrong.optional("/granted_at", body.granted_at);
        let withdrawn_at = wrong.optional("/withdrawn_at", body.withdrawn_at);
        Some(Self {
            principal: principal?,
            answer: answer?,
            status: status?,
            granted_at: granted_at?,
            withdrawn_at: withdrawn_at?,
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let consent_id: ConsentId = decision.new_id();
        let series = decision.load::<PolicySeries>(PolicySeries::STREAM_ID).await?;
        let id = Consent::import_stream_id(self.principal, consent_id);
        let import = Import {
            consent_id,
            principal: self.principal,
            principal_exists: accounts::exists(decision, self.principal).await?,
            terms: self.answer.terms(self.principal, decision),
            status: self.status,
            shown: series.state.find(&self.answer.version).cloned(),
            granted_at: self.granted_at.map(|at| at.0),
            withdrawn_at: self.withdrawn_at.map(|at| at.0),
            imported_by: decision.actor()?,
            now: decision.now,
        };
        let consent = decision.begin::<Consent>(id);
        consents::answer(decision, &consent, ConsentCommand::Import(import)).await
    }

    fn example() -> Value {
        json!({
            "principal": { "kind": "member", "id": "01970000-0000-7000-8000-000000000002" },
            "consent_status": "GRANTED",
            "terms": consents::example(),
            "granted_at": "2020-05-01T08:00:00Z",
        })
    }
}
