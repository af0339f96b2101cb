//! What happens to privacy policies and to consents.

use serde_json::{Value, json};

use crate::{
    scene::{Fact, fact},
    story::{ADMIN, MEMBER, id, member, sealed},
};

pub const POLICY: u128 = 21;
pub const CONSENT: u128 = 22;
pub const LIMIT: u128 = 23;
pub const NOTICE: u128 = 24;

fn admin(number: usize) -> Value {
    json!({ "kind": "admin", "id": id(ADMIN, number) })
}

/// An event of a version, with all of it after the event.
pub fn on_policy(number: usize, kind: &'static str, status: &str) -> Fact {
    let mut policy = json!({
        "version_id": id(POLICY, number), "version_number": format!("v{number}"),
        "effective_date": "2026-02-01T00:00:00Z", "policy_content": format!("Text of {kind}"),
        "content_hash": "0a".repeat(32), "major_changes": ["Less"], "acceptance_required": true,
        "legal_review_status": status, "authors": [admin(0)], "notification_sent": false,
    });
    if matches!(status, "APPROVED" | "PUBLISHED") {
        policy["reviewed_by"] = admin(1);
        policy["reviewed_at"] = "2026-01-01T00:00:00Z".into();
    }
    if status == "PUBLISHED" {
        policy["published_at"] = "2026-01-02T00:00:00Z".into();
    }
    policy["notification_sent"] = (kind == "PolicyNotificationSent").into();
    fact("policy_version", id(POLICY, number), kind, json!({ "policy": policy }))
        .by(&format!("admin:{}", id(ADMIN, 0)))
}

pub fn accepted(number: usize, who: usize) -> Fact {
    let fields = json!({ "principal": member(id(MEMBER, who)), "version_id": id(POLICY, number),
        "version_number": format!("v{number}"), "content_hash": "0a".repeat(32),
        "accepted_at": "2026-02-02T00:00:00Z" });
    fact("policy_acceptance", format!("member:{}", id(MEMBER, who)), "PolicyAccepted", fields)
}

/// An event of a record, with all of it after the event.
pub fn on_consent(
    number: usize,
    who: usize,
    kind: &'static str,
    supersedes: Option<usize>,
) -> Fact {
    let status = match kind {
        "ConsentDenied" => "DENIED",
        "ConsentWithdrawn" => "WITHDRAWN",
        _ => "GRANTED",
    };
    let mut consent = json!({
        "consent_id": id(CONSENT, number), "principal": member(id(MEMBER, who)),
        "consent_type": "ANALYTICS", "consent_method": "EXPLICIT_OPT_IN",
        "legal_basis": "CONSENT", "data_categories": ["searches"],
        "processing_purposes": ["search_analytics"], "third_party_sharing": false,
        "retention_period_days": 90, "ip_address": sealed("network", "address"),
        "evidence_data": sealed("evidence", "form"), "status": status, "consent_version": "v0",
        "policy_version_id": id(POLICY, 0), "policy_hash": "0a".repeat(32),
        "denied_by_signal": false, "is_imported": kind == "ConsentImported",
        "created_at": "2026-02-03T00:00:00Z",
    });
    if status != "DENIED" {
        consent["granted_at"] = "2026-02-03T00:00:00Z".into();
    }
    if status == "WITHDRAWN" {
        consent["withdrawn_at"] = "2026-02-04T00:00:00Z".into();
        consent["withdrawal_reason"] = sealed("evidence", "why").into();
    }
    let mut fields = json!({ "consent": consent });
    if let Some(before) = supersedes {
        fields["supersedes"] = json!(id(CONSENT, before));
    }
    fact("consent", format!("member:{}-ANALYTICS-0", id(MEMBER, who)), kind, fields)
}

