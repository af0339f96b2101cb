//! `record-breach-notification`: who was told of a breach, or why nobody had to be.

use agora_domain::{
    exports::export_values::HappenedAt,
    ids::IncidentId,
    security::{
        breach::{Breach, BreachCommand, BreachContent, RecordNotification},
        values::NotificationKind,
    },
    values::IncidentText,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Whole, WrongFields},
    incidents,
    refusal::CommandError,
};

/// Records a notification.
pub struct RecordBreachNotification {
    incident_id: IncidentId,
    kind: NotificationKind,
    notified_at: Option<HappenedAt>,
    reason: Option<IncidentText>,
    nature: Option<IncidentText>,
    subjects_affected: Option<u64>,
    records_affected: Option<u64>,
    contact_point: Option<IncidentText>,
    likely_consequences: Option<IncidentText>,
    measures: Option<IncidentText>,
}

/// The body of `record-breach-notification`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordBreachNotificationBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    #[schema(value_type = String, required, pattern = "^(AUTHORITY|AUTHORITY_NOT_REQUIRED|SUBJECTS|SUBJECTS_NOT_REQUIRED)$")]
    #[serde(default)]
    kind: Field<NotificationKind>,
    /// Now, where it is not said.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    notified_at: Field<HappenedAt>,
    /// Why the authority was told after more than 72 hours; why somebody need not be told.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<IncidentText>,
    /// What happened, to which data of whom (Art. 33(3)(a) GDPR).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    nature: Field<IncidentText>,
    /// About how many people.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    subjects_affected: Field<Whole<u64>>,
    /// About how many records.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    records_affected: Field<Whole<u64>>,
    /// Whom to ask (b).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    contact_point: Field<IncidentText>,
    /// What is likely to come of it (c).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    likely_consequences: Field<IncidentText>,
    /// What was and will be done (d).
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    measures: Field<IncidentText>,
}

impl Command for RecordBreachNotification {
    const NAME: &'static str = "record-breach-notification";
    const SUMMARY: &'static str = "Record who was told of a breach, in phases where not all is known yet, or why nobody had to be";
    const RULES: &'static [&'static str] =
        &["INC-14", "LAW-08", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = RecordBreachNotificationBody;

    fn parse(body: RecordBreachNotificationBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let kind = wrong.required("/kind", body.kind);
        let notified_at = wrong.optional("/notified_at", body.notified_at);
        let reason = wrong.optional("/reason", body.reason);
        let nature = wrong.optional("/nature", body.nature);
        let subjects_affected = wrong
            .optional("/subjects_affected", body.subjects_affected)
            .map(|it| it.map(|count| count.0));
        let records_affected = wrong
            .optional("/records_affected", body.records_affected)
            .map(|it| it.map(|count| count.0));
        let contact_point = wrong.optional("/contact_point", body.contact_point);
        let likely_consequences = wrong.optional("/likely_consequences", body.likely_consequences);
        let measures = wrong.optional("/measures", body.measures);
        Some(Self {
            incident_id: incident_id?,
            kind: kind?,
            notified_at: notified_at?,
            reason: reason?,
            nature: nature?,
            subjects_affected: subjects_affected?,
            records_affected: records_affected?,
            contact_point: contact_point?,
            likely_consequences: likely_consequences?,
            measures: measures?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let by = decision.actor()?;
        let text = |text: &Option<IncidentText>| {
            text.clone().map(|text| incidents::evidence(self.incident_id, text))
        };
        let content = BreachContent {
            nature: text(&self.nature),
            subjects_affected: self.subjects_affected,
            records_affected: self.records_affected,
            contact_point: text(&self.contact_point),
            likely_consequences: text(&self.likely_consequences),
            measures: text(&self.measures),
        };
        let record = RecordNotification {
            kind: self.kind,
            notified_at: self.notified_at.map(|at| at.0),
            reason: text(&self.reason),
            content,
            now: decision.now,
            by,
        };
        let record = BreachCommand::RecordNotification(Box::new(record));
        let breach = decision.load::<Breach>(self.incident_id.to_string()).await?;
        decision.decide_on_target(&breach, record).await?;
        Ok(Done::of::<Breach>(self.incident_id))
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "kind": "AUTHORITY", "measures": "The hole is closed."})
    }
}
