//! What the commands about consents have in common: their body, and the record that it becomes.

use agora_domain::{
    Actor, Personal, PersonalCategory, RuleBreak,
    compliance::{
        consent::{AnswerQuestion, Consent, ConsentCommand, ConsentTerms},
        consent_values::{
            ConsentAgent, ConsentBasis, ConsentEvidence, ConsentMethod, ConsentTerm, ConsentType,
            RetentionDays,
        },
        policy_series::{PolicySeries, PublishedVersion},
        policy_values::{NamedInstant, VersionNumber},
    },
    values::PurposeDescription,
};
use agora_event_store::Loaded;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Flag, FromJson, List, Object, Whole, WrongFields},
    refusal::CommandError,
};

impl FromJson for Whole<RetentionDays> {
    const EXPECTED: &'static str = "must be a whole number of days";

    fn from_integer(days: i64) -> Result<Self, RuleBreak> {
        RetentionDays::try_from(days).map(Self)
    }
}

/// The body of `grant-consent` and `deny-consent`: the question that was asked, and the answer's form.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentBody {
    #[schema(value_type = String, required,
             pattern = "^(DATA_PROCESSING|MARKETING|ANALYTICS|COOKIES)$")]
    #[serde(default)]
    consent_type: Field<ConsentType>,
    /// What the person read.
    #[schema(value_type = String, required, min_length = 1, max_length = 2_000)]
    #[serde(default)]
    purpose_description: Field<PurposeDescription>,
    /// How it was answered. IMPLIED and PRE_CHECKED are no consent and are refused (CON-10).
    #[schema(value_type = String, required,
             pattern = "^(EXPLICIT_OPT_IN|GRANULAR|IMPLIED|PRE_CHECKED)$")]
    #[serde(default)]
    consent_method: Field<ConsentMethod>,
    /// The version of the privacy policy that was shown: the one that holds now.
    #[schema(value_type = String, required, example = "v3.2", min_length = 1, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    #[serde(default)]
    consent_version: Field<VersionNumber>,
    /// Where it is not CONSENT, the record is an acknowledgement: the gate does not count it.
    #[schema(value_type = String, required,
             pattern = "^(CONSENT|CONTRACT|LEGAL_OBLIGATION|VITAL_INTERESTS|PUBLIC_TASK|LEGITIMATE_INTERESTS)$")]
    #[serde(default)]
    legal_basis: Field<ConsentBasis>,
    #[schema(value_type = Vec<TermSchema>, required, min_items = 1, max_items = 50)]
    #[serde(default)]
    data_categories: Field<List<ConsentTerm>>,
    /// One purpose: each is consented to by itself (CON-11); only what is imported may name several.
    /// `search_analytics` (of ANALYTICS) is what the search log asks for.
    #[schema(value_type = Vec<TermSchema>, required, min_items = 1, max_items = 50)]
    #[serde(default)]
    processing_purposes: Field<List<ConsentTerm>>,
    #[schema(value_type = bool, required)]
    #[serde(default)]
    third_party_sharing: Field<Flag>,
    /// How long the data is kept; null for as long as the consent holds.
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 2_147_483_647_i64)]
    #[serde(default)]
    retention_period_days: Field<Whole<RetentionDays>>,
    /// When the consent ends by itself; null where it does not.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    expires_at: Field<NamedInstant>,
    /// What else shows that it was answered so, at most 16 KiB. Of a child (`age` below 13, or `is_child`)
    /// it has an object `guardian` (CON-16).
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    evidence_data: Field<Object<Map<String, Value>>>,
}

/// The name of a purpose or of a category of data, one of a list.
#[derive(ToSchema)]
#[schema(as = ConsentTerm, min_length = 1, max_length = 100,
         pattern = "^[A-Za-z0-9_.:/-]([A-Za-z0-9 _.:/-]*[A-Za-z0-9_.:/-])?$")]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct TermSchema(String);

/// A question with its answer, as parsed; nobody's yet.
#[derive(Clone)]
pub struct Answer {
    pub consent_type: ConsentType,
    pub version: VersionNumber,
    purpose_description: PurposeDescription,
    consent_method: ConsentMethod,
    legal_basis: ConsentBasis,
    data_categories: Vec<ConsentTerm>,
    purposes: Vec<ConsentTerm>,
    third_party_sharing: bool,
    retention_period_days: Option<RetentionDays>,
    expires_at: Option<NamedInstant>,
    evidence_data: Option<ConsentEvidence>,
}

impl ConsentBody {
    pub fn parse(self, wrong: &mut WrongFields) -> Option<Answer> {
        self.parse_at("", wrong)
    }

    /// As [`Self::parse`], where the body is an object in another.
    pub fn parse_at(self, place: &str, wrong: &mut WrongFields) -> Option<Answer> {
        let at = |field: &str| format!("{place}/{field}");
        let consent_type = wrong.required(at("consent_type"), self.consent_type);
        let description = wrong.required(at("purpose_description"), self.purpose_description);
        let method = wrong.required(at("consent_method"), self.consent_method);
        let version = wrong.required(at("consent_version"), self.consent_version);
        let legal_basis = wrong.required(at("legal_basis"), self.legal_basis);
        let data_categories = terms(at("data_categories"), self.data_categories, wrong);
        let purposes = terms(at("processing_purposes"), self.processing_purposes, wrong);
        let sharing = wrong.required(at("third_party_sharing"), self.third_party_sharing);
        let retention = wrong.optional(at("retention_period_days"), self.retention_period_days);
        let expires_at = wrong.optional(at("expires_at"), self.expires_at);
        let evidence = match self.evidence_data {
            Field::Missing | Field::Null => Some(None),
            Field::Good(Object(fields)) => match ConsentEvidence::of(&Value::Object(fields)) {
                Ok(evidence) => Some(Some(evidence)),
                Err(broken) => wrong.note(at("evidence_data"), &broken),
            },
            Field::Bad(broken) => {
                wrong.note(at("evidence_data"), &RuleBreak::new("CON-04", broken.detail))
            }
        };
        Some(Answer {
            consent_type: consent_type?,
            version: version?,
            purpose_description: description?,
            consent_method: method?,
            legal_basis: legal_basis?,
            data_categories: data_categories?,
            purposes: purposes?,
            third_party_sharing: sharing?.0,
            retention_period_days: retention?.map(|days| days.0),
            expires_at: expires_at?,
            evidence_data: evidence?,
        })
    }
}

