//! The one place where the domain's and the log's "no" becomes a problem document.

use agora_domain::{Refusal, RefusalKind};
use agora_event_store::{AppendError, LoadError, seal::SealError};
use agora_service::problem::{Kind, Problem};

use crate::{addresses::IP_ADDRESS, incidents::OPEN_INCIDENT};

/// Why a command was not carried out.
#[derive(Debug)]
pub enum CommandError {
    /// For good: what the client is told.
    Refused(Problem),
    /// The decision was taken on a state that has moved on: decide again.
    Moved,
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        Self::Refused(match error {
            LoadError::Event { .. } => {
                tracing::error!(%error, "a stored event cannot be read");
                Problem::internal()
            }
            LoadError::Database(_) | LoadError::Repository(_) | LoadError::Vault(_) => {
                tracing::error!(%error, "cannot load");
                unavailable()
            }
        })
    }
}

impl From<SealError> for CommandError {
    fn from(error: SealError) -> Self {
        Self::Refused(match error {
            SealError::Erased { .. } => {
                Problem::gone("The person whom this is about has been erased.").with_rule("MEM-07")
            }
            SealError::LooksSealed => {
                Problem::malformed("A text must not begin with `sealed:v1:`.")
            }
            SealError::Vault(_) => {
                tracing::error!(%error, "cannot seal");
                unavailable()
            }
            SealError::Json(_) | SealError::Malformed => {
                tracing::error!(%error, "cannot seal");
                Problem::internal()
            }
        })
    }
}

impl From<AppendError> for CommandError {
    fn from(error: AppendError) -> Self {
        Self::Refused(match error {
            AppendError::Moved => return Self::Moved,
            // Somebody else begins what is known of the address, or the incident: theirs is gone on with.
            AppendError::Claimed(scope) if scope == IP_ADDRESS || scope == OPEN_INCIDENT => {
                return Self::Moved;
            }
            AppendError::Claimed(scope) => taken(&scope),
            AppendError::Data(state) => {
                // Values are parsed before they get here, so this is a hole in a parser.
                tracing::error!(state, "the log refused the data of a command");
                Problem::malformed("The log cannot hold this text.")
            }
            AppendError::Unavailable => unavailable(),
            AppendError::Unknown => Problem::unavailable(
                "The log was lost before it answered. Send the same command again with the same \
                 Idempotency-Key to learn what became of it.",
            ),
        })
    }
}

/// An aggregate's refusal.
pub fn refused(refusal: impl Refusal) -> CommandError {
    let kind = match refusal.kind() {
        RefusalKind::Malformed => Kind::Malformed,
        RefusalKind::Unauthenticated => Kind::Unauthenticated,
        RefusalKind::Forbidden => Kind::Forbidden,
        RefusalKind::NotFound => Kind::NotFound,
        RefusalKind::Conflict => Kind::Conflict,
        RefusalKind::Gone => Kind::Gone,
        RefusalKind::Invalid => Kind::RuleBroken,
    };
    Problem::new(kind, sentence(&refusal.to_string())).with_rule(refusal.rule()).into()
}

/// A natural key that somebody else has (CRD-01, CAT-03, COM-02).
fn taken(scope: &str) -> Problem {
    match scope {
        "email" => Problem::rule_broken("CRD-01", "This e-mail address is registered already."),
        "category_name" => Problem::rule_broken(
            "CAT-03",
            "There is a category of this name already (case does not count).",
        ),
        "integration_name" => Problem::rule_broken(
            "INT-01",
            "There is an integration of this name already (case does not count).",
        ),
        "organization_name" => Problem::rule_broken(
            "REL-09",
            "There is an organization of this name already (case does not count).",
        ),
        "policy_version" => Problem::rule_broken(
            "PPV-01",
            "There is a version of the privacy policy of this number already.",
        ),
        "bufdir_report_draft" => Problem::conflict(
            "There is a draft for this period and schema version already: revise or submit it.",
        )
        .with_rule("REL-09"),
        "community_name" => Problem::rule_broken(
            "COM-02",
            "There is, or was, a community of this name (case does not count).",
        ),
        _ => Problem::conflict("The key is taken."),
    }
}

/// A thing that is not there (REL-10).
pub fn no_such(thing: &'static str) -> CommandError {
    Problem::not_found(format!("There is no such {thing}.")).with_rule("REL-10").into()
}

/// What only members have, asked for by somebody else.
pub fn members_only(rule: &'static str) -> Problem {
    Problem::forbidden("Only members may do this.").with_rule(rule)
}

/// Failures for one account or from one address that have to be waited out (CRD-12).
pub fn too_many_failures(wait: std::time::Duration) -> Problem {
    too_many(wait, Some("CRD-12"))
}

/// More of something than may be done in a while.
pub fn too_many(wait: std::time::Duration, rule: Option<&'static str>) -> Problem {
    let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
    let problem = Problem::too_many_requests(seconds);
    match rule {
        Some(rule) => problem.with_rule(rule),
        None => problem,
    }
}

/// An error where nothing can be decided again.
pub fn at_once(error: CommandError) -> Problem {
    match error {
        CommandError::Refused(problem) => problem,
        CommandError::Moved => unavailable(),
    }
}

pub fn unavailable() -> Problem {
    Problem::unavailable("The log cannot be reached: nothing was done. Send the command again.")
}

/// `there is no such post` → `There is no such post.`
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
