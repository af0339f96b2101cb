//! Who may read what, by the permission matrix of the domain: deny by default.

pub use agora_domain::permissions::{READS, Roles};
use agora_domain::identity::values::AdminScope;

use Role::{Admin, Auditor, GlobalAdmin, Guest, Member, Ops};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Guest,
    Member,
    Admin,
    GlobalAdmin,
    Auditor,
    Ops,
}

impl Role {
    pub const ALL: [Self; 6] = [Guest, Member, Admin, GlobalAdmin, Auditor, Ops];

    /// The roles of an admin. Auditor and ops are narrower than admin: who has only these scopes
    /// audits, or runs jobs, and does not administer.
    pub fn of_admin(scopes: &[AdminScope]) -> Vec<Self> {
        let narrow = |scope: &AdminScope| matches!(scope, AdminScope::Auditor | AdminScope::Ops);
        let mut roles = Vec::new();
        if scopes.is_empty() || !scopes.iter().all(narrow) {
            roles.push(Admin);
        }
        for (scope, role) in [
            (AdminScope::Global, GlobalAdmin),
            (AdminScope::Auditor, Auditor),
            (AdminScope::Ops, Ops),
        ] {
            if scopes.contains(&scope) {
                roles.push(role);
            }
        }
        roles
    }
}

/// "read public communities, posts, comments, categories": everybody but ops, who read no content.
const PUBLIC: &[Role] = &[Guest, Member, Admin, GlobalAdmin, Auditor];
/// One's own account: everybody who has one.
const OWN: &[Role] = &[Member, Admin, GlobalAdmin, Auditor, Ops];
/// Admins are never members of communities.
const OWN_MEMBERSHIPS: &[Role] = &[Member];
/// Who may vote.
const OWN_VOTES: &[Role] = &[Member, Admin, GlobalAdmin];
/// The handler sees to it that a member is the author (PST-12).
const HISTORY: &[Role] = &[Member, Admin, GlobalAdmin];
/// "categories, configuration, integrations".
const SITE: &[Role] = &[Admin, GlobalAdmin];
/// "admin reads aggregates" of guests; who manages admins sees the programs among them.
const ADMINISTRATION: &[Role] = &[Admin, GlobalAdmin];
/// "ops: health" (E05); the handler sees to it that they see no more.
const INTEGRATIONS: &[Role] = &[Admin, GlobalAdmin, Ops];
/// "read audit logs".
const AUDIT_LOG: &[Role] = &[Admin, GlobalAdmin, Auditor];
/// The log itself, across everything.
const AUDIT: &[Role] = &[GlobalAdmin, Auditor];

/// Each route with who may read it.
pub const PERMISSIONS: &[(&str, &[Role])] = &[
    ("/v1/categories", PUBLIC),
    ("/v1/communities", PUBLIC),
    ("/v1/communities/{name}", PUBLIC),
    ("/v1/communities/{name}/posts", PUBLIC),
    ("/v1/communities/{name}/rules", PUBLIC),
    ("/v1/communities/{name}/rules/history", PUBLIC),
    ("/v1/communities/{name}/moderation-log", PUBLIC),
    ("/v1/posts/{id}", PUBLIC),
    ("/v1/posts/{id}/score", PUBLIC),
    ("/v1/posts/{id}/history", HISTORY),
    ("/v1/posts/{id}/comments", PUBLIC),
    ("/v1/posts/{id}/comments/all", PUBLIC),
    ("/v1/comments/{id}", PUBLIC),
    ("/v1/comments/{id}/replies", PUBLIC),
    ("/v1/comments/{id}/history", HISTORY),
    ("/v1/search/communities", PUBLIC),
    ("/v1/search/posts", PUBLIC),
    ("/v1/search/comments", PUBLIC),
    ("/v1/settings", PUBLIC),
    ("/v1/configuration", SITE),
    ("/v1/configuration/{key}", SITE),
    ("/v1/configuration/{key}/history", SITE),
    ("/v1/integrations", INTEGRATIONS),
    ("/v1/integrations/{id}", INTEGRATIONS),
    ("/v1/integrations/{id}/history", SITE),
    ("/v1/me", OWN),
    ("/v1/me/credential", OWN),
    ("/v1/me/memberships", OWN_MEMBERSHIPS),
    ("/v1/me/recent-communities", OWN_MEMBERSHIPS),
    ("/v1/me/feed", OWN_MEMBERSHIPS),
    ("/v1/me/sessions", OWN),
    ("/v1/me/moderation-notices", OWN),
    ("/v1/me/votes", OWN_VOTES),
    ("/v1/me/comment-votes", OWN_VOTES),
    ("/v1/me/searches", OWN),
    ("/v1/analytics/search-trends", SITE),
    ("/v1/search-logs", AUDIT_LOG),
    ("/v1/guests", ADMINISTRATION),
    ("/v1/service-accounts", ADMINISTRATION),
    ("/v1/analytics/guest-conversions", ADMINISTRATION),
    ("/v1/live/posts/{id}", PUBLIC),
    ("/v1/live/communities/{name}", PUBLIC),
    ("/v1/live/me", OWN),
    ("/v1/audit-log", AUDIT_LOG),
    ("/v1/moderation-log", AUDIT_LOG),
    ("/v1/appeals", AUDIT_LOG),
    ("/v1/audit/events", AUDIT),
    ("/v1/audit/streams/{type}/{id}", AUDIT),
];

/// Whether any of the roles may read the route.
pub fn may(roles: Roles, route: &str) -> bool {
    READS.iter().any(|(listed, allowed)| *listed == route && allowed.include(roles))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rol_01_what_is_not_listed_is_refused() {
        for (_, role) in Roles::ALL {
            assert!(!may(role, "/v1/secrets"));
        }
    }
}
