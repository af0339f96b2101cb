//! `approve-deletion`: an admin approves, and says what stays by Art. 17(3) GDPR and who is to be told. It
//! takes two where an admin is to be erased (DDR-06, DDR-08).

use agora_domain::{
    PersonalCategory, RuleBreak,
    compliance::{
        deletion_request::{
            ApproveDeletion as Approve, DeletionRequest, DeletionRequestCommand, RECIPIENTS_MAX,
        },
        deletion_values::{Recipient, Retention, RetentionGround},
    },
    ids::DeletionId,
    values::Reason,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    deletions::{self, CategorySchema, CategoryWord},
    execute::Caller,
    fields::{Field, List, Object, WrongFields},
    refusal::{CommandError, refused},
};

/// Approve a request to be erased: once approved, it is carried out.
pub struct ApproveDeletion {
    deletion_id: DeletionId,
    retention: Option<(RetentionGround, Vec<PersonalCategory>, Reason)>,
    recipients: Vec<Recipient>,
}

/// The body of `approve-deletion`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveDeletionBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
    /// What stays, though it was asked to go; absent where nothing does.
    #[schema(value_type = Option<RetentionBody>)]
    #[serde(default)]
    retention: Field<Object<RetentionBody>>,
    /// To whom the data was disclosed: they are to be told (Art. 19 GDPR).
    #[schema(value_type = Option<Vec<RecipientSchema>>, max_items = 30)]
    #[serde(default)]
    recipients: Field<List<Recipient>>,
}

impl Command for ApproveDeletion {
    const NAME: &'static str = "approve-deletion";
    const SUMMARY: &'static str =
        "Approve a request to be erased: once approved, it is carried out";
    const RULES: &'static [&'static str] = &[
        "DDR-03", "DDR-05", "DDR-06", "DDR-07", "DDR-08", "DDR-12", "DDR-13", "ADM-05", "ADM-07",
        "REL-10", "ESX-03", "ESX-04",
    ];
    type Body = ApproveDeletionBody;

    fn parse(body: ApproveDeletionBody, wrong: &mut WrongFields) -> Option<Self> {
        let deletion_id = wrong.required("/deletion_id", body.deletion_id);
        let retention = match wrong.optional("/retention", body.retention) {
            Some(Some(Object(retention))) => retained(retention, wrong).map(Some),
            other => other.map(|_| None),
        };
        let recipients = match body.recipients {
            Field::Missing | Field::Null => Some(Vec::new()),
            recipients => wrong.list("/recipients", recipients).and_then(|named| {
                let few = named.len() <= RECIPIENTS_MAX;
                let many = RuleBreak::new("DDR-12", "must be at most 30");
                if few { Some(named) } else { wrong.note("/recipients", &many) }
            }),
        };
        let recipients = recipients.filter(|listed| {
            let fits = listed.len() <= RECIPIENTS_MAX;
            if !fits {
                let broken = RuleBreak::new("DDR-12", "must be at most 30");
                wrong.note::<()>("/recipients", &broken);
            }
            fits
        });
        Some(Self { deletion_id: deletion_id?, retention: retention?, recipients: recipients? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let reviewer = decision.actor()?;
        let loaded = deletions::load(decision, self.deletion_id).await?;
        deletions::require_person(decision)?;
        let subject = loaded.state.require().map_err(refused)?.subject;
        let is_last_global_admin = deletions::is_last_global_admin(decision, subject).await?;
        let retention = self.retention.clone().map(|(ground, categories, reason)| Retention {
            ground,
            categories,
            reason: decision.about(subject.id, PersonalCategory::Evidence, reason),
        });
        let approve = Approve {
            reviewer,
            retention,
            recipients: self.recipients.clone(),
            is_last_global_admin,
            now: decision.now,
        };
        decision.decide_on_target(&loaded, DeletionRequestCommand::Approve(approve)).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({
            "deletion_id": "01970000-0000-7000-8000-000000000001",
            "retention": {
                "ground": "LEGAL_CLAIMS",
                "categories": ["evidence"],
                "reason": "A claim about a consent is before the court.",
            },
            "recipients": ["Newsletter Ltd"],
        })
    }
}

/// The name of an organisation.
#[derive(ToSchema)]
#[schema(as = Recipient, min_length = 1, max_length = 100)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct RecipientSchema(String);

/// What stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionBody {
    /// Art. 17(3) (a) to (e) GDPR.
    #[schema(value_type = String, required,
             pattern = "^(FREE_EXPRESSION|LEGAL_OBLIGATION|PUBLIC_HEALTH|ARCHIVING_OR_RESEARCH|LEGAL_CLAIMS)$")]
    #[serde(default)]
    ground: Field<RetentionGround>,
    /// Of those that were asked for, and less than all of them; never `credential`.
    #[schema(value_type = Vec<CategorySchema>, required, min_items = 1)]
    #[serde(default)]
    categories: Field<List<CategoryWord>>,
    /// Why, for the person.
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<Reason>,
}

fn retained(
    body: RetentionBody,
    wrong: &mut WrongFields,
) -> Option<(RetentionGround, Vec<PersonalCategory>, Reason)> {
    let ground = wrong.required_by("DDR-06", "/retention/ground", body.ground);
    let categories = match wrong.list("/retention/categories", body.categories) {
        Some(categories) if categories.is_empty() => {
            let broken = RuleBreak::new("DDR-06", "must name at least one category");
            wrong.note("/retention/categories", &broken)
        }
        categories => categories,
    };
    let reason = wrong.required_by("DDR-06", "/retention/reason", body.reason);
    let categories = categories?.into_iter().map(|CategoryWord(category)| category).collect();
    Some((ground?, categories, reason?))
}
