//! The platform's own commands about attacks that it finds; they have no route.

use agora_domain::{
    ids::IncidentId,
    process_managers::detection::{Attack, EXTENDED_WITHIN},
    security::{
        incident::{Incident, IncidentCommand, RecordActivity},
        ip_address::{Act, IpAddress},
        network::Network,
    },
};
use serde_json::{Value, json};

use crate::{
    Command, addresses,
    commands::register_member::RegisterMemberBody,
    decision::{Decision, Done},
    execute::Caller,
    fields::WrongFields,
    incidents::{self, NewIncident, OPEN_INCIDENT},
    refusal::CommandError,
};

/// Opens an incident, or extends the one that is open for the same address and type (INC-12).
pub struct DetectIncident(pub Attack);

/// Notes requests of a blocked address (IPR-08).
pub struct ObserveIp {
    pub network: Network,
    pub requests: u64,
    pub blocked: u64,
}

impl Command for DetectIncident {
    const NAME: &'static str = "detect-incident";
    const SUMMARY: &'static str = "Open or extend an incident that the platform found";
    const RULES: &'static [&'static str] = &["INC-12"];
    type Body = RegisterMemberBody;

    /// There is no route, so no body either.
    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.0.client))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let Attack { address, incident_type, severity, client, .. } = self.0;
        let source_ip = Network::of(address);
        let now = decision.now;
        // Whoever is on the whitelist may ask as often as it likes.
        for network in [source_ip, Network::around(address)] {
            if is_whitelisted(decision, network).await? {
                return Ok(Done::of::<IpAddress>("whitelisted"));
            }
        }
        // Of IPv6 a client is its network: which of its addresses it uses makes no other incident.
        let key = decision.app.open_incident_index(client, incident_type.as_str());
        let open = decision.app.holder(OPEN_INCIDENT, &key).await?;
        if let Some(open) = open.and_then(|id| id.parse::<IncidentId>().ok()) {
            let loaded = incidents::load(decision, open).await?;
            let goes_on = loaded.state.get().is_some_and(|incident| {
                incident.takes_activity() && now - incident.last_activity_at <= EXTENDED_WITHIN
            });
            if goes_on {
                let first = loaded.state.get().map(|incident| incident.first_detected_at);
                let more = RecordActivity {
                    requests: self.0.requests,
                    blocked: self.0.blocked,
                    severity: Some(severity),
                    last_activity_at: Some(self.0.last_at.min(now)).max(first),
                    now,
                };
                decision.decide(&loaded, IncidentCommand::RecordActivity(more)).await?;
                return Ok(Done::of::<Incident>(open));
            }
            decision.release(OPEN_INCIDENT, open);
        }
        let incident_id: IncidentId = decision.new_id();
        let new = NewIncident {
            incident_type,
            severity,
            source_ip,
            target_endpoint: None,
            user: None,
            attack_vector: self.0.vector,
            request_count: Some(self.0.requests),
            blocked_requests: Some(self.0.blocked),
            detection_method: self.0.method,
            detection_confidence: self.0.confidence,
            threat_intelligence: None,
            follows: None,
            first_detected_at: Some(self.0.first_at.min(now)),
            last_activity_at: Some(self.0.last_at.min(now)),
        };
        let done = incidents::open(decision, incident_id, &new).await?;
        decision.take(OPEN_INCIDENT, key, incident_id);
        Ok(done)
    }

    fn example() -> Value {
        json!({})
    }
}

/// Whether an address or a network is on the whitelist; nothing is begun for asking.
async fn is_whitelisted(
    decision: &mut Decision<'_>,
    network: Network,
) -> Result<bool, CommandError> {
    let takes = decision.unit.takes.len();
    let (_, loaded) = addresses::load(decision, network).await?;
    decision.unit.takes.truncate(takes);
    let now = decision.now;
    Ok(loaded.state.get().is_some_and(|record| record.is_whitelisted(now)))
}

impl Command for ObserveIp {
    const NAME: &'static str = "observe-ip";
    const SUMMARY: &'static str = "Note requests of an address";
    const RULES: &'static [&'static str] = &["IPR-04"];
    type Body = RegisterMemberBody;

    /// There is no route, so no body either.
    fn parse(_: RegisterMemberBody, _: &mut WrongFields) -> Option<Self> {
        None
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.network))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let (requests, blocked) = (self.requests, self.blocked);
        addresses::act(decision, self.network, |_| Act::Observe { requests, blocked }).await
    }

    fn example() -> Value {
        json!({})
    }
}
