//! Requirements §2 once more, written by hand and apart from the table in the code: a slip in either
//! shows in the other.
//!
//! Roles are letters:
//!
//! | letter | who | letter | who |
//! |---|---|---|---|
//! | g | guest | a | admin without a scope |
//! | v | guest with a signature (visitor) | G S P L | admin: global, security, privacy, legal |
//! | m | member | U | auditor |
//! | w | the author (writer) of what it is about | X | ops |
//! | o | the owner of the community | k | service account with the scope security |
//! | s | suspended member | j | service account with the scope ops (job) |
//! | d | deleted member | z | suspended admin |
//! | r | reporter: a member whose session is of its organization | e | reader, likewise |

/// The letters of all roles.
pub const ROLES: &str = "gvmwosredaGSPLUXkjz";

/// Members all the same: they are named where their organization makes a difference alone.
pub const ORG_USERS: &str = "re";

/// Something that roles may do.
pub struct Row {
    pub what: &'static str,
    /// Who may.
    pub may: &'static str,
    /// Whom the table lets through, and whose the thing is stops. Space is for the eye.
    pub not_theirs: &'static str,
    /// Commands by name, reads by path.
    pub names: &'static [&'static str],
}

const fn row(
    what: &'static str,
    may: &'static str,
    not_theirs: &'static str,
    names: &'static [&'static str],
) -> Row {
    Row { what, may, not_theirs, names }
}

