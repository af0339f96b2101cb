//! Members, admins, sessions, and the audit log.

use serde_json::{Value, json};

use super::{Event, Tables, micros, put, row, set};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    members(tables, event);
    admins(tables, event);
    credentials(tables, event);
    sessions(tables, event);
    if AUDITED.contains(&event.event_type.as_str()) {
        put(tables, "audit_log", &event.position.to_string(), audited(event));
    }
}

fn members(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let status = |status: &str| [("status", json!(status)), ("updated_at", event.at())];
    match event.event_type.as_str() {
        "MemberRegistered" => {
            let member = json!({
                "id": id, "user_credential_id": fields["credential_id"],
                "display_name": fields["display_name"], "status": "active", "created_at": at,
                "updated_at": at, "deleted_at": null, "sequence": event.sequence,
            });
            put(tables, "members", id, member);
        }
        "DisplayNameChanged" => {
            let name = fields["display_name"].clone();
            set(tables, "members", event, &[("display_name", name), ("updated_at", at)]);
        }
        "MemberSuspended" => set(tables, "members", event, &status("suspended")),
        "MemberReinstated" | "MemberDeletionRejected" => {
            set(tables, "members", event, &status("active"));
        }
        "MemberDeletionPending" => set(tables, "members", event, &status("pending_deletion")),
        "MemberDeleted" => {
            set(tables, "members", event, &status("deleted"));
            set(tables, "members", event, &[("deleted_at", at)]);
        }
        _ => {}
    }
}

fn admins(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let changed = match event.event_type.as_str() {
        "AdminCreated" => {
            let admin = json!({
                "id": id, "user_credential_id": fields["credential_id"],
                "display_name": fields["display_name"], "status": "active",
                "scopes": fields["scopes"], "created_at": at, "updated_at": at,
                "deleted_at": null, "sequence": event.sequence,
            });
            return put(tables, "admins", id, admin);
        }
        "AdminDisplayNameChanged" => ("display_name", fields["display_name"].clone()),
        "AdminSuspended" => ("status", json!("suspended")),
        "AdminReinstated" => ("status", json!("active")),
        "AdminRetired" => ("status", json!("retired")),
        "AdminDeleted" => {
            let columns =
                [("status", json!("retired")), ("deleted_at", event.at()), ("updated_at", at)];
            return set(tables, "admins", event, &columns);
        }
        "AdminScopeGranted" | "AdminScopeRevoked" => ("scopes", fields["scopes"].clone()),
        _ => return,
    };
    set(tables, "admins", event, &[changed, ("updated_at", at)]);
}

fn credentials(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    let mut columns = match event.event_type.as_str() {
        "CredentialRegistered" => {
            let credential = json!({
                "id": id, "holder_kind": fields["holder"]["kind"],
                "holder_id": fields["holder"]["id"], "email": fields["email"],
                "pending_email": null, "status": "valid", "created_at": at, "updated_at": at,
                "deleted_at": null, "sequence": event.sequence,
            });
            return put(tables, "credentials", id, credential);
        }
        "EmailConfirmationRequested" => vec![("status", json!("unconfirmed"))],
        "EmailConfirmed" => vec![("status", json!("valid"))],
        "EmailChangeRequested" => vec![("pending_email", fields["email"].clone())],
        "EmailChanged" => vec![("email", fields["email"].clone()), ("pending_email", Value::Null)],
        "PasswordChanged" | "PasswordReset" => vec![("pending_email", Value::Null)],
        "CredentialInvalidated" => {
            vec![("status", json!("invalidated")), ("deleted_at", at.clone())]
        }
        _ => return,
    };
    columns.push(("updated_at", at));
    set(tables, "credentials", event, &columns);
}

