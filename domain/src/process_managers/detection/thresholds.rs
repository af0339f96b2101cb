//! What is noted of requests, what each is a sign of, and how many make an incident.

use crate::security::values::{AttackVector, Confidence, DetectionMethod, IncidentType};

/// What is noted of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// A login with a wrong password, or one that had to wait (CRD-12).
    LoginFailed,
    /// A request beyond what may be asked in a while.
    TooMany,
    /// A request from an address that is blocked.
    Blocked,
    /// A request that looks like an injection into a database.
    SqlInjection,
    /// One that looks like a script for other people's browsers.
    Scripting,
    /// One that looks for holes: other commands, paths out of the tree, files of other software.
    Probing,
}

impl Signal {
    pub(super) fn incident_type(self) -> IncidentType {
        match self {
            Self::LoginFailed => IncidentType::BruteForce,
            Self::TooMany => IncidentType::RateLimitViolation,
            Self::SqlInjection => IncidentType::SqlInjection,
            Self::Scripting => IncidentType::XssAttempt,
            Self::Blocked | Self::Probing => IncidentType::SuspiciousBehavior,
        }
    }

    pub(super) fn method(self) -> DetectionMethod {
        match self {
            Self::LoginFailed | Self::TooMany => DetectionMethod::RateLimiting,
            Self::SqlInjection | Self::Scripting | Self::Probing => {
                DetectionMethod::PatternMatching
            }
            Self::Blocked => DetectionMethod::ReputationFilter,
        }
    }

    pub(super) fn vector(self) -> Option<AttackVector> {
        match self {
            Self::TooMany | Self::Blocked => None,
            Self::LoginFailed | Self::SqlInjection | Self::Scripting | Self::Probing => {
                Some(AttackVector::ApplicationLayer)
            }
        }
    }

    /// A pattern may be an accident; repetition makes it surer. What is counted is certain, and says
    /// nothing.
    pub(super) fn confidence(self, total: u64) -> Option<Confidence> {
        if self.method() != DetectionMethod::PatternMatching {
            return None;
        }
        let times = u32::try_from(total).unwrap_or(u32::MAX);
        let sure = 1.0 - 1.0 / (1.0 + f64::from(times) / 5.0);
        Confidence::try_from((sure * 100.0).round() / 100.0).ok()
    }
}

/// How many of them within the window are an incident.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    pub login_failures: u64,
    pub too_many: u64,
    /// Of requests too many, from which on they are a flood.
    pub flood: u64,
    pub patterns: u64,
    pub blocked: u64,
    /// Failed logins of all clients together.
    pub login_failures_of_all: u64,
    /// Requests too many of all clients together.
    pub flood_of_all: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            login_failures: 20,
            too_many: 100,
            flood: 3_000,
            patterns: 5,
            blocked: 1_000,
            login_failures_of_all: 500,
            flood_of_all: 15_000,
        }
    }
}

impl Thresholds {
    pub(super) fn of_one(self, signal: Signal) -> u64 {
        match signal {
            Signal::LoginFailed => self.login_failures,
            Signal::TooMany => self.too_many,
            Signal::Blocked => self.blocked,
            Signal::SqlInjection | Signal::Scripting | Signal::Probing => self.patterns,
        }
    }

    /// None where what many do is not more than what each does.
    pub(super) fn of_all(self, signal: Signal) -> Option<u64> {
        match signal {
            Signal::LoginFailed => Some(self.login_failures_of_all),
            Signal::TooMany => Some(self.flood_of_all),
            _ => None,
        }
    }
}