/// The table.
pub const TABLE: &[Row] = &[
    row(
        "register, log in, reset a password: whoever is there, whatever it shows",
        "gv mwos aGSPL UX kj",
        "",
        &["register-member", "log-in", "request-password-reset", "reset-password", "confirm-email"],
    ),
    row("be told apart as a guest", "gv", "", &["record-guest-visit"]),
    row("forget a guest: itself, and admins", "v aGSPL k", "", &["forget-guest"]),
    row(
        "read public communities, posts, comments, categories: all but ops",
        "gv mwos aGSPL U k",
        "",
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
        ],
    ),
    row(
        "hear what happens: a stream ends with its session, and service accounts have none",
        "gv mwos aGSPL U",
        "k",
        &["/v1/live/posts/{id}", "/v1/live/communities/{name}"],
    ),
    row(
        "one's own login: service accounts have none (ADM-07)",
        "mwos aGSPL UX",
        "kj",
        &["log-out", "revoke-all-sessions", "change-password"],
    ),
    row(
        "end a session: one's own, or as an admin anybody's",
        "mwos aGSPL UX k",
        "j",
        &["revoke-session"],
    ),
    row(
        "one's own account",
        "mwos aGSPL UX kj",
        "",
        &["/v1/me", "/v1/me/sessions", "/v1/me/searches"],
    ),
    row(
        "acts of moderation on what one wrote",
        "v mwos aGSPL UX kj",
        "",
        &["/v1/me/moderation-notices"],
    ),
    row(
        "one's own login: service accounts have none",
        "mwos aGSPL UX",
        "kj",
        &["/v1/me/credential", "/v1/live/me"],
    ),
    row("change one's address: with one's password", "mwo aGSPL UX", "kj", &["change-email"]),
    row("change one's name", "mwo aGSPL UX kj", "", &["change-display-name"]),
    row("end one's own account", "mwos", "", &["request-account-deletion"]),
    row("create a community", "mwo", "", &["create-community"]),
    row(
        "edit community metadata and rules: its owner's, and while there is one nobody else's",
        "o",
        "mw aGSPL k",
        &["update-community", "set-community-rules"],
    ),
    row("delete a community", "o aGSPL k", "mw", &["delete-community"]),
    row("restore a community", "aGSPL k", "", &["restore-community"]),
    row(
        "join, leave and visit communities",
        "mwo",
        "",
        &["join-community", "leave-community", "visit-community"],
    ),
    row(
        "communities of one's own",
        "mwos",
        "",
        &["/v1/me/memberships", "/v1/me/recent-communities", "/v1/me/feed"],
    ),
    row("create a post", "mwo aGSPL k", "", &["create-post"]),
    row(
        "edit, delete and restore a post: one's own, and as an admin others'",
        "w aGSPL k",
        "mo",
        &["edit-post", "delete-post", "restore-post"],
    ),
    row(
        "see how it was: one's own, and as an admin others'",
        "w aGSPL k",
        "mos",
        &["/v1/posts/{id}/history", "/v1/comments/{id}/history"],
    ),
    row(
        "create a comment: guests where the configuration lets them",
        "mwo aGSPL k",
        "v",
        &["create-comment"],
    ),
    row(
        "edit, delete and restore a comment, as a post",
        "w aGSPL k",
        "v mo",
        &["edit-comment", "delete-comment", "restore-comment"],
    ),
    row("vote, but not on one's own", "mo aGSPL k", "v w", &["cast-vote"]),
    row("see what one voted", "mwos aGSPL k", "", &["/v1/me/votes", "/v1/me/comment-votes"]),
    row(
        "appeal against an act of moderation: its author",
        "w",
        "mo aGSPL k",
        &["appeal-moderation"],
    ),
    row("decide appeals: admins who are persons", "aGSPL", "", &["decide-appeal"]),
    row(
        "categories, configuration, integrations",
        "aGSPL k",
        "",
        &[
            "create-category",
            "describe-category",
            "reorder-categories",
            "retire-category",
            "set-configuration",
            "describe-configuration",
            "remove-configuration",
            "register-integration",
            "configure-integration",
            "enable-integration",
            "disable-integration",
            "remove-integration",
            "/v1/configuration",
            "/v1/configuration/{key}",
            "/v1/configuration/{key}/history",
            "/v1/integrations/{id}/history",
            "/v1/analytics/search-trends",
        ],
    ),
    row(
        "the health of integrations",
        "aGSPL X kj",
        "",
        &[
            "report-integration-error",
            "record-integration-sync",
            "/v1/integrations",
            "/v1/integrations/{id}",
        ],
    ),
    row(
        "create and manage admins: admins who are persons",
        "aGSPL",
        "",
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
    ),
    row(
        "manage members",
        "aGSPL k",
        "",
        &[
            "suspend-member",
            "reinstate-member",
            "mark-member-for-deletion",
            "cancel-account-deletion",
            "delete-member",
            "start-password-reset",
            "/v1/guests",
            "/v1/analytics/guest-conversions",
            "/v1/service-accounts",
        ],
    ),
    row(
        "end everybody's sessions: it asks for a recent login, and service accounts have none",
        "aGSPL",
        "k",
        &["revoke-everybodys-sessions"],
    ),
    row(
        "read audit logs",
        "aGSPL U k",
        "",
        &["/v1/audit-log", "/v1/moderation-log", "/v1/appeals", "/v1/search-logs"],
    ),
    row(
        "organizations and who is in them: admins who are persons",
        "aGSPL",
        "",
        &["create-organization", "add-organization-member", "remove-organization-member"],
    ),
    row(
        "list organizations: admins all, others their own",
        "mwos aGSPL UX kj",
        "",
        &["/v1/organizations"],
    ),
    row(
        "see who is in an organization: its own people, and admins",
        "re aGSPL k",
        "",
        &["/v1/organizations/{id}/members"],
    ),
    row(
        "write reports: the organization's reporters",
        "r",
        "e",
        &["create-report", "revise-report", "submit-report"],
    ),
    row(
        "see reports and their exports: the organization's people",
        "re",
        "",
        &["/v1/reports", "/v1/reports/{id}", "/v1/exports", "/v1/exports/{id}"],
    ),
    row(
        "ask for one's own data (DXR-15): service accounts have none",
        "mwos aGSPL UX",
        "kj",
        &["request-export"],
    ),
    row(
        "cancel and hide exports: one's own, and as an admin others'",
        "w aGSPL k",
        "mos UX j",
        &["cancel-export", "hide-export"],
    ),
    row(
        "download one's own data",
        "w",
        "mos aGSPL UX kj",
        &["record-export-download", "/v1/exports/{id}/download"],
    ),
    row(
        "list exports: one's own",
        "mwos aGSPL UX kj",
        "",
        &["/v1/data-export-requests", "/v1/data-export-logs"],
    ),
    row(
        "see a request for somebody's data: one's own, and admins and auditors",
        "w aGSPL U k",
        "mos X j",
        &["/v1/data-export-requests/{id}"],
    ),
    row("see what is left of a quota", "re X j", "", &["/v1/exports/rate-limit"]),
    row("see which exports wait", "UX j", "", &["/v1/exports/queue"]),
    row(
        "run exports as the platform",
        "X j",
        "",
        &["request-batch-export", "purge-expired-exports", "archive-exports"],
    ),
    row(
        "say what became of an export: programs alone",
        "j",
        "X",
        &["mark-export-processing", "mark-export-completed", "mark-export-failed"],
    ),
    row("put the answer to a person off", "aGSPL k", "", &["extend-export-deadline"]),
    row("read statutory exports across organizations", "G U", "", &["/v1/audit/exports"]),
    row("read the record of processing", "aGSPL U k", "", &["/v1/processing-records"]),
    row(
        "write privacy policies",
        "aGSPL",
        "",
        &["draft-policy", "edit-policy-draft", "submit-policy", "publish-policy"],
    ),
    row(
        "review privacy policies: who has the scope for it (PPV-14)",
        "L",
        "aGSP",
        &["request-policy-changes", "approve-policy"],
    ),
    row("note that people were told of a policy", "aGSPL X kj", "", &["mark-policy-notified"]),
    row(
        "read privacy policies",
        "gv mwos aGSPL UX kj",
        "",
        &["/v1/policies", "/v1/policies/current", "/v1/policies/{version_number}"],
    ),
    row(
        "see who accepted a policy",
        "aGSPL U k",
        "",
        &["/v1/policies/{version_number}/acceptances"],
    ),
    row(
        "accept a policy and answer for oneself: a service account is nobody who could (CON-02)",
        "mwos aGSPL UX",
        "kj",
        &["accept-policy", "grant-consent", "deny-consent", "withdraw-consent"],
    ),
    row(
        "see consents, and ask the gate",
        "mwos aGSPL UX kj",
        "",
        &["/v1/consents", "/v1/consents/check"],
    ),
    row(
        "see a consent: one's own, admins and auditors anybody's",
        "w aGSPL U k",
        "mos X j",
        &["/v1/consents/{id}", "/v1/consents/{id}/receipt"],
    ),
    row("ask to be erased: persons", "mwos aGSPL UX", "kj", &["request-deletion"]),
    row(
        "say that a person is who it says: itself, and who reviews",
        "w GP",
        "mos aSL UX kj",
        &["verify-deletion-identity"],
    ),
    row(
        "take a request to be erased back: its person",
        "w",
        "mos aGSPL UX kj",
        &["withdraw-deletion-request"],
    ),
    row(
        "review requests to be erased: who has the scope for it",
        "GP",
        "",
        &[
            "start-deletion-review",
            "approve-deletion",
            "reject-deletion",
            "extend-deletion-deadline",
        ],
    ),
    row(
        "say whether recipients were told and backups are gone",
        "GP X j",
        "",
        &["notify-recipient", "update-backup-erasure"],
    ),
    row("list requests to be erased", "mwos aGSPL UX kj", "", &["/v1/data-deletion-requests"]),
    row(
        "see a request to be erased: one's own, and who reviews or audits",
        "w GP U",
        "mos aSL X kj",
        &["/v1/data-deletion-requests/{id}"],
    ),
    row("see what stays", "GP U", "", &["/v1/retained-data"]),
    row(
        "check certificates of erasures",
        "gv mwos aGSPL UX kj",
        "",
        &["/v1/erasure-certificates/{id}", "/v1/erasure-certificate-keys"],
    ),
    row("keep what another system knew of consents", "aGSPL", "", &["import-consent"]),
    row(
        "deal with incidents, breaches and addresses",
        "GS k",
        "",
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
            "whitelist-ip",
            "remove-from-whitelist",
            "blacklist-ip",
            "remove-from-blacklist",
            "auto-block-ip",
            "lift-auto-block",
            "annotate-ip",
            "record-external-reputation",
        ],
    ),
    row("see the board of incidents", "GS UX kj", "", &["/v1/incidents"]),
    row(
        "see incidents, breaches and addresses",
        "GS U k",
        "",
        &["/v1/incidents/{id}", "/v1/breaches", "/v1/ip-reputation", "/v1/ip-reputation/{address}"],
    ),
    row(
        "read the log itself, across everything",
        "G U",
        "",
        &["/v1/audit/events", "/v1/audit/streams/{type}/{id}"],
    ),
];
