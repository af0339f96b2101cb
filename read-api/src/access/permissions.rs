//! Who may read what, by the permission matrix of the domain: deny by default.

pub use agora_domain::permissions::{READS, Roles};

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
