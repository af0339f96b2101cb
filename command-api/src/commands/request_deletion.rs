//! `request-deletion`: a person asks to be erased, or an admin for it (Art. 17 GDPR).

use agora_domain::{
    Actor, PersonalCategory, RuleBreak,
    compliance::{
        deletion_request::{DeletionRequest, DeletionRequestCommand, RequestDeletion as Request},
        deletion_values::{DeletionGround, DeletionScope},
        subject_erasures::{OpenErasure, SubjectErasures, SubjectErasuresCommand},
    },
    identity::service_account::ServiceAccount,
    ids::DeletionId,
    site::settings::EXTENDED_DELETION_GROUNDS,
};
use agora_service::problem::{FieldError, Problem};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    accounts::{self, AccountBody},
    decision::{Decision, Done},
    deletions::{self, CategorySchema, CategoryWord},
    execute::Caller,
    fields::{Field, List, Object, WrongFields},
    refusal::{CommandError, no_such},
    sessions,
};

/// Asks to be erased.
pub struct RequestDeletion {
    subject: Option<Actor>,
    scope: DeletionScope,
    data_categories: Vec<PersonalCategory>,
    legal_ground: DeletionGround,
}

/// The body of `request-deletion`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDeletionBody {
    /// COMPLETE_DELETION where it is absent. ANONYMIZATION keeps what the person wrote, by nobody.
    #[schema(value_type = Option<String>,
             pattern = "^(COMPLETE_DELETION|PARTIAL_DELETION|ANONYMIZATION)$")]
    #[serde(default)]
    deletion_scope: Field<DeletionScope>,
    /// Of a PARTIAL_DELETION, and of no other: content, network, evidence.
    #[schema(value_type = Option<Vec<CategorySchema>>, min_items = 1)]
    #[serde(default)]
    data_categories: Field<List<CategoryWord>>,
    /// The last two only where `extended_deletion_grounds` of `/v1/settings` is true (K17).
    #[schema(value_type = String, required,
             pattern = "^(CONSENT_WITHDRAWN|UNLAWFUL_PROCESSING|NO_LONGER_NECESSARY|OBJECTION|LEGAL_OBLIGATION|SERVICE_OFFERED_TO_CHILD)$")]
    #[serde(default)]
    legal_ground: Field<DeletionGround>,
    /// Whom an admin asks for; oneself where it is absent.
    #[schema(value_type = Option<AccountBody>)]
    #[serde(default)]
    subject: Field<Object<AccountBody>>,
}

impl Command for RequestDeletion {
    const NAME: &'static str = "request-deletion";
    const SUMMARY: &'static str =
        "Ask to be erased: all of it, parts of it, or who wrote what one wrote";
    const RULES: &'static [&'static str] = &[
        "DDR-01", "DDR-02", "DDR-07", "DDR-18", "DDR-19", "ADM-05", "ADM-07", "REL-06", "REL-10",
        "ROL-01", "ESX-04",
    ];
    type Body = RequestDeletionBody;

    fn parse(body: RequestDeletionBody, wrong: &mut WrongFields) -> Option<Self> {
        let scope = wrong.optional("/deletion_scope", body.deletion_scope);
        let data_categories = match body.data_categories {
            Field::Missing | Field::Null => Some(Vec::new()),
            named => wrong.list("/data_categories", named).and_then(|named| {
                let says = RuleBreak::new("DDR-02", "must name at least one category");
                if named.is_empty() { wrong.note("/data_categories", &says) } else { Some(named) }
            }),
        };
        let legal_ground = wrong.required_by("DDR-01", "/legal_ground", body.legal_ground);
        let subject = match wrong.optional("/subject", body.subject) {
            Some(Some(Object(subject))) => subject.parse("/subject", wrong).map(Some),
            other => other.map(|_| None),
        };
        Some(Self {
            subject: subject?,
            scope: scope?.unwrap_or(DeletionScope::CompleteDeletion),
            data_categories: data_categories?.into_iter().map(|CategoryWord(it)| it).collect(),
            legal_ground: legal_ground?,
        })
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        let subject = self.subject.or(caller.actor())?;
        Some(format!("subject_erasures/{subject}"))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let requested_by = decision.actor()?;
        self.admit_ground(decision).await?;
        let subject = self.subject.unwrap_or(requested_by);
        if subject != requested_by && !deletions::reviews(decision) {
            let detail = "Only an admin with the scope privacy asks on somebody else's behalf.";
            return Err(Problem::forbidden(detail).with_rule("ROL-01").into());
        }
        deletions::require_person(decision)?;
        let is_program =
            decision.load::<ServiceAccount>(subject.id.to_string()).await?.state.exists();
        if is_program || !accounts::exists(decision, subject).await? {
            return Err(no_such("person"));
        }
        let is_proven =
            subject == requested_by && sessions::require_recent_login(decision, None).is_ok();
        let is_last_global_admin = deletions::is_last_global_admin(decision, subject).await?;
        let deletion_id: DeletionId = decision.new_id();
        let id = SubjectErasures::stream_id(subject);
        let erasures = decision.load::<SubjectErasures>(id).await?;
        let open = SubjectErasuresCommand::Open(OpenErasure { subject, deletion_id });
        decision.decide(&erasures, open).await?;
        let request = Request {
            deletion_id,
            subject,
            scope: self.scope,
            data_categories: self.data_categories.clone(),
            legal_ground: self.legal_ground,
            requested_by,
            verification_required: !is_proven,
            is_last_global_admin,
            now: decision.now,
        };
        let new = decision.begin::<DeletionRequest>(deletion_id);
        decision.decide(&new, DeletionRequestCommand::Request(request)).await?;
        let result = json!({ "verification_required": !is_proven });
        Ok(Done::of::<DeletionRequest>(deletion_id).with_result(result))
    }

    fn example() -> Value {
        json!({ "deletion_scope": "COMPLETE_DELETION", "legal_ground": "CONSENT_WITHDRAWN" })
    }
}

impl RequestDeletion {
    /// The seed's four grounds always; the two others of Art. 17(1) where the configuration says so (K17).
    async fn admit_ground(&self, decision: &mut Decision<'_>) -> Result<(), CommandError> {
        if !self.legal_ground.is_extension() || decision.flag(&EXTENDED_DELETION_GROUNDS).await? {
            return Ok(());
        }
        Err(Problem::wrong_fields(vec![FieldError {
            pointer: "/legal_ground".into(),
            rule: Some("DDR-01"),
            detail:
                "`legal_ground` must be one that is taken here: see `extended_deletion_grounds` of \
                     /v1/settings."
                    .into(),
        }])
        .into())
    }
}
