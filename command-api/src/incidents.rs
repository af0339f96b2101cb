//! What the commands on incidents have in common.

use agora_domain::{
    Actor, Personal, PersonalCategory, RuleBreak, Subject,
    ids::{IncidentId, IpAddressId},
    security::{
        incident::{Incident, IncidentCommand, ReportIncident},
        ip_address::Act,
        network::Network,
        values::{AttackVector, Confidence, DetectionMethod, IncidentType, JsonObject, Severity},
    },
    values::TargetEndpoint,
};
use agora_event_store::Loaded;
use agora_service::problem::Problem;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    accounts::{self, AccountBody},
    addresses,
    decision::{Decision, Done},
    fields::{Field, Object, WrongFields},
    refusal::{CommandError, no_such},
};

/// The scope of the claims that lead from an address and a type of attack to the incident that was
/// detected and is not dealt with yet (INC-12).
pub const OPEN_INCIDENT: &str = "open_incident";

/// An incident that is to be.
#[derive(Clone, Debug)]
pub struct NewIncident {
    pub incident_type: IncidentType,
    pub severity: Severity,
    pub source_ip: Network,
    pub target_endpoint: Option<TargetEndpoint>,
    pub user: Option<Actor>,
    pub attack_vector: Option<AttackVector>,
    pub request_count: Option<u64>,
    pub blocked_requests: Option<u64>,
    pub detection_method: DetectionMethod,
    pub detection_confidence: Option<Confidence>,
    pub threat_intelligence: Option<JsonObject>,
    pub follows: Option<IncidentId>,
    pub first_detected_at: Option<DateTime<Utc>>,
    pub last_activity_at: Option<DateTime<Utc>>,
}

/// Where commands on one incident wait for each other.
pub fn queue(incident_id: IncidentId) -> String {
    format!("incident/{incident_id}")
}

/// An incident that is there.
pub async fn load(
    decision: &mut Decision<'_>,
    incident_id: IncidentId,
) -> Result<Loaded<Incident>, CommandError> {
    let loaded = decision.load::<Incident>(incident_id.to_string()).await?;
    if loaded.state.get().is_some() { Ok(loaded) } else { Err(no_such("incident")) }
}

/// What is written of an incident goes with the incident's key.
pub fn evidence<T>(incident_id: IncidentId, value: T) -> Personal<T> {
    Personal::new(Subject::from(incident_id.0), PersonalCategory::Evidence, value)
}

/// Carries out a command on an incident.
pub async fn decide(
    decision: &mut Decision<'_>,
    incident_id: IncidentId,
    command: IncidentCommand,
) -> Result<Done, CommandError> {
    let loaded = load(decision, incident_id).await?;
    decision.decide_on_target(&loaded, command).await?;
    Ok(Done::of::<Incident>(incident_id))
}

/// Opens an incident, and notes it with the address that it came from (INC-02, INC-10). `::` stands for no
/// address: nothing is known of it (K20).
pub async fn open(
    decision: &mut Decision<'_>,
    incident_id: IncidentId,
    new: &NewIncident,
) -> Result<Done, CommandError> {
    let by = decision.actor()?;
    if let Some(user) = new.user {
        require_principal(decision, user).await?;
    }
    if let Some(follows) = new.follows {
        let before = load(decision, follows).await?;
        if before.state.get().is_none_or(|before| !before.is_final()) {
            let detail =
                "Only what is resolved or was a false positive comes back as a new incident.";
            return Err(Problem::conflict(detail).with_rule("INC-06").into());
        }
    }
    let nowhere = new.source_ip.address().is_some_and(|address| address.is_unspecified());
    let address_id = match nowhere {
        true => None,
        false => Some(link(decision, incident_id, new).await?),
    };
    // What is known to be somebody's goes with their keys.
    let owner = new.user.map(Actor::subject).or(address_id.map(|id: IpAddressId| id.0.into()));
    let owner = owner.unwrap_or_else(|| Subject::from(incident_id.0));
    let report = ReportIncident {
        incident_id,
        incident_type: new.incident_type,
        severity: new.severity,
        source_ip: Personal::new(owner, PersonalCategory::Network, new.source_ip),
        address_id,
        target_endpoint: new.target_endpoint.clone().map(|text| evidence(incident_id, text)),
        user: new.user,
        attack_vector: new.attack_vector,
        request_count: new.request_count,
        blocked_requests: new.blocked_requests,
        detection_method: new.detection_method,
        detection_confidence: new.detection_confidence,
        threat_intelligence: new.threat_intelligence.clone().map(|it| evidence(incident_id, it)),
        follows: new.follows,
        first_detected_at: new.first_detected_at,
        last_activity_at: new.last_activity_at,
        now: decision.now,
        by,
    };
    let incident = decision.begin::<Incident>(incident_id);
    decision.decide(&incident, IncidentCommand::Report(Box::new(report))).await?;
    Ok(Done::of::<Incident>(incident_id))
}

async fn link(
    decision: &mut Decision<'_>,
    incident_id: IncidentId,
    new: &NewIncident,
) -> Result<IpAddressId, CommandError> {
    let (id, known) = addresses::load(decision, new.source_ip).await?;
    let (incident_type, severity) = (new.incident_type, new.severity);
    let link = Act::LinkIncident { incident_id, incident_type, severity };
    let link = addresses::command(decision, id, new.source_ip, link)?;
    decision.decide(&known, link).await?;
    Ok(id)
}

/// Refuses whom nobody knows (INC-13).
pub async fn require_principal(
    decision: &mut Decision<'_>,
    principal: Actor,
) -> Result<(), CommandError> {
    if accounts::exists(decision, principal).await? {
        return Ok(());
    }
    let detail = "There is no such member or admin.";
    Err(Problem::rule_broken("INC-13", detail).into())
}

/// A member or an admin, where one is named.
pub fn principal(
    account: Field<Object<AccountBody>>,
    pointer: &'static str,
    wrong: &mut WrongFields,
) -> Option<Option<Actor>> {
    match wrong.optional(pointer, account)? {
        None => Some(None),
        Some(Object(account)) => account.parse(pointer, wrong).map(Some),
    }
}

/// An object of JSON, where there is one.
pub fn object(
    value: Option<Value>,
    pointer: &'static str,
    wrong: &mut WrongFields,
) -> Option<Option<JsonObject>> {
    match value.map(JsonObject::try_from) {
        None => Some(None),
        Some(Ok(object)) => Some(Some(object)),
        Some(Err(broken)) => wrong.note(pointer, &broken),
    }
}

/// As [`object`], where there must be one.
pub fn required_object(
    value: Option<Value>,
    pointer: &'static str,
    wrong: &mut WrongFields,
) -> Option<JsonObject> {
    match object(value, pointer, wrong)? {
        Some(object) => Some(object),
        None => wrong.note(pointer, &RuleBreak::malformed("is required")),
    }
}
