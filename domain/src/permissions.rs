//! Who may do what: the permission matrix (requirements §2), one table for both APIs, deny by
//! default. A command or a route that stands in no row is refused to everybody, and a test walks all
//! of them as every role.
//!
//! A row says what a *role* may do at all. Whose the thing is (an author's post, an owner's
//! community) the aggregates and handlers see to.

mod roles;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use roles::Roles;

/// A row: something that roles may do, by these commands and reads.
pub struct Action {
    pub what: &'static str,
    pub who: Roles,
    pub commands: &'static [&'static str],
    pub reads: &'static [&'static str],
}

const fn row(
    what: &'static str,
    who: Roles,
    commands: &'static [&'static str],
    reads: &'static [&'static str],
) -> Action {
    Action { what, who, commands, reads }
}

const EVERY_ADMIN: Roles = ADMINS.and(Roles::AUDITOR).and(Roles::OPS);
const ADMINS: Roles = Roles::ADMIN.and(Roles::GLOBAL_ADMIN);
const MEMBERS: Roles = Roles::MEMBER;
const MEMBERS_AND_ADMINS: Roles = MEMBERS.and(ADMINS);
/// Everybody who has an account.
const KNOWN: Roles = Roles::MEMBER.and(Roles::RESTRICTED_MEMBER).and(EVERY_ADMIN);
const ANYBODY: Roles = Roles::GUEST.and(KNOWN);
/// Everybody but ops, who read no content.
const READERS: Roles =
    Roles::GUEST.and(Roles::SIGNED_GUEST).and(MEMBERS_AND_ADMINS).and(Roles::AUDITOR);
/// Guests only where the configuration lets them: the commands ask it.
const COMMENTERS: Roles = MEMBERS_AND_ADMINS.and(Roles::SIGNED_GUEST);

