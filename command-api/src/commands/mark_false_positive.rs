//! `mark-false-positive`: it was no attack.

use agora_domain::{
    ids::IncidentId,
    security::{
        breach::Breach,
        incident::{Incident, IncidentCommand},
        ip_address::{Act, IpAddress, IpAddressCommand},
    },
    values::IncidentText,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, WrongFields},
    incidents::{self, OPEN_INCIDENT},
    refusal::CommandError,
};

/// Takes an incident back.
pub struct MarkFalsePositive {
    incident_id: IncidentId,
    reason: IncidentText,
}

/// The body of `mark-false-positive`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkFalsePositiveBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    incident_id: Field<IncidentId>,
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    reason: Field<IncidentText>,
}

impl Command for MarkFalsePositive {
    const NAME: &'static str = "mark-false-positive";
    const SUMMARY: &'static str =
        "Say that an incident was none; its address no longer pays for it";
    const RULES: &'static [&'static str] =
        &["INC-06", "INC-07", "INC-11", "INC-14", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = MarkFalsePositiveBody;

    fn parse(body: MarkFalsePositiveBody, wrong: &mut WrongFields) -> Option<Self> {
        let incident_id = wrong.required("/incident_id", body.incident_id);
        let reason = wrong.required("/reason", body.reason);
        Some(Self { incident_id: incident_id?, reason: reason? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(incidents::queue(self.incident_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let by = decision.actor()?;
        let loaded = incidents::load(decision, self.incident_id).await?;
        let breach = decision.load::<Breach>(self.incident_id.to_string()).await?;
        if breach.state.exists() {
            let detail = "The incident is in the register of breaches, and stays there.";
            return Err(Problem::conflict(detail).with_rule("INC-14").into());
        }
        let reason = incidents::evidence(self.incident_id, self.reason.clone());
        let mark = IncidentCommand::MarkFalsePositive { reason, by };
        decision.decide_on_target(&loaded, mark).await?;
        decision.release(OPEN_INCIDENT, self.incident_id);
        let address_id = loaded.state.get().and_then(|incident| incident.address_id);
        if let Some(address_id) = address_id {
            let address = decision.load::<IpAddress>(address_id.to_string()).await?;
            // What was forgotten in the meantime needs no pardon.
            if let Some(record) = address.state.get() {
                let refute = IpAddressCommand {
                    id: address_id,
                    address: record.address.clone(),
                    is_range: record.is_range,
                    is_exempt: false,
                    at: decision.now,
                    by,
                    act: Act::RefuteIncident { incident_id: self.incident_id },
                };
                decision.decide(&address, refute).await?;
            }
        }
        Ok(Done::of::<Incident>(self.incident_id))
    }

    fn example() -> Value {
        json!({"incident_id": "01970000-0000-7000-8000-000000000001", "reason": "A load test of ours."})
    }
}
