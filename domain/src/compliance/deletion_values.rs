//! What a request to be erased is described by: how much, on what ground, what stays and why, what was
//! done.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    exports::export_values::words,
    personal::{Category, Personal},
    refusal::RuleBreak,
    values::Reason,
};

words! {
    /// How much is erased (DDR-01, DDR-19).
    DeletionScope, "DDR-01" "must be COMPLETE_DELETION, PARTIAL_DELETION or ANONYMIZATION" {
        /// The account and everything that the person wrote.
        CompleteDeletion => "COMPLETE_DELETION",
        /// What is named; the account goes on.
        PartialDeletion => "PARTIAL_DELETION",
        /// The account and who the person is; what it wrote stays, by nobody.
        Anonymization => "ANONYMIZATION",
    }
    /// The grounds of Art. 17(1) GDPR: the four that the seed knows (DDR-01), and two that are taken where
    /// `extended_deletion_grounds` is set (K17).
    DeletionGround, "DDR-01" "must be CONSENT_WITHDRAWN, UNLAWFUL_PROCESSING, NO_LONGER_NECESSARY or OBJECTION" {
        ConsentWithdrawn => "CONSENT_WITHDRAWN",
        UnlawfulProcessing => "UNLAWFUL_PROCESSING",
        NoLongerNecessary => "NO_LONGER_NECESSARY",
        Objection => "OBJECTION",
        /// (e): the law wants it erased.
        LegalObligation => "LEGAL_OBLIGATION",
        /// (f): it was collected for a service that a child was offered.
        ServiceOfferedToChild => "SERVICE_OFFERED_TO_CHILD",
    }
    /// Where a request stands (DDR-01, DDR-03).
    DeletionStatus, "DDR-01" "must be PENDING, UNDER_REVIEW, APPROVED, REJECTED, PROCESSING or COMPLETED" {
        Pending => "PENDING",
        UnderReview => "UNDER_REVIEW",
        Approved => "APPROVED",
        Rejected => "REJECTED",
        Processing => "PROCESSING",
        Completed => "COMPLETED",
    }
    /// Whether backups still hold what was erased (DDR-01, DDR-10).
    BackupStatus, "DDR-01" "must be PENDING, IN_PROGRESS, COMPLETED or NOT_APPLICABLE" {
        Pending => "PENDING",
        InProgress => "IN_PROGRESS",
        Completed => "COMPLETED",
        NotApplicable => "NOT_APPLICABLE",
    }
    /// The exceptions of Art. 17(3) (a) to (e) GDPR (DDR-06, DDR-13).
    RetentionGround, "DDR-06" "must be FREE_EXPRESSION, LEGAL_OBLIGATION, PUBLIC_HEALTH, ARCHIVING_OR_RESEARCH or LEGAL_CLAIMS" {
        FreeExpression => "FREE_EXPRESSION",
        LegalObligation => "LEGAL_OBLIGATION",
        PublicHealth => "PUBLIC_HEALTH",
        ArchivingOrResearch => "ARCHIVING_OR_RESEARCH",
        LegalClaims => "LEGAL_CLAIMS",
    }
    /// Whether somebody to whom data was disclosed was told of its erasure (Art. 19 GDPR, DDR-12).
    RecipientStatus, "DDR-12" "must be NOTIFIED, FAILED or IMPOSSIBLE" {
        /// Not yet: no client says this.
        Pending => "PENDING",
        Notified => "NOTIFIED",
        /// It is tried again.
        Failed => "FAILED",
        /// Or would take a disproportionate effort.
        Impossible => "IMPOSSIBLE",
    }
    /// A place from which an erasure takes what it is about (DDR-09, DDR-14), in the order in which it
    /// does.
    ErasureStore, "DDR-09" "must be one of the stores of an erasure" {
        /// Nobody logs in as the person again: account, sessions, and the claims by which they are found.
        Account => "account",
        /// The line on the disk that names the keys which go (DDR-16).
        Ledger => "ledger",
        /// Mails in files, and those that wait.
        Mail => "mail",
        /// The keys: with them every copy of the log and of the read tables becomes noise.
        Keys => "keys",
        /// The vault's own table, written anew, and its write-ahead log.
        VaultTable => "vault_table",
        /// Words of texts in the search tables, written anew.
        SearchWords => "search_words",
        /// What the person searched for.
        SearchRecords => "search_records",
        /// Keys and states in the memory of other processes.
        Caches => "caches",
        /// Files of exports: last, when nobody can write the person's texts into one any more.
        Files => "files",
    }
}

