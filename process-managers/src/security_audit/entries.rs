//! What the events become.

use std::collections::HashSet;

use agora_domain::{
    Actor, ActorKind,
    security::audit::{ALWAYS, AuditEventType, RetentionCategory, RiskScore, of_event},
};
use agora_event_store::{
    Opener, Position, read,
    seal::SealedField,
    security_audit::{AuditError, Entry, Person},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// An event, as far as it is copied.
#[derive(FromRow)]
pub(super) struct Event {
    position: i64,
    event_id: Uuid,
    aggregate_type: String,
    aggregate_id: String,
    event_type: String,
    payload: String,
    metadata: String,
    recorded_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Metadata {
    actor: Option<String>,
    command: Option<Uuid>,
    command_name: Option<String>,
    session: Option<Uuid>,
    /// Sealed text.
    ip: Option<String>,
}

/// The events after a position that may become entries, at most so many, and how far they reach. A
/// command's events are not torn apart.
pub(super) async fn events(
    connection: &mut PgConnection,
    after: Position,
    up_to: Position,
    limit: i64,
) -> Result<(Vec<Event>, Position), sqlx::Error> {
    // Who acted stands first in all metadata; to compare its start is cheaper than to take it apart.
    let mut events: Vec<Event> = sqlx::query_as(
        r#"SELECT position, event_id, aggregate_type, aggregate_id, event_type,
                  payload::text AS payload, metadata::text AS metadata, recorded_at
           FROM log.events
           WHERE position > $1 AND position <= $2
             AND (event_type = ANY ($3) OR starts_with(metadata::text, '{"actor":"admin:'))
           ORDER BY position LIMIT $4"#,
    )
    .bind(read::to_db(after))
    .bind(read::to_db(up_to))
    .bind(ALWAYS.map(str::to_owned))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    if (events.len() as i64) < limit {
        return Ok((events, up_to));
    }
    let command = |event: &Event| metadata(event).command;
    let last = events.last().and_then(command);
    let whole = events.iter().rposition(|event| command(event) != last);
    // All of one command where there is none: then it is told of twice rather than never.
    if let Some(whole) = whole.filter(|_| last.is_some()) {
        events.truncate(whole + 1);
    }
    let reached = events.last().map_or(up_to, |event| read::from_db(event.position));
    Ok((events, reached))
}

fn metadata(event: &Event) -> Metadata {
    serde_json::from_str(&event.metadata).unwrap_or(Metadata {
        actor: None,
        command: None,
        command_name: None,
        session: None,
        ip: None,
    })
}

/// The entries of events; none of what is past its retention already.
pub(super) async fn of(
    opener: &Opener,
    events: &[Event],
    now: DateTime<Utc>,
) -> Result<Vec<Entry>, AuditError> {
    let all: Vec<Metadata> = events.iter().map(metadata).collect();
    let sealed: Vec<SealedField> = events
        .iter()
        .zip(&all)
        .filter_map(|(event, metadata)| {
            Some(SealedField {
                aggregate_type: &event.aggregate_type,
                aggregate_id: &event.aggregate_id,
                field: "metadata.ip",
                sealed: metadata.ip.as_deref()?,
            })
        })
        .collect();
    let mut addresses = opener.open_many(&sealed).await?.into_iter();
    let mut acts = HashSet::new();
    let mut entries = Vec::with_capacity(events.len());
    for (event, metadata) in events.iter().zip(all) {
        let address = metadata.ip.as_ref().and_then(|_| addresses.next());
        let address = address.and_then(|opened| opened.into_text()?.parse().ok());
        let Some(mut entry) = entry(event, &metadata) else { continue };
        // One entry for an act, whatever it changed.
        let is_act = entry.event_type == AuditEventType::AdminAction;
        let again = is_act && metadata.command.is_some_and(|command| !acts.insert(command));
        if again || entry.recorded_at.date_naive() < entry.retention.first_kept(now) {
            continue;
        }
        entry.person.ip = address;
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(event: &Event, metadata: &Metadata) -> Option<Entry> {
    let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
    let content = &payload[event.event_type.as_str()];
    let actor = actor(event, metadata, content);
    let (event_type, result) = of_event(&event.event_type, actor.kind)?;
    let mut entry = Entry::at(event.recorded_at, event_type, result);
    entry.log_id = event.event_id;
    if event.aggregate_type == "incident" {
        entry.case_id = event.aggregate_id.parse().ok();
        entry.retention = RetentionCategory::Forensic;
    }
    if event_type == AuditEventType::SecurityIncident {
        let kind = content["incident_type"].as_str().unwrap_or_default();
        entry.threat_indicators = vec![kind.to_lowercase()];
        let score = match content["severity"].as_str() {
            Some("CRITICAL") => 100,
            Some("HIGH") => 80,
            Some("MEDIUM") => 60,
            _ => 40,
        };
        entry.risk_score = RiskScore::try_from(score).unwrap_or_default();
    }
    let by_request = metadata.ip.is_some();
    if let Some(name) = metadata.command_name.as_ref().filter(|_| by_request) {
        entry.endpoint = Some(format!("/v1/commands/{name}").into());
        entry.http_method = Some("POST".into());
    }
    let mut told = json!({ "event": event.event_type, "position": event.position });
    if let Some(command) = &metadata.command_name {
        told["command"] = command.as_str().into();
    }
    if event.event_type == "SessionRevoked" {
        told["cause"] = content["cause"].clone();
    }
    if !by_request {
        told["ip_absent"] = true.into();
    }
    entry.metadata = Some(told.to_string());
    let is_session = event.aggregate_type == "session";
    let session = if is_session { event.aggregate_id.parse().ok() } else { metadata.session };
    entry.person = Person {
        user: Some(actor.id).filter(|_| actor.has_account()),
        kind: Some(actor.kind.as_str().into()),
        session,
        ..Person::default()
    };
    Some(entry)
}

/// Who acted. Who logs in is known only by what comes of it.
fn actor(event: &Event, metadata: &Metadata, content: &Value) -> Actor {
    if event.event_type == "SessionIssued" {
        return Actor::deserialize(&content["principal"]).unwrap_or(Actor::SYSTEM);
    }
    let actor = metadata.actor.as_deref().and_then(|actor| {
        let (kind, id) = actor.split_once(':')?;
        let kind = match kind {
            "member" => ActorKind::Member,
            "admin" => ActorKind::Admin,
            "guest" => ActorKind::Guest,
            _ => return None,
        };
        Some(Actor { kind, id: id.parse().ok()? })
    });
    actor.unwrap_or(Actor::SYSTEM)
}
