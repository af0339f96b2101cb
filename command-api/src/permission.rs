//! Who may send what, by the permission matrix of the domain: deny by default.

use std::collections::HashMap;

pub use agora_domain::permissions::{COMMANDS, Roles};
use agora_service::problem::Problem;

/// A set of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles(u16);

impl Roles {
    pub const NOBODY: Self = Self(0);
    /// Whoever has no session, be it known as a guest or not at all.
    pub const GUEST: Self = Self(1);
    /// An active member.
    pub const MEMBER: Self = Self(1 << 1);
    /// A member who is suspended or waits for deletion (MEM-05, MEM-06).
    pub const RESTRICTED_MEMBER: Self = Self(1 << 2);
    /// An admin without scopes, or with one that administers.
    pub const ADMIN: Self = Self(1 << 3);
    /// An admin whose scopes only let it read (auditor).
    pub const AUDITOR: Self = Self(1 << 4);
    /// An admin whose scopes only let it run jobs (ops).
    pub const OPS: Self = Self(1 << 5);
    /// A guest that shows its signature, where it acts as that guest (CMT-09, CVT-06).
    pub const SIGNED_GUEST: Self = Self(1 << 6);

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn include(self, role: Self) -> bool {
        self.0 & role.0 != 0
    }

    /// The role of an active admin: its scopes decide.
    pub fn of_admin(admin: &Admin) -> Self {
        let administers =
            |scope: &AdminScope| !matches!(scope, AdminScope::Auditor | AdminScope::Ops);
        if admin.scopes().is_empty() || admin.scopes().iter().any(administers) {
            Self::ADMIN
        } else if admin.has_scope(AdminScope::Auditor) {
            Self::AUDITOR
        } else {
            Self::OPS
        }
    }
}

const ANYBODY: Roles = Roles::GUEST.and(KNOWN);
/// Whoever has a session.
const KNOWN: Roles = Roles::MEMBER
    .and(Roles::RESTRICTED_MEMBER)
    .and(Roles::ADMIN)
    .and(Roles::AUDITOR)
    .and(Roles::OPS);
const MEMBERS: Roles = Roles::MEMBER;
const ADMINS: Roles = Roles::ADMIN;
/// "ops: health" (E05).
const ADMINS_AND_OPS: Roles = Roles::ADMIN.and(Roles::OPS);
const MEMBERS_AND_ADMINS: Roles = Roles::MEMBER.and(Roles::ADMIN);
/// Guests only where the configuration lets them: the commands ask it.
const COMMENTERS: Roles = MEMBERS_AND_ADMINS.and(Roles::SIGNED_GUEST);

/// The table: a line a command.
pub const COMMANDS: &[(&str, Roles)] = &[
    ("register-member", ANYBODY),
    ("log-in", ANYBODY),
    ("record-guest-visit", Roles::GUEST.and(Roles::SIGNED_GUEST)),
    ("forget-guest", ADMINS.and(Roles::SIGNED_GUEST)),
    ("log-out", KNOWN),
    ("revoke-session", KNOWN),
    ("revoke-all-sessions", KNOWN),
    ("revoke-everybodys-sessions", ADMINS),
    ("change-password", KNOWN),
    ("request-password-reset", ANYBODY),
    ("start-password-reset", ADMINS),
    ("reset-password", ANYBODY),
    ("change-email", MEMBERS.and(Roles::ADMIN).and(Roles::AUDITOR).and(Roles::OPS)),
    ("confirm-email", ANYBODY),
    ("change-display-name", MEMBERS.and(Roles::ADMIN).and(Roles::AUDITOR).and(Roles::OPS)),
    ("create-admin", ADMINS),
    ("create-service-account", ADMINS),
    ("rotate-service-account-key", ADMINS),
    ("revoke-service-account-key", ADMINS),
    ("suspend-admin", ADMINS),
    ("reinstate-admin", ADMINS),
    ("retire-admin", ADMINS),
    ("grant-admin-scope", ADMINS),
    ("revoke-admin-scope", ADMINS),
    ("delete-admin", ADMINS),
    ("suspend-member", ADMINS),
    ("reinstate-member", ADMINS),
    ("request-account-deletion", MEMBERS.and(Roles::RESTRICTED_MEMBER)),
    ("mark-member-for-deletion", ADMINS),
    ("cancel-account-deletion", ADMINS),
    ("delete-member", ADMINS),
    ("create-category", ADMINS),
    ("describe-category", ADMINS),
    ("reorder-categories", ADMINS),
    ("retire-category", ADMINS),
    ("set-configuration", ADMINS),
    ("describe-configuration", ADMINS),
    ("remove-configuration", ADMINS),
    ("register-integration", ADMINS),
    ("configure-integration", ADMINS),
    ("enable-integration", ADMINS),
    ("disable-integration", ADMINS),
    ("remove-integration", ADMINS),
    ("report-integration-error", ADMINS_AND_OPS),
    ("record-integration-sync", ADMINS_AND_OPS),
    ("create-community", MEMBERS),
    // Admins where the owner's account is deleted: the commands ask it (COM-16).
    ("update-community", MEMBERS_AND_ADMINS),
    ("set-community-rules", MEMBERS_AND_ADMINS),
    ("delete-community", MEMBERS_AND_ADMINS),
    ("restore-community", ADMINS),
    ("join-community", MEMBERS),
    ("leave-community", MEMBERS),
    ("visit-community", MEMBERS),
    ("create-post", MEMBERS_AND_ADMINS),
    ("edit-post", MEMBERS_AND_ADMINS),
    ("delete-post", MEMBERS_AND_ADMINS),
    ("restore-post", MEMBERS_AND_ADMINS),
    ("create-comment", COMMENTERS),
    ("edit-comment", COMMENTERS),
    ("delete-comment", COMMENTERS),
    ("restore-comment", COMMENTERS),
    ("cast-vote", COMMENTERS),
    ("appeal-moderation", MEMBERS_AND_ADMINS),
    ("decide-appeal", ADMINS),
];