impl ErasureStore {
    /// The one after it.
    pub fn next(self) -> Option<Self> {
        let place = Self::ALL.iter().position(|store| *store == self)?;
        Self::ALL.get(place + 1).copied()
    }
}

impl DeletionGround {
    /// Whether it is none of the seed's: taken only where the configuration says so (K17).
    pub const fn is_extension(self) -> bool {
        matches!(self, Self::LegalObligation | Self::ServiceOfferedToChild)
    }
}

impl DeletionStatus {
    /// Whether nothing follows on it (DDR-03).
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Completed)
    }
}

impl RetentionGround {
    /// The letter of Art. 17(3) GDPR.
    pub const fn article(self) -> &'static str {
        match self {
            Self::FreeExpression => "17(3)(a)",
            Self::LegalObligation => "17(3)(b)",
            Self::PublicHealth => "17(3)(c)",
            Self::ArchivingOrResearch => "17(3)(d)",
            Self::LegalClaims => "17(3)(e)",
        }
    }
}

impl RecipientStatus {
    /// Whether nothing more is to be done about the recipient.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Notified | Self::Impossible)
    }
}

impl DeletionScope {
    /// Whether the account ends with it.
    pub const fn closes_account(self) -> bool {
        !matches!(self, Self::PartialDeletion)
    }

    /// The categories that it is about, where `named` are those of a partial one.
    pub fn categories(self, named: &[Category]) -> Vec<Category> {
        match self {
            Self::CompleteDeletion => Category::ALL.to_vec(),
            Self::PartialDeletion => named.to_vec(),
            Self::Anonymization => {
                Category::ALL.into_iter().filter(|it| *it != Category::Content).collect()
            }
        }
    }
}

/// A category that a partial deletion may name: an account without an identity or a credential is none
/// (DDR-02).
pub fn is_partial(category: Category) -> bool {
    matches!(category, Category::Content | Category::Network | Category::Evidence)
}

/// What stays, though it was asked to go, and why (DDR-06, DDR-13).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retention {
    pub ground: RetentionGround,
    /// Which categories: never all that were asked for.
    pub categories: Vec<Category>,
    /// In words, for the person.
    pub reason: Personal<Reason>,
}

/// Whoever was given data of the person: an organisation's name, nothing personal (DDR-12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recipient(Box<str>);

impl Recipient {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Recipient {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let text = raw.trim();
        let is_good = (1..=100).contains(&text.chars().count())
            && !text.chars().any(|it| it.is_control() || it == '@');
        if is_good {
            return Ok(Self(text.into()));
        }
        Err(RuleBreak::new(
            "DDR-12",
            "must be the name of an organisation, of 1 to 100 characters, and no address",
        ))
    }
}

/// How a step came out: a code, never what a server said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepCode(Box<str>);

impl StepCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StepCode {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let is_good = (1..=64).contains(&raw.len())
            && raw.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
        if is_good {
            return Ok(Self(raw.into()));
        }
        Err(RuleBreak::new("DDR-09", "must be 1 to 64 of the letters a to z, digits and `_`"))
    }
}

/// A line of the processing log (DDR-09).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureStep {
    pub at: DateTime<Utc>,
    pub store: ErasureStore,
    pub categories: Vec<Category>,
    pub result: StepResult,
    /// What it found, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<StepCode>,
    /// How many things went: keys, files, mails, rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What the destroyed keys were called; of the step that destroyed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<Box<str>>,
}

words! {
    /// How a step came out.
    StepResult, "DDR-09" "must be DONE or FAILED" {
        Done => "DONE",
        /// It is tried again; the request stays PROCESSING (K18).
        Failed => "FAILED",
    }
}
