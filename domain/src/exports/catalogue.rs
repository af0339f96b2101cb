//! Every personal field that Agora stores: what it is for, on which ground, for how long, and who
//! gets to see it (LAW-07). The record of processing (Art. 30 GDPR) is written from this list, and
//! the categories that somebody may ask for (DXR-02) are its categories.
//!
//! A line names fields of one entity: of an aggregate's events by their path in the payload, without
//! the numbers of lists; of a record table by its columns. Tests fail where a `Personal` field or an
//! actor of an event is in no line (`tests/catalogue.rs`), and where a table that names people is
//! none of [`TABLES`].

mod fields;
mod purposes;

use serde::Serialize;

pub use fields::FIELDS;

use super::export_values::DataCategory;

/// How a field is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Sealed with a key of the person's, which an erasure destroys.
    Sealed,
    /// An opaque id or a fact about one: it names nobody once the person's keys are destroyed.
    Pseudonymous,
    /// A keyed hash: who has the address finds the account, nobody finds the address.
    KeyedHash,
    /// In the clear, in a file or table that is rewritten when somebody is erased.
    Clear,
}

/// The grounds of Art. 6(1) that processing here rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum LegalBasis {
    #[serde(rename = "Art. 6(1)(a) GDPR: consent")]
    Consent,
    #[serde(rename = "Art. 6(1)(b) GDPR: performance of the contract with the user")]
    Contract,
    #[serde(rename = "Art. 6(1)(c) GDPR: legal obligation")]
    LegalObligation,
    #[serde(rename = "Art. 6(1)(f) GDPR: legitimate interests")]
    LegitimateInterests,
}

/// What fields are processed for.
#[derive(Debug, PartialEq, Eq)]
pub struct Processing {
    pub purpose: &'static str,
    pub legal_basis: LegalBasis,
    pub retention: &'static str,
    pub recipients: &'static str,
}

/// A line of the catalogue.
#[derive(Debug)]
pub struct PersonalFields {
    /// The type of an aggregate, or what a record table holds.
    pub entity: &'static str,
    pub fields: &'static [&'static str],
    pub form: Form,
    pub data_category: DataCategory,
    pub processing: &'static Processing,
}

/// The tables, and folders, in which an entity's fields stand beside the log itself.
pub const TABLES: &[(&str, &[&str])] = &[
    ("admin", &["read.admins"]),
    ("admin_roster", &[]),
    (
        "audit_record",
        &[
            "log.security_audit",
            "log.security_audit_kinds",
            "log.security_audit_packs",
            "log.security_audit_tracks",
        ],
    ),
    ("breach", &["read.breaches"]),
    ("bufdir_report", &["read.bufdir_reports"]),
    ("comment", &["read.comments", "read.comment_search", "read.moderation_log"]),
    ("comment_vote", &["read.comment_votes"]),
    ("community", &["read.communities", "read.moderation_log"]),
    ("community_rules", &[]),
    ("configuration", &[]),
    ("consent", &["read.consents"]),
    ("content_notice", &["read.content_notices"]),
    ("credential", &["read.credentials", "log.claims"]),
    ("deletion_request", &["read.data_deletion_requests", "erasures.ledger below AGORA_HOME"]),
    ("event", &["log.events", "read.audit_log", "log.receipts"]),
    ("export_downloads", &[]),
    (
        "export_job",
        &[
            "read.data_export_requests",
            "read.data_export_logs",
            "read.bufdir_export_logs",
            "read.bufdir_export_archive",
            "the object store that AGORA_OBJECTS_URL names",
        ],
    ),
    ("guest", &["read.guests", "log.claims"]),
    ("incident", &["read.security_incidents"]),
    ("integration", &["read.integrations"]),
    ("ip_address", &["read.ip_reputation", "log.claims"]),
    (
        "mail",
        &["process.wake_ups", "the folder `mail` below AGORA_HOME, where no mail server is set"],
    ),
    ("member", &["read.members"]),
    ("membership", &["read.memberships"]),
    ("moderation_appeal", &["read.moderation_appeals"]),
    ("organization", &["read.organizations"]),
    ("organization_membership", &["read.organization_memberships"]),
    ("password_reset", &[]),
    ("policy_acceptance", &["read.policy_acceptances"]),
    ("policy_series", &[]),
    ("policy_version", &["read.policy_versions"]),
    ("post", &["read.posts", "read.post_search", "read.moderation_log"]),
    ("post_vote", &["read.post_votes"]),
    ("processing_limit", &["read.processing_limits"]),
    ("principal_sessions", &[]),
    ("recent_communities", &["read.recent_communities"]),
    ("search_record", &["log.search_records", "log.search_trends"]),
    ("security_record", &["log.security_records"]),
    ("service_account", &["read.service_accounts"]),
    ("subject_erasures", &[]),
    ("subject_exports", &[]),
    ("subject_key", &["vault.subject_keys", "vault.destroyed_keys"]),
    ("session", &["read.sessions", "log.session_activity", "log.claims"]),
    ("session_era", &[]),
];

/// Where an entity's fields stand.
pub fn stored_in(entity: &str) -> Vec<&'static str> {
    let listed = TABLES.iter().find(|(name, _)| *name == entity).map_or(&[][..], |(_, of)| *of);
    let record = entity.ends_with("_record") || matches!(entity, "event" | "mail");
    (!record).then_some("log.events").into_iter().chain(listed.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
