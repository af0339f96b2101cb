//! `record-incident-activity`: an attack goes on.

use agora_domain::{
    exports::export_values::HappenedAt,
    ids::IncidentId,
    security::{
        incident::{IncidentCommand, RecordActivity},
        values::Severity,
    },
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

/// Adds activity.
pub struct RecordIncidentActivity {
    incident_id: IncidentId,
    request_count: u64,
    blocked_requests: Option<u64>,
    severity_level: Option<Severity>,
    last_activity_at: Option<HappenedAt>,
}

/// The body of `record-incident-activity`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordIncidentActivityBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    /// Requests since what was recorded last.
    #[schema(value_type = u64, required, minimum = 1, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    request_count: Field<Whole<u64>>,
    /// How many of them were blocked.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_i64)]
    #[serde(default)]
    blocked_requests: Field<Whole<u64>>,
    /// It only rises.
    #[schema(value_type = Option<String>, pattern = "^(LOW|MEDIUM|HIGH|CRITICAL)$")]
    #[serde(default)]
    severity_level: Field<Severity>,
    /// Now, where it is not said.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    last_activity_at: Field<HappenedAt>,
}

impl Command for RecordIncidentActivity {
    const NAME: &'static str = "record-incident-activity";
    const SUMMARY: &'static str = "Add requests to an incident that is not dealt with yet";
    const RULES: &'static [&'static str] =
        &["INC-05", "INC-06", "INC-09", "INC-12", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = RecordIncidentActivityBody;

    fn parse(body: RecordIncidentActivityBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let request_count =
            wrong.required("/request_count", body.request_count).map(|count| count.0);
        let blocked_requests = wrong
            .optional("/blocked_requests", body.blocked_requests)
            .map(|it| it.map(|count| count.0));
        let severity_level = wrong.optional("/severity_level", body.severity_level);
        let last_activity_at = wrong.optional("/last_activity_at", body.last_activity_at);
        Some(Self {
            incident_id: incident_id?,
            request_count: request_count?,
            blocked_requests: blocked_requests?,
            severity_level: severity_level?,
            last_activity_at: last_activity_at?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let more = RecordActivity {
            requests: self.request_count,
            blocked: self.blocked_requests.unwrap_or_default(),
            severity: self.severity_level,
            last_activity_at: self.last_activity_at.map(|at| at.0),
            now: decision.now,
        };
        let more = IncidentCommand::RecordActivity(more);
        incidents::decide(decision, self.incident_id, more).await
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "request_count": 40, "blocked_requests": 12})
    }
}
