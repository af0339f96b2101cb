//! Who did what, when and from where (E03), as far as it is in the log (AUD-07): logins and their
//! ends, what admins do, and what happens to accounts and communities (AUD-06).

use agora_domain::{Actor, ActorKind, site::settings::names_a_secret};
use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "audit_log",
    version: 1,
    event_types: &[
        "AdminCreated",
        "AdminDeleted",
        "AdminDisplayNameChanged",
        "AdminReinstated",
        "AdminRetired",
        "AdminScopeGranted",
        "AdminScopeRevoked",
        "AdminSuspended",
        "AllSessionsRevoked",
        "AuthorityNotified",
        "BreachDeclared",
        "BreachNotificationWaived",
        "CategoriesReordered",
        "CategoryCreated",
        "CategoryDescribed",
        "CategoryRetired",
        "CommentModerated",
        "CommunityDeleted",
        "CommunityModerated",
        "CommunityRestored",
        "ConfigurationDescribed",
        "ConfigurationRemoved",
        "ConfigurationSet",
        "ConsentImported",
        "ContentNoticeDecided",
        "CredentialInvalidated",
        "EmailChangeRequested",
        "EmailChanged",
        "EmailConfirmed",
        "ExportDeadlineExtended",
        "ExportHidden",
        "ForensicDataAdded",
        "GuestForgotten",
        "ImpactAssessed",
        "IncidentAssigned",
        "IncidentDetected",
        "IncidentEscalated",
        "IncidentMarkedFalsePositive",
        "IncidentResolved",
        "IntegrationConfigured",
        "IntegrationDisabled",
        "IntegrationEnabled",
        "IntegrationFailed",
        "IntegrationRegistered",
        "IntegrationRemoved",
        "InvestigationStarted",
        "IpAnnotated",
        "IpAutoBlockLifted",
        "IpAutoBlocked",
        "IpBlacklistEnded",
        "IpBlacklisted",
        "IpEnriched",
        "IpForgotten",
        "IpWhitelistEnded",
        "IpWhitelisted",
        "MemberDeleted",
        "MemberDeletionPending",
        "MemberDeletionRejected",
        "MemberRegistered",
        "MemberReinstated",
        "MemberSuspended",
        "MitigationApplied",
        "ModerationAppealDecided",
        "ModerationAppealLodged",
        "OrganizationCreated",
        "OrganizationMemberAdded",
        "OrganizationMemberRemoved",
        "OrganizationMemberRoleChanged",
        "PasswordChanged",
        "PasswordReset",
        "PasswordResetRequested",
        "PolicyApproved",
        "PolicyChangesRequested",
        "PolicyDraftEdited",
        "PolicyDrafted",
        "PolicyNotificationSent",
        "PolicyPublished",
        "PolicySubmitted",
        "PostModerated",
        "ServiceAccountCreated",
        "ServiceAccountKeyRevoked",
        "ServiceAccountKeyRotated",
        "RestrictionLifted",
        "SessionIssued",
        "SessionRevoked",
        "SubjectsNotified",
    ],
    columns: Columns::All,
    tables: &["audit_log"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// The most characters of an event_detail (AUD-04).
const DETAIL_CHARS_MAX: usize = 1000;
/// Stands for a personal value; the value itself is in the source event, sealed.
const SEALED: &str = "(sealed)";
/// Stands for what must not be shown to whoever reads the audit log.
const MASKED: &str = "(masked)";

#[derive(Deserialize)]
struct Metadata {
    actor: Option<String>,
    command_name: Option<String>,
    /// Sealed text.
    ip: Option<String>,
}

struct Entry {
    id: Uuid,
    member: Option<Uuid>,
    admin: Option<Uuid>,
    event_type: String,
    event_detail: String,
    ip_address: Option<String>,
    created_at: DateTime<Utc>,
    position: i64,
    aggregate_type: String,
    aggregate_id: String,
}

impl Entry {
    fn of(event: &RecordedEvent) -> Result<Self, ApplyError> {
        let mut variants: Map<String, Value> = payload(event)?;
        let fields = variants.remove(&event.event_type).unwrap_or_default();
        let metadata: Metadata =
            serde_json::from_str(&event.metadata).map_err(|error| ApplyError::Payload {
                position: event.position,
                event_type: event.event_type.clone(),
                reason: format!("{:?} error in the metadata", error.classify()),
            })?;
        let actor = actor(&event.event_type, &fields, metadata.actor.as_deref());
        let of_kind = |kind| actor.filter(|actor| actor.kind == kind).map(|actor| actor.id);
        Ok(Self {
            id: event.event_id,
            member: of_kind(ActorKind::Member),
            admin: of_kind(ActorKind::Admin),
            event_type: entry_type(&event.event_type, &fields),
            event_detail: detail(event, fields, metadata.command_name),
            ip_address: metadata.ip,
            created_at: event.recorded_at,
            position: number(event.position),
            aggregate_type: event.aggregate_type.clone(),
            aggregate_id: event.aggregate_id.clone(),
        })
    }
}

/// Who acted. Who logs in is known only by what comes of it.
fn actor(event_type: &str, fields: &Value, metadata: Option<&str>) -> Option<Actor> {
    if event_type == "SessionIssued" {
        return Actor::deserialize(fields.get("principal")?).ok();
    }
    let (kind, id) = metadata?.split_once(':')?;
    let kind = match kind {
        "member" => ActorKind::Member,
        "admin" => ActorKind::Admin,
        _ => return None,
    };
    Some(Actor { kind, id: id.parse().ok()? })
}

/// The names of the standard entries (`session_login`, `community_delete`); the others in their manner.
fn entry_type(event_type: &str, fields: &Value) -> String {
    let name = match event_type {
        "SessionIssued" => "session_login",
        "SessionRevoked" => match fields.get("cause").and_then(Value::as_str) {
            Some("logged_out") => "session_logout",
            Some("expired") => "session_expired",
            _ => "session_revoked",
        },
        "CommunityDeleted" => "community_delete",
        "CommunityRestored" => "community_restore",
        "ConfigurationDescribed" | "ConfigurationRemoved" | "ConfigurationSet" => "config_change",
        other if other.starts_with("Integration") => "integration_change",
        other => return snake_case(other),
    };
    name.to_owned()
}

/// `MemberSuspended` → `member_suspended`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// What happened to what, by which command; personal values and secrets left out (AUD-08).
fn detail(event: &RecordedEvent, mut fields: Value, command: Option<String>) -> String {
    hide_sealed(&mut fields);
    hide_secrets(&mut fields);
    let full = serde_json::json!({
        "aggregate_type": event.aggregate_type,
        "aggregate_id": event.aggregate_id,
        "sequence": event.sequence,
        "command": command,
        "data": fields,
    });
    truncated(full.to_string())
}

fn hide_sealed(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("sealed:") => SEALED.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(hide_sealed),
        Value::Object(fields) => fields.values_mut().for_each(hide_sealed),
        _ => {}
    }
}