/// A list of at least one term, in order and without the same twice.
fn terms(
    pointer: String,
    fields: Field<List<ConsentTerm>>,
    wrong: &mut WrongFields,
) -> Option<Vec<ConsentTerm>> {
    let mut terms = wrong.list(pointer.clone(), fields)?;
    if terms.is_empty() {
        return wrong.note(pointer, &RuleBreak::new("CON-04", "must name at least one"));
    }
    terms.sort();
    terms.dedup();
    Some(terms)
}

impl Answer {
    /// The purpose that the stream is named by. That there is one alone is the decision's to say.
    pub fn purpose(&self) -> &ConsentTerm {
        self.purposes.first().expect("a list without a purpose is refused as it is parsed")
    }

    /// The terms as somebody's personal data, from where the command comes.
    pub fn terms(&self, whose: Actor, decision: &Decision<'_>) -> ConsentTerms {
        let (id, caller) = (whose.id, decision.caller);
        let address = caller.address.as_ref().and_then(|(_, address)| address.parse().ok());
        let agent = caller.user_agent.as_deref().map(ConsentAgent::from);
        let network = PersonalCategory::Network;
        let is_own = caller.actor() == Some(whose);
        ConsentTerms {
            ip_address: address
                .filter(|_| is_own)
                .map(|address| decision.about(id, network, address)),
            user_agent: agent.filter(|_| is_own).map(|agent| decision.about(id, network, agent)),
            consent_type: self.consent_type,
            purpose_description: Some(evidence(id, decision, self.purpose_description.clone())),
            consent_method: self.consent_method,
            legal_basis: self.legal_basis,
            data_categories: self.data_categories.clone(),
            processing_purposes: self.purposes.clone(),
            third_party_sharing: self.third_party_sharing,
            retention_period_days: self.retention_period_days,
            expires_at: self.expires_at.map(|at| at.0),
            evidence_data: self.evidence_data.clone().map(|it| evidence(id, decision, it)),
        }
    }
}

fn evidence<T>(id: uuid::Uuid, decision: &Decision<'_>, value: T) -> Personal<T> {
    decision.about(id, PersonalCategory::Evidence, value)
}

/// The version of that number, if it is the one that holds now (CON-03).
async fn in_force(
    decision: &mut Decision<'_>,
    number: &VersionNumber,
) -> Result<Option<PublishedVersion>, CommandError> {
    let series = decision.load::<PolicySeries>(PolicySeries::STREAM_ID).await?;
    Ok(series.state.in_force(number, decision.now).cloned())
}

/// The person who answers: itself, in a session. A program answers for nobody (CON-02).
pub fn person(decision: &Decision<'_>) -> Result<Actor, CommandError> {
    let actor = decision.actor()?;
    if let Some(principal) = &decision.caller.principal {
        principal.require_session()?;
    }
    Ok(actor)
}

/// Where one person's answers to one question wait for each other.
pub fn queue(caller: &Caller, answer: &Answer) -> Option<String> {
    Some(Consent::stream_id(caller.actor()?, answer.consent_type, answer.purpose()))
}

/// The sender's answer to a question.
pub async fn respond(
    decision: &mut Decision<'_>,
    given: &Answer,
    command: fn(AnswerQuestion) -> ConsentCommand,
) -> Result<Done, CommandError> {
    let principal = person(decision)?;
    let shown = in_force(decision, &given.version).await?;
    let id = Consent::stream_id(principal, given.consent_type, given.purpose());
    let consent = decision.load::<Consent>(&id).await?;
    let question = AnswerQuestion {
        consent_id: decision.new_id(),
        principal,
        terms: given.terms(principal, decision),
        shown,
        signals_opt_out: decision.caller.opts_out,
        now: decision.now,
    };
    answer(decision, &consent, command(question)).await
}

/// Decides, and tells which record the answer is in and what that says now.
pub async fn answer(
    decision: &mut Decision<'_>,
    consent: &Loaded<Consent>,
    command: ConsentCommand,
) -> Result<Done, CommandError> {
    decision.decide_on_target(consent, command).await?;
    let record = decision.after(consent).record().map(|record| {
        json!({
            "consent_id": record.consent_id,
            "status": record.status_at(decision.now).as_str(),
            "denied_by_signal": record.denied_by_signal,
        })
    });
    Ok(Done::of::<Consent>(&consent.stream.aggregate_id).with_result(record.unwrap_or_default()))
}

/// A body, for the documentation.
pub fn example() -> Value {
    json!({
        "consent_type": "ANALYTICS",
        "purpose_description": "We note what you search for, to make the search better.",
        "consent_method": "EXPLICIT_OPT_IN",
        "consent_version": "v3.2",
        "legal_basis": "CONSENT",
        "data_categories": ["searches"],
        "processing_purposes": ["search_analytics"],
        "third_party_sharing": false,
        "retention_period_days": 90,
        "expires_at": "2099-01-01T00:00:00Z",
        "evidence_data": { "form": "settings", "button": "Yes, note my searches" },
    })
}