/// The table.
pub const MATRIX: &[Action] = &[
    row(
        "register, log in, reset a password",
        ANYBODY,
        &["register-member", "log-in", "request-password-reset", "reset-password", "confirm-email"],
        &[],
    ),
    row(
        "be told apart as a guest",
        Roles::GUEST.and(Roles::SIGNED_GUEST),
        &["record-guest-visit"],
        &[],
    ),
    row("forget a guest", ADMINS.and(Roles::SIGNED_GUEST), &["forget-guest"], &[]),
    row(
        "read public communities, posts, comments, categories",
        READERS,
        &[],
        &[
            "/v1/categories",
            "/v1/communities",
            "/v1/communities/{name}",
            "/v1/communities/{name}/posts",
            "/v1/communities/{name}/rules",
            "/v1/communities/{name}/rules/history",
            "/v1/communities/{name}/moderation-log",
            "/v1/posts/{id}",
            "/v1/posts/{id}/score",
            "/v1/posts/{id}/comments",
            "/v1/posts/{id}/comments/all",
            "/v1/comments/{id}",
            "/v1/comments/{id}/replies",
            "/v1/search/communities",
            "/v1/search/posts",
            "/v1/search/comments",
            "/v1/settings",
            "/v1/live/posts/{id}",
            "/v1/live/communities/{name}",
        ],
    ),
    row(
        "one's own sessions and password",
        KNOWN,
        &["log-out", "revoke-session", "revoke-all-sessions", "change-password"],
        &["/v1/me", "/v1/me/credential", "/v1/me/sessions", "/v1/live/me"],
    ),
    row(
        "one's own address and name",
        MEMBERS.and(EVERY_ADMIN),
        &["change-email", "change-display-name"],
        &[],
    ),
    row("what one searched", KNOWN, &[], &["/v1/me/searches"]),
    row(
        "acts on what one wrote",
        KNOWN.and(Roles::SIGNED_GUEST),
        &[],
        &["/v1/me/moderation-notices"],
    ),
    row(
        "end one's own account",
        MEMBERS.and(Roles::RESTRICTED_MEMBER),
        &["request-account-deletion"],
        &[],
    ),
    row("create a community", MEMBERS, &["create-community"], &[]),
    row(
        "edit a community's metadata and rules: its owner; admins once there is none (COM-16)",
        MEMBERS_AND_ADMINS,
        &["update-community", "set-community-rules"],
        &[],
    ),
    row("delete a community", MEMBERS_AND_ADMINS, &["delete-community"], &[]),
    row("restore a community", ADMINS, &["restore-community"], &[]),
    row(
        "join, leave and visit communities",
        MEMBERS,
        &["join-community", "leave-community", "visit-community"],
        &["/v1/me/memberships", "/v1/me/recent-communities", "/v1/me/feed"],
    ),
    row(
        "posts: create, edit, delete, restore; as an admin those of others too",
        MEMBERS_AND_ADMINS,
        &["create-post", "edit-post", "delete-post", "restore-post"],
        &["/v1/posts/{id}/history", "/v1/comments/{id}/history"],
    ),
    row(
        "comments: create, edit, delete, restore; as an admin those of others too",
        COMMENTERS,
        &["create-comment", "edit-comment", "delete-comment", "restore-comment"],
        &[],
    ),
    row("vote", COMMENTERS, &["cast-vote"], &[]),
    row("see what one voted", MEMBERS_AND_ADMINS, &[], &["/v1/me/votes", "/v1/me/comment-votes"]),
    row("appeal against an act of moderation", MEMBERS_AND_ADMINS, &["appeal-moderation"], &[]),
    row("decide appeals", Roles::ADMIN_IN_PERSON, &["decide-appeal"], &[]),
    row(
        "give notice of content that is illegal (DSA Art. 16)",
        KNOWN.and(Roles::SIGNED_GUEST),
        &["report-content"],
        &[],
    ),
    row(
        "see notices of content: one's own, admins and auditors all",
        KNOWN,
        &[],
        &["/v1/content-notices"],
    ),
    row("decide notices of content", Roles::ADMIN_IN_PERSON, &["decide-content-notice"], &[]),
    row(
        "categories and configuration",
        ADMINS,
        &[
            "create-category",
            "describe-category",
            "reorder-categories",
            "retire-category",
            "set-configuration",
            "describe-configuration",
            "remove-configuration",
        ],
        &[
            "/v1/configuration",
            "/v1/configuration/{key}",
            "/v1/configuration/{key}/history",
            "/v1/analytics/search-trends",
        ],
    ),
    row(
        "integrations",
        ADMINS,
        &[
            "register-integration",
            "configure-integration",
            "enable-integration",
            "disable-integration",
            "remove-integration",
        ],
        &["/v1/integrations/{id}/history"],
    ),
    row(
        "the health of integrations; the handlers show ops no more",
        ADMINS.and(Roles::OPS),
        &["report-integration-error", "record-integration-sync"],
        &["/v1/integrations", "/v1/integrations/{id}"],
    ),
    row(
        "create and manage admins and service accounts",
        Roles::ADMIN_IN_PERSON,
        &[
            "create-admin",
            "suspend-admin",
            "reinstate-admin",
            "retire-admin",
            "grant-admin-scope",
            "revoke-admin-scope",
            "delete-admin",
            "create-service-account",
            "rotate-service-account-key",
            "revoke-service-account-key",
        ],
        &[],
    ),
    row("see the service accounts", ADMINS, &[], &["/v1/service-accounts"]),
    row(
        "manage members and their sessions",
        ADMINS,
        &[
            "suspend-member",
            "reinstate-member",
            "mark-member-for-deletion",
            "cancel-account-deletion",
            "delete-member",
            "start-password-reset",
            "revoke-everybodys-sessions",
        ],
        &["/v1/guests", "/v1/analytics/guest-conversions"],
    ),
    row(
        "organizations and who is in them",
        Roles::ADMIN_IN_PERSON,
        &["create-organization", "add-organization-member", "remove-organization-member"],
        &[],
    ),
    row(
        "see organizations: admins all, everybody else those that one is in, to choose at login",
        KNOWN,
        &[],
        &["/v1/organizations"],
    ),
    row(
        "see who is in an organization; org users their own",
        ADMINS.and(Roles::ORG_USER),
        &[],
        &["/v1/organizations/{id}/members"],
    ),
    row(
        "statutory reports of the session's organization: the commands ask for a reporter",
        Roles::ORG_USER,
        &["create-report", "revise-report", "submit-report"],
        &["/v1/reports", "/v1/reports/{id}"],
    ),
    row(
        "exports: one's own data always, the platform's as member or admin, reports as a reporter; the \
         commands ask",
        KNOWN,
        &["request-export", "cancel-export", "record-export-download", "hide-export"],
        &["/v1/data-export-requests", "/v1/data-export-requests/{id}", "/v1/data-export-logs"],
    ),
    row(
        "see the statutory exports of the session's organization",
        Roles::ORG_USER,
        &[],
        &["/v1/exports", "/v1/exports/{id}"],
    ),
    row(
        "see how much of an export quota is left; org users their own",
        Roles::ORG_USER.and(Roles::OPS),
        &[],
        &["/v1/exports/rate-limit"],
    ),
    row(
        "see which exports wait, fail or are to be cleaned up",
        Roles::OPS.and(Roles::AUDITOR),
        &[],
        &["/v1/exports/queue"],
    ),
    row(
        "make exports, as the platform; the commands ask for a service account to say what became of one",
        Roles::OPS,
        &[
            "request-batch-export",
            "mark-export-processing",
            "mark-export-completed",
            "mark-export-failed",
            "purge-expired-exports",
            "archive-exports",
        ],
        &[],
    ),
    row(
        "put the answer to a person's request for its data off",
        Roles::ADMIN,
        &["extend-export-deadline"],
        &[],
    ),
    row(
        "read statutory exports across organizations",
        Roles::GLOBAL_ADMIN.and(Roles::AUDITOR),
        &[],
        &["/v1/audit/exports"],
    ),
    row(
        "write privacy policies; reviewing one asks for the scope `legal`, and for another person",
        Roles::ADMIN_IN_PERSON,
        &[
            "draft-policy",
            "edit-policy-draft",
            "submit-policy",
            "request-policy-changes",
            "approve-policy",
            "publish-policy",
        ],
        &[],
    ),
    row(
        "note that people were told of a policy",
        ADMINS.and(Roles::OPS),
        &["mark-policy-notified"],
        &[],
    ),
    row(
        "read privacy policies: everybody those that are published, admins and auditors all",
        READERS.and(Roles::OPS),
        &[],
        &["/v1/policies", "/v1/policies/current", "/v1/policies/{version_number}"],
    ),
    row(
        "see who accepted a policy",
        ADMINS.and(Roles::AUDITOR),
        &[],
        &["/v1/policies/{version_number}/acceptances"],
    ),
    row(
        "accept the policy, and one's own consents: nobody answers for another (CON-02); admins and \
         auditors see everybody's",
        KNOWN,
        &["accept-policy", "grant-consent", "deny-consent", "withdraw-consent"],
        &["/v1/consents", "/v1/consents/check", "/v1/consents/{id}", "/v1/consents/{id}/receipt"],
    ),
    row(
        "limit what is done with one's data (Art. 18 and 21 GDPR); admins and auditors see everybody's",
        KNOWN,
        &[
            "object-to-processing",
            "withdraw-objection",
            "restrict-processing",
            "withdraw-restriction",
        ],
        &["/v1/objections", "/v1/restrictions"],
    ),
    row("lift a person's restriction", Roles::ADMIN_IN_PERSON, &["lift-restriction"], &[]),
    row(
        "keep what another system knew of consents",
        Roles::ADMIN_IN_PERSON,
        &["import-consent"],
        &[],
    ),
    row(
        "ask to be erased, prove who one is, take it back; of others than oneself the commands ask for the \
         scope `privacy`",
        KNOWN,
        &["request-deletion", "verify-deletion-identity", "withdraw-deletion-request"],
        &["/v1/data-deletion-requests", "/v1/data-deletion-requests/{id}"],
    ),
    row(
        "review requests to be erased, as a person, and never one's own (DDR-08)",
        Roles::PRIVACY,
        &[
            "start-deletion-review",
            "approve-deletion",
            "reject-deletion",
            "extend-deletion-deadline",
        ],
        &[],
    ),
    row(
        "say whether recipients were told and backups are gone",
        Roles::PRIVACY.and(Roles::OPS),
        &["notify-recipient", "update-backup-erasure"],
        &[],
    ),
    row(
        "see what stays though it was asked to go",
        Roles::PRIVACY.and(Roles::AUDITOR),
        &[],
        &["/v1/retained-data"],
    ),
    row(
        "check certificates of erasures: there is nothing personal in them",
        ANYBODY,
        &[],
        &["/v1/erasure-certificates/{id}", "/v1/erasure-certificate-keys"],
    ),
    row(
        "read audit logs",
        ADMINS.and(Roles::AUDITOR),
        &[],
        &["/v1/audit-log", "/v1/moderation-log", "/v1/appeals", "/v1/search-logs"],
    ),
    row(
        "download one's own data, what one asked for, and reports of one's organization",
        KNOWN,
        &[],
        &["/v1/exports/{id}/download"],
    ),
    row(
        "read the record of processing (Art. 30 GDPR)",
        ADMINS.and(Roles::AUDITOR),
        &[],
        &["/v1/processing-records"],
    ),
    row(
        "deal with security incidents and breaches",
        Roles::SECURITY,
        &[
            "report-incident",
            "record-incident-activity",
            "start-investigation",
            "assign-incident",
            "record-mitigation",
            "escalate-incident",
            "resolve-incident",
            "mark-false-positive",
            "add-forensic-data",
            "assess-impact",
            "declare-breach",
            "record-breach-notification",
        ],
        &[],
    ),
    row(
        "see incidents; the handler shows ops nothing personal",
        Roles::SECURITY.and(Roles::AUDITOR).and(Roles::OPS),
        &[],
        &["/v1/incidents"],
    ),
    row(
        "see an incident with what was found, and the register of breaches",
        Roles::SECURITY.and(Roles::AUDITOR),
        &[],
        &["/v1/incidents/{id}", "/v1/breaches"],
    ),
    row(
        "list, block and rate addresses",
        Roles::SECURITY,
        &[
            "whitelist-ip",
            "remove-from-whitelist",
            "blacklist-ip",
            "remove-from-blacklist",
            "auto-block-ip",
            "lift-auto-block",
            "annotate-ip",
            "record-external-reputation",
        ],
        &[],
    ),
    row(
        "see what is known of addresses, and why",
        Roles::SECURITY.and(Roles::AUDITOR),
        &[],
        &["/v1/ip-reputation", "/v1/ip-reputation/{address}"],
    ),
    row(
        "read the security audit log; each read is an entry of it (SAL-12)",
        Roles::SECURITY.and(Roles::AUDITOR),
        &[],
        &[
            "/v1/security-audit-logs",
            "/v1/security-audit-logs/export",
            "/v1/security-audit-logs/integrity",
            "/v1/security-audit-logs/{id}",
        ],
    ),
    row(
        "read the log itself, across everything",
        Roles::GLOBAL_ADMIN.and(Roles::AUDITOR),
        &[],
        &["/v1/audit/events", "/v1/audit/streams/{type}/{id}"],
    ),
];

