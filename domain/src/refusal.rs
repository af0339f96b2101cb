//! How the domain says no: every refusal names the rule of the requirements that it follows from.

use std::fmt;

/// What kind of no it is. One file of the command API turns it into an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request cannot be read as what it should be: 400.
    Malformed,
    /// Who asks is not known, or no longer: 401.
    Unauthenticated,
    /// Who asks may not: 403.
    Forbidden,
    /// There is no such thing, or its existence must not leak: 404.
    NotFound,
    /// Another change came first, or the thing is in the wrong state for this: 409.
    Conflict,
    /// It existed and is gone: 410.
    Gone,
    /// A value or a combination of values breaks a rule: 422.
    Invalid,
}

/// A refusal of an aggregate. Implemented by each aggregate's error enum.
pub trait Refusal: std::error::Error + Send + Sync + 'static {
    /// The id of the broken rule, such as `PST-01`.
    fn rule(&self) -> &'static str;
    fn kind(&self) -> RefusalKind;
}

/// A value that breaks a rule. `detail` never repeats the value: it may be personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleBreak {
    /// The rule's id; `None` where the text is not even of the right form (then it is a 400).
    pub rule: Option<&'static str>,
    pub detail: &'static str,
}

impl RuleBreak {
    pub const fn new(rule: &'static str, detail: &'static str) -> Self {
        Self { rule: Some(rule), detail }
    }

    pub const fn malformed(detail: &'static str) -> Self {
        Self { rule: None, detail }
    }
}

impl fmt::Display for RuleBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl std::error::Error for RuleBreak {}