/// An event of an objection, or of a restriction, with all of it after the event.
pub fn on_limit(number: usize, who: usize, kind: &'static str) -> Fact {
    let mut limit = json!({
        "limit_id": id(LIMIT, number), "principal": member(id(MEMBER, who)),
        "reason": sealed("evidence", "said"), "since": "2026-02-03T00:00:00Z",
    });
    let is_objection = matches!(kind, "ProcessingObjected" | "ObjectionWithdrawn");
    if is_objection {
        limit["limit_kind"] = "OBJECTION".into();
        limit["consent_type"] = "ANALYTICS".into();
        limit["purpose"] = "ranking".into();
    } else {
        limit["limit_kind"] = "RESTRICTION".into();
        limit["ground"] = "NEEDED_FOR_CLAIMS".into();
    }
    if !matches!(kind, "ProcessingObjected" | "ProcessingRestricted") {
        limit["ended_at"] = "2026-02-04T00:00:00Z".into();
    }
    let mut fields = json!({ "limit": limit });
    if kind == "RestrictionLifted" {
        fields["lifted_by"] = admin(0);
        fields["lifting_reason"] = sealed("evidence", "why").into();
    }
    let question = if is_objection { "-ANALYTICS-0" } else { "" };
    fact("processing_limit", format!("member:{}{question}", id(MEMBER, who)), kind, fields)
}

/// A notice by somebody of a thing.
pub fn reported(number: usize, who: usize) -> Fact {
    let about = json!({ "kind": "comment", "thing_id": id(NOTICE, 100 + number),
        "community_id": id(NOTICE, 200), "author": member(id(MEMBER, 1)) });
    let fields = json!({ "notice_id": id(NOTICE, number), "about": about,
        "notifier": member(id(MEMBER, who)), "ground": "ILLEGAL_CONTENT",
        "explanation": sealed("content", "why") });
    fact("content_notice", id(NOTICE, number), "ContentReported", fields)
}

pub fn notice_decided(number: usize) -> Fact {
    let fields = json!({ "decided_by": admin(0), "outcome": "ACTION_TAKEN",
        "reason": sealed("content", "because") });
    fact("content_notice", id(NOTICE, number), "ContentNoticeDecided", fields)
        .by(&format!("admin:{}", id(ADMIN, 0)))
}

/// What every story begins with.
pub fn begin(told: &mut Vec<Fact>) {
    for (kind, status) in [
        ("PolicyDrafted", "DRAFT"),
        ("PolicyDraftEdited", "DRAFT"),
        ("PolicySubmitted", "UNDER_REVIEW"),
        ("PolicyChangesRequested", "DRAFT"),
        ("PolicySubmitted", "UNDER_REVIEW"),
        ("PolicyApproved", "APPROVED"),
        ("PolicyPublished", "PUBLISHED"),
        ("PolicyNotificationSent", "PUBLISHED"),
    ] {
        told.push(on_policy(0, kind, status));
    }
    told.push(on_policy(1, "PolicyDrafted", "DRAFT"));
    told.push(accepted(0, 0));
    told.push(on_consent(0, 0, "ConsentGranted", None));
    told.push(on_consent(1, 0, "ConsentGranted", Some(0)));
    told.push(on_consent(1, 0, "ConsentWithdrawn", None));
    told.push(on_consent(2, 0, "ConsentDenied", None));
    told.push(on_consent(3, 1, "ConsentImported", None));
    told.push(reported(0, 0));
    told.push(reported(1, 0));
    told.push(notice_decided(0));
    told.push(on_limit(0, 0, "ProcessingObjected"));
    told.push(on_limit(0, 0, "ObjectionWithdrawn"));
    told.push(on_limit(1, 0, "ProcessingObjected"));
    told.push(on_limit(2, 0, "ProcessingRestricted"));
    told.push(on_limit(2, 0, "RestrictionWithdrawn"));
    told.push(on_limit(3, 0, "ProcessingRestricted"));
    told.push(on_limit(3, 0, "RestrictionLifted"));
}