fn sessions(tables: &mut Tables, event: &Event) {
    let (id, fields) = (&event.aggregate_id, &event.fields);
    let time = |field: &str| fields[field].as_str().and_then(micros);
    match event.event_type.as_str() {
        "SessionIssued" => {
            let session = json!({
                "id": id, "user_kind": fields["principal"]["kind"],
                "user_id": fields["principal"]["id"], "issued_at": time("issued_at"),
                "expires_at": time("expires_at"), "device_info": fields["device_info"],
                "ip_address": fields["ip_address"], "revoked_at": null, "revoked_by": null,
                "revoke_cause": null, "created_at": event.at(), "sequence": event.sequence,
            });
            put(tables, "sessions", id, session);
        }
        // The first revocation counts (SES-14).
        "SessionRevoked"
            if row(tables, "sessions", id).is_some_and(|it| !it["revoked_at"].is_null()) =>
        {
            set(tables, "sessions", event, &[]);
        }
        "SessionRevoked" => {
            let by = actor(&fields["revoked_by"]);
            let columns = [
                ("revoked_at", event.at()),
                ("revoked_by", json!(by)),
                ("revoke_cause", fields["cause"].clone()),
            ];
            set(tables, "sessions", event, &columns);
        }
        "AllSessionsRevoked" => {
            let by = actor(&fields["revoked_by"]);
            for (session, row) in tables.entry("sessions").or_default() {
                if row["revoked_at"].is_null() && fields["kept"].as_str() != Some(session) {
                    row["revoked_at"] = event.at();
                    row["revoked_by"] = json!(by);
                    row["revoke_cause"] = json!("revoked");
                }
            }
        }
        _ => {}
    }
}

/// `member:018f…`
fn actor(actor: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}:{}", text(&actor["kind"]), text(&actor["id"]))
}

/// What an auditor looks for (AUD-07): identity, sessions, categories, and what is taken away.
const AUDITED: &[&str] = &[
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
    "RestrictionLifted",
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
    "SessionIssued",
    "SessionRevoked",
    "SubjectsNotified",
];

const DETAIL_CHARACTERS_MAX: usize = 1_000;

fn audited(event: &Event) -> Value {
    let mut data = event.fields.clone();
    hide(&mut data);
    if event.event_type.starts_with("Configuration") && names_a_secret(&event.text("key")) {
        for field in ["value", "previous"] {
            if data[field].is_string() {
                data[field] = "(masked)".into();
            }
        }
    }
    let detail = json!({
        "aggregate_type": event.aggregate_type, "aggregate_id": event.aggregate_id,
        "sequence": event.sequence, "command": event.metadata["command_name"], "data": data,
    });
    let whole = detail.to_string().chars().count() <= DETAIL_CHARACTERS_MAX;
    let principal = &event.fields["principal"];
    let actor = match event.event_type.as_str() {
        // Who logs in is known only by what comes of it.
        "SessionIssued" => actor(principal),
        _ => event.metadata["actor"].as_str().unwrap_or_default().to_owned(),
    };
    json!({
        "id": event.event_id, "actor_memberuser_id": actor.strip_prefix("member:"),
        "actor_adminuser_id": actor.strip_prefix("admin:"), "event_type": name(event),
        "event_detail": if whole { detail } else { Value::Null },
        "ip_address": event.metadata["ip"], "created_at": event.at(),
        "position": event.position, "aggregate_type": event.aggregate_type,
        "aggregate_id": event.aggregate_id,
    })
}

fn names_a_secret(key: &str) -> bool {
    ["secret", "password", "passwd", "token", "credential", "private", "api_key", "apikey"]
        .iter()
        .any(|part| key.contains(part))
}

fn name(event: &Event) -> String {
    let cause = event.text("cause");
    match (event.event_type.as_str(), cause.as_str()) {
        ("SessionIssued", _) => "session_login".to_owned(),
        ("SessionRevoked", "logged_out") => "session_logout".to_owned(),
        ("SessionRevoked", "expired") => "session_expired".to_owned(),
        ("CommunityDeleted", _) => "community_delete".to_owned(),
        ("CommunityRestored", _) => "community_restore".to_owned(),
        (other, _) if other.starts_with("Configuration") => "config_change".to_owned(),
        (other, _) if other.starts_with("Integration") => "integration_change".to_owned(),
        (other, _) => {
            let spaced: String = other
                .chars()
                .flat_map(|it| [it.is_uppercase().then_some('_'), Some(it.to_ascii_lowercase())])
                .flatten()
                .collect();
            spaced.trim_start_matches('_').to_owned()
        }
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("sealed:") => *text = "(sealed)".to_owned(),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => fields.values_mut().for_each(hide),
        _ => {}
    }
}
