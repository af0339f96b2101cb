//! Who may send what, by the permission matrix of the domain: deny by default.

use std::collections::HashMap;

pub use agora_domain::permissions::{COMMANDS, Roles};
use agora_service::problem::Problem;
use utoipa::ToSchema;

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

/// A scope of an admin, one of a list.
#[derive(ToSchema)]
#[schema(as = AdminScope, example = "auditor",
         pattern = "^(global|security|privacy|legal|auditor|ops)$")]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct ScopeSchema(String);

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