/// Configuration is not for secrets; where a key's name says that one was put there, its values are
/// left out (CFG-05).
fn hide_secrets(fields: &mut Value) {
    if fields["key"].as_str().is_some_and(names_a_secret) {
        for field in ["value", "previous"] {
            if fields[field].is_string() {
                fields[field] = MASKED.into();
            }
        }
    }
}

/// Text that is too long ends with a marker and the hash of the whole; the whole is in the event.
fn truncated(full: String) -> String {
    if full.chars().count() <= DETAIL_CHARS_MAX {
        return full;
    }
    let hash: String =
        Sha256::digest(full.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let marker = format!("… [truncated; sha256 {hash}]");
    let kept = DETAIL_CHARS_MAX - marker.chars().count();
    full.chars().take(kept).collect::<String>() + &marker
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let entries = events.iter().map(|event| Entry::of(event)).collect::<Result<Vec<_>, _>>()?;
    let all = || entries.iter();
    sqlx::query(
        "INSERT INTO audit_log (id, actor_memberuser_id, actor_adminuser_id, event_type,
             event_detail, ip_address, created_at, position, aggregate_type, aggregate_id)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
             $6::text[], $7::timestamptz[], $8::bigint[], $9::text[], $10::text[])",
    )
    .bind(all().map(|entry| entry.id).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.member).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.admin).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.event_type.as_str()).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.event_detail.as_str()).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.ip_address.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.created_at).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.position).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.aggregate_type.as_str()).collect::<Vec<_>>())
    .bind(all().map(|entry| entry.aggregate_id.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aud_04_a_long_detail_ends_with_a_marker_and_the_hash_of_the_whole() {
        let full = "å".repeat(DETAIL_CHARS_MAX + 1);
        let hash: String =
            Sha256::digest(full.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let cut = truncated(full);
        assert_eq!(cut.chars().count(), DETAIL_CHARS_MAX);
        assert!(cut.ends_with(&format!("… [truncated; sha256 {hash}]")));
        let fits = "å".repeat(DETAIL_CHARS_MAX);
        assert_eq!(truncated(fits.clone()), fits);
    }

    #[test]
    fn aud_08_what_is_sealed_is_not_in_the_detail() {
        let mut fields = serde_json::json!({
            "password_hash": "sealed:v1:credential:s:1:AAAA:BBBB",
            "list": ["sealed:v1:identity:s:1:AAAA:BBBB"],
            "cause": "logged_out",
        });
        hide_sealed(&mut fields);
        let text = fields.to_string();
        assert!(!text.contains("sealed:v1"), "{text}");
        assert!(text.contains("logged_out"));
    }

    #[test]
    fn cfg_05_values_of_keys_that_name_a_secret_are_masked() {
        let mut fields =
            serde_json::json!({ "key": "smtp.password", "value": "x", "previous": "y" });
        hide_secrets(&mut fields);
        assert_eq!((&fields["value"], &fields["previous"]), (&MASKED.into(), &MASKED.into()));
        let mut plain = serde_json::json!({ "key": "max_post_length", "value": "10" });
        hide_secrets(&mut plain);
        assert_eq!(plain["value"], "10");
    }

    #[test]
    fn aud_06_entries_have_the_names_of_the_standard_entries() {
        let cause = |cause: &str| serde_json::json!({ "cause": cause });
        assert_eq!(entry_type("SessionIssued", &Value::Null), "session_login");
        assert_eq!(entry_type("SessionRevoked", &cause("logged_out")), "session_logout");
        assert_eq!(entry_type("SessionRevoked", &cause("superseded")), "session_revoked");
        assert_eq!(entry_type("CommunityDeleted", &Value::Null), "community_delete");
        assert_eq!(entry_type("AdminScopeGranted", &Value::Null), "admin_scope_granted");
    }
}