/// What members may send though they have not accepted the policy that asks for it (PPV-13): the acceptance
/// itself, what ends a session or an account or keeps it safe, and what the law gives them at any time,
/// which is their data and their consents.
pub const WITHOUT_ACCEPTANCE: &[&str] = &[
    "accept-policy",
    "grant-consent",
    "deny-consent",
    "withdraw-consent",
    "object-to-processing",
    "withdraw-objection",
    "restrict-processing",
    "withdraw-restriction",
    "log-out",
    "revoke-session",
    "revoke-all-sessions",
    "change-password",
    "request-account-deletion",
    "request-export",
    "cancel-export",
    "record-export-download",
    "hide-export",
    "request-deletion",
    "verify-deletion-identity",
    "withdraw-deletion-request",
];

/// Every command with who may send it.
pub static COMMANDS: LazyLock<Vec<(&'static str, Roles)>> = LazyLock::new(|| {
    let of = |action: &'static Action| action.commands.iter().map(|name| (*name, action.who));
    MATRIX.iter().flat_map(of).collect()
});

/// Every route of the read API with who may read it.
pub static READS: LazyLock<Vec<(&'static str, Roles)>> = LazyLock::new(|| {
    let of = |action: &'static Action| action.reads.iter().map(|route| (*route, action.who));
    MATRIX.iter().flat_map(of).collect()
});
