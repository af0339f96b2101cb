//! Which limits there are: a line each.

/// What a request costs, by its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What checks a secret or has a mail sent for whoever asks.
    Login,
    /// Any other command.
    Write,
    Read,
    /// A read that can be made to take long.
    Search,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Address,
    Principal,
}

/// One limit.
#[derive(Debug, PartialEq, Eq)]
pub struct Policy {
    pub subject: Subject,
    pub class: Class,
    /// As `RateLimit-Policy` calls it.
    pub name: &'static str,
    /// The key of the configuration that sets it.
    pub setting: &'static str,
}

/// All of them. Whoever logs in is not known yet: that has no limit by principal.
pub static POLICIES: [Policy; 7] = [
    policy(Subject::Address, Class::Login, "address-login", "rate_limit_address_login"),
    policy(Subject::Address, Class::Read, "address-read", "rate_limit_address_read"),
    policy(Subject::Address, Class::Search, "address-search", "rate_limit_address_search"),
    policy(Subject::Address, Class::Write, "address-write", "rate_limit_address_write"),
    policy(Subject::Principal, Class::Read, "principal-read", "rate_limit_principal_read"),
    policy(Subject::Principal, Class::Search, "principal-search", "rate_limit_principal_search"),
    policy(Subject::Principal, Class::Write, "principal-write", "rate_limit_principal_write"),
];

const fn policy(
    subject: Subject,
    class: Class,
    name: &'static str,
    setting: &'static str,
) -> Policy {
    Policy { subject, class, name, setting }
}