/// Nobody changes its own status or scopes (ADM-05, ADM-06): whoever takes an admin's rights away
/// keeps its own, so that somebody who administers is always left.
pub fn not_oneself(
    decision: &crate::decision::Decision<'_>,
    admin_id: agora_domain::ids::AdminId,
    rule: &'static str,
) -> Result<(), crate::refusal::CommandError> {
    if decision.actor()? == agora_domain::Actor::admin(admin_id) {
        let detail = "No admin changes its own status or scopes: another one has to.";
        return Err(Problem::forbidden(detail).with_rule(rule).into());
    }
    Ok(())
}

/// The table, ready for look-ups.
pub struct Matrix(HashMap<&'static str, Roles>);

impl Matrix {
    pub fn new() -> Self {
        Self(COMMANDS.iter().copied().collect())
    }

    pub fn roles(&self, command: &str) -> Roles {
        self.0.get(command).copied().unwrap_or(Roles::NOBODY)
    }

    /// Whether a guest's signature says who sends the command. Where everybody may send it, it does
    /// not: whoever registers or logs in is not to be found again by the guest that it was (GST-06).
    pub fn tells_guests_apart(&self, command: &str) -> bool {
        let allowed = self.roles(command);
        allowed.include(Roles::SIGNED_GUEST) || !allowed.include(Roles::GUEST)
    }

    /// Refuses what a role may not send; who shows nothing has none. What nobody known may not is
    /// 401: a login may help.
    pub fn permit(&self, command: &str, role: Option<Roles>) -> Result<(), Problem> {
        let allowed = self.roles(command);
        match role {
            None if allowed.include(Roles::GUEST) => Ok(()),
            None => Err(Problem::unauthenticated(
                "This command needs a session: send `Authorization: Bearer <token>` with a token \
                 of log-in.",
            )
            .with_rule("SES-13")),
            Some(role) if allowed.include(role) => Ok(()),
            Some(Roles::RESTRICTED_MEMBER) => Err(Problem::forbidden(
                "The account is suspended or waits for deletion: it can read, export and log out.",
            )
            .with_rule("MEM-05")),
            Some(role) => Err(Problem::forbidden("Your role may not send this command.")
                .with_rule(forbidden_rule(command, role))),
        }
    }
}

/// The rule that keeps a command from other roles, where one says so by itself.
fn forbidden_rule(command: &str, role: Roles) -> &'static str {
    match command {
        "create-community" => "COM-12",
        "create-post" if role == Roles::SIGNED_GUEST => "PST-05",
        "create-admin" => "ADM-01",
        "join-community" | "leave-community" => "MSH-01",
        "restore-community" => "COM-08",
        _ => "ROL-01",
    }
}

impl Default for Matrix {
    fn default() -> Self {
        Self::new()
    }
}
