//! The roles that the matrix knows, and who has which.

use crate::identity::values::AdminScope;

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u16);

impl Roles {
    pub const NOBODY: Self = Self(0);
    /// Whoever shows nothing.
    pub const GUEST: Self = Self(1);
    /// A guest that shows its signature, where it acts as that guest (CMT-09, CVT-06).
    pub const SIGNED_GUEST: Self = Self(1 << 1);
    /// An active member.
    pub const MEMBER: Self = Self(1 << 2);
    /// A member who is suspended or waits for deletion (MEM-05, MEM-06).
    pub const RESTRICTED_MEMBER: Self = Self(1 << 3);
    /// An admin without scopes, or with one that administers.
    pub const ADMIN: Self = Self(1 << 4);
    /// An admin with the scope `global`.
    pub const GLOBAL_ADMIN: Self = Self(1 << 5);
    /// An admin with the scope `auditor`.
    pub const AUDITOR: Self = Self(1 << 6);
    /// An admin with the scope `ops`.
    pub const OPS: Self = Self(1 << 7);

    /// An admin who administers and has logged in: a person, no service account. Otherwise a program
    /// could take the last person's rights, and one person be two (ADM-05, ADM-07, MOD-08).
    pub const ADMIN_IN_PERSON: Self = Self(1 << 8);

    /// Whoever's session carries an organization that its holder is still in, as a reporter or a reader
    /// (K3). Beside what its holder is: a member, an admin.
    pub const ORG_USER: Self = Self(1 << 9);

    /// An admin with the scope `privacy` or `global`: what people ask for by law. Beside what an admin is.
    pub const PRIVACY: Self = Self(1 << 10);

    /// An admin with the scope `security` or `global`: incidents and the reputation of addresses. Beside
    /// what an admin is.
    pub const SECURITY: Self = Self(1 << 12);

    /// Each role with its name.
    pub const ALL: [(&str, Self); 12] = [
        ("guest", Self::GUEST),
        ("signed guest", Self::SIGNED_GUEST),
        ("member", Self::MEMBER),
        ("restricted member", Self::RESTRICTED_MEMBER),
        ("admin", Self::ADMIN),
        ("global admin", Self::GLOBAL_ADMIN),
        ("auditor", Self::AUDITOR),
        ("ops", Self::OPS),
        ("admin in person", Self::ADMIN_IN_PERSON),
        ("org user", Self::ORG_USER),
        ("privacy", Self::PRIVACY),
        ("security", Self::SECURITY),
    ];

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of the roles is in the set.
    pub const fn include(self, roles: Self) -> bool {
        self.0 & roles.0 != 0
    }

    /// The roles of an active admin. Auditor and ops are narrower than admin: who has only these
    /// scopes audits, or runs jobs, and does not administer.
    pub fn of_admin(scopes: &[AdminScope]) -> Self {
        let narrow = |scope: &AdminScope| matches!(scope, AdminScope::Auditor | AdminScope::Ops);
        let administers = scopes.is_empty() || !scopes.iter().all(narrow);
        let first = if administers { Self::ADMIN } else { Self::NOBODY };
        scopes.iter().fold(first, |roles, scope| match scope {
            AdminScope::Global => {
                roles.and(Self::GLOBAL_ADMIN).and(Self::SECURITY).and(Self::PRIVACY)
            }
            AdminScope::Privacy => roles.and(Self::PRIVACY),
            AdminScope::Security => roles.and(Self::SECURITY),
            AdminScope::Auditor => roles.and(Self::AUDITOR),
            AdminScope::Ops => roles.and(Self::OPS),
            _ => roles,
        })
    }

    /// The roles of somebody who has logged in with them.
    #[must_use]
    pub const fn in_person(self) -> Self {
        if self.include(Self::ADMIN) { self.and(Self::ADMIN_IN_PERSON) } else { self }
    }
}
