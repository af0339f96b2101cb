//! What an export is described by: its format and source, its file, why it failed.

use std::{fmt, str::FromStr};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

pub use super::report_content::SchemaVersion;
use crate::refusal::RuleBreak;

/// A closed list of words: as they are stored and as clients write them.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident, $rule:literal $says:literal { $($(#[$variant_doc:meta])* $variant:ident => $word:literal),+ $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = RuleBreak;

            fn from_str(text: &str) -> Result<Self, RuleBreak> {
                let mut all = Self::ALL.iter().copied();
                all.find(|value| value.as_str() == text).ok_or(RuleBreak::new($rule, $says))
            }
        }
    )*};
}
pub(crate) use words;

words! {
    /// What a statutory report is written as (E21).
    ReportFormat, "OPR-01" "must be PDF, CSV, XLSX, JSON or XML" {
        Pdf => "PDF",
        Csv => "CSV",
        Xlsx => "XLSX",
        Json => "JSON",
        Xml => "XML",
    }
    /// Which surface asked for a statutory export (E21).
    ExportSource, "BUF-20" "must be MOBILE_ONE_CLICK or ADMIN_PORTAL" {
        MobileOneClick => "MOBILE_ONE_CLICK",
        AdminPortal => "ADMIN_PORTAL",
        /// Nobody's: the platform itself asks (BUF-20).
        SystemBatch => "SYSTEM_BATCH",
    }
    /// How much of what is stored about a person (E23).
    SubjectRequestType, "DXR-01" "must be FULL_EXPORT, PARTIAL_EXPORT or SPECIFIC_DATA" {
        FullExport => "FULL_EXPORT",
        PartialExport => "PARTIAL_EXPORT",
        SpecificData => "SPECIFIC_DATA",
    }
    /// What a subject's data is written as; a PDF never comes without JSON (DXR-11).
    SubjectFormat, "DXR-01" "must be JSON, CSV, XML or PDF" {
        Json => "JSON",
        Csv => "CSV",
        Xml => "XML",
        Pdf => "PDF",
    }
    /// How a subject gets its data (E23).
    DeliveryMethod, "DXR-01" "must be DOWNLOAD_LINK, EMAIL or SECURE_PORTAL" {
        DownloadLink => "DOWNLOAD_LINK",
        /// A mail with the link, never with the data (DXR-08).
        Email => "EMAIL",
        SecurePortal => "SECURE_PORTAL",
    }
    /// What a person can ask for by itself: the closed list of DXR-02.
    DataCategory, "DXR-02" "must be one of the categories that /openapi.json lists" {
        Account => "account",
        Sessions => "sessions",
        Communities => "communities",
        Posts => "posts",
        Comments => "comments",
        Votes => "votes",
        Moderation => "moderation",
        Searches => "searches",
        Consents => "consents",
        Exports => "exports",
        Organizations => "organizations",
        Security => "security",
    }
    /// What of the platform's public data (E20).
    PlatformExportType, "DEL-01" "must be communities, posts or comments" {
        Communities => "communities",
        Posts => "posts",
        Comments => "comments",
    }
    /// What the platform's data is written as (E20).
    PlatformFormat, "DEL-01" "must be json or csv" {
        Json => "json",
        Csv => "csv",
    }
}

/// A text of one form, by which it is checked; kept as it came.
macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident = $is_good:expr, $rule:literal $says:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = RuleBreak;

            fn from_str(raw: &str) -> Result<Self, RuleBreak> {
                let is_good: fn(&str) -> bool = $is_good;
                if is_good(raw) { Ok(Self(raw.into())) } else { Err(RuleBreak::new($rule, $says)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

forms! {
    /// A file's name as its reader sees it, such as `bufdir-report-2025-q1.pdf`: nothing in it leads
    /// out of a folder, hides, or means something to a shell or a header.
    FileName = is_file_name, "BUF-04" "must be 1 to 128 characters of the letters A to Z, digits, `_`, `.` and `-`, beginning with a letter or a digit";
    /// SHA-256 of a file: 64 hexadecimal digits in lower case (BUF-19).
    Sha256Hex = |raw| raw.len() == 64 && raw.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "BUF-04" "must be 64 hexadecimal digits in lower case";
    /// Where a file lies in the object storage; a job's own is [`super::export_job::Job::file_path`].
    FilePath = |raw| (1..=512).contains(&raw.len()) && raw.split('/').all(is_file_name), "BUF-04" "must be the path that the export's file has";
    /// Why an export failed, for machines: `AGGREGATION_TIMEOUT`.
    ErrorCode = |raw| (1..=64).contains(&raw.len()) && raw.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_')), "BUF-05" "must be 1 to 64 characters of the letters A to Z, digits and `_`";
    /// Why an export failed, for people: 1 to 1,000 characters (BUF-05).
    ErrorMessage = |raw| (1..=1_000).contains(&raw.chars().count()) && !raw.trim().is_empty() && !raw.chars().any(crate::values::is_unprintable), "BUF-05" "must be 1 to 1,000 printable characters, not only white space";
    /// The system of the device that asked, such as `iOS 18.2`: 1 to 64 printable ASCII characters.
    MobileOs = |raw| (1..=64).contains(&raw.len()) && raw.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && !raw.trim().is_empty(), "OPR-01" "must be 1 to 64 printable ASCII characters";
}

fn is_file_name(raw: &str) -> bool {
    (1..=128).contains(&raw.len())
        && raw.as_bytes()[0].is_ascii_alphanumeric()
        && raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

impl ErrorCode {
    /// The quota refused it (BUF-10).
    pub fn rate_limit_exceeded() -> Self {
        Self("RATE_LIMIT_EXCEEDED".into())
    }

    /// It took too long (BUF-26).
    pub fn aggregation_timeout() -> Self {
        Self("AGGREGATION_TIMEOUT".into())
    }

    /// The object storage is away, full or read-only.
    pub fn storage_unavailable() -> Self {
        Self("STORAGE_UNAVAILABLE".into())
    }

    /// The file could not be made of what the log has.
    pub fn generation_failed() -> Self {
        Self("GENERATION_FAILED".into())
    }
}

impl ErrorMessage {
    /// What a born-failed export says (BUF-10).
    pub fn rate_limit_exceeded() -> Self {
        Self("More exports were asked for than one hour allows.".into())
    }
}

/// Bytes of a file: at least 1 (BUF-04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileSize(u64);

impl FileSize {
    /// No store takes larger ones.
    const MAX: u64 = 1 << 50;

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<i64> for FileSize {
    type Error = RuleBreak;

    fn try_from(bytes: i64) -> Result<Self, RuleBreak> {
        u64::try_from(bytes)
            .ok()
            .filter(|bytes| (1..=Self::MAX).contains(bytes))
            .map(Self)
            .ok_or(RuleBreak::new("BUF-04", "must be a whole number of bytes from 1 to 2^50"))
    }
}

/// When something happened, by whoever did it; whether it can be, its job says (BUF-07). In the
/// microseconds that the log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HappenedAt(pub DateTime<Utc>);

impl FromStr for HappenedAt {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let says = "must be a time such as 2026-01-31T12:00:00Z (RFC 3339)";
        let at = DateTime::parse_from_rfc3339(raw).map_err(|_| RuleBreak::malformed(says))?;
        Ok(Self(at.to_utc().trunc_subsecs(6)))
    }
}

/// A finished file: all four are there, or it is not finished (BUF-04).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFile {
    pub file_name: FileName,
    pub file_path: FilePath,
    pub file_size_bytes: FileSize,
    pub checksum_sha256: Sha256Hex,
}

/// What a file's maker tells of it beside that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMetadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_count: Option<u32>,
    /// Of the form of the data, such as the schema version of a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<SchemaVersion>,
    /// How much of the log it reflects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_position: Option<u64>,
    /// SHA-256 of the data that it shows, whatever the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<Sha256Hex>,
    /// The report was not submitted when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_draft: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dxr_01_each_enum_accepts_exactly_the_listed_words() {
        fn accepts<T: FromStr + Copy>(all: &[T], word: fn(T) -> &'static str) {
            for value in all {
                assert!(word(*value).parse::<T>().is_ok());
                let other_case = word(*value).chars().map(|letter| {
                    if letter.is_uppercase() {
                        letter.to_ascii_lowercase()
                    } else {
                        letter.to_ascii_uppercase()
                    }
                });
                assert!(other_case.collect::<String>().parse::<T>().is_err());
            }
            assert!("".parse::<T>().is_err() && " ".parse::<T>().is_err());
        }
        accepts(SubjectRequestType::ALL, SubjectRequestType::as_str);
        accepts(SubjectFormat::ALL, SubjectFormat::as_str);
        accepts(DeliveryMethod::ALL, DeliveryMethod::as_str);
        accepts(DataCategory::ALL, DataCategory::as_str);
        accepts(ReportFormat::ALL, ReportFormat::as_str);
        accepts(ExportSource::ALL, ExportSource::as_str);
        accepts(PlatformExportType::ALL, PlatformExportType::as_str);
        accepts(PlatformFormat::ALL, PlatformFormat::as_str);
    }

    #[test]
    fn buf_04_file_fields_have_their_forms_and_lead_nowhere_else() {
        assert!("bufdir-report-2025-q1.pdf".parse::<FileName>().is_ok());
        for name in [
            "", ".", "..", ".hidden", "a/b", "a\\b", "a\0b", "a\nb", "æ.pdf", "-rf", "a b",
            "%2e%2e",
        ] {
            assert_eq!(name.parse::<FileName>().unwrap_err().rule, Some("BUF-04"), "{name:?}");
        }
        assert!("exports/statutory_report/0/a.pdf".parse::<FilePath>().is_ok());
        for path in ["", "/etc/passwd", "exports/../a", "exports//a", "exports/a/", "file:///a"] {
            assert_eq!(path.parse::<FilePath>().unwrap_err().rule, Some("BUF-04"), "{path:?}");
        }
        for size in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(FileSize::try_from(size).unwrap_err().rule, Some("BUF-04"));
        }
        assert_eq!(FileSize::try_from(1).map(FileSize::get), Ok(1));
        assert!("0a".repeat(32).parse::<Sha256Hex>().is_ok());
        for checksum in [String::new(), "0A".repeat(32), "0a".repeat(31), "0g".repeat(32)] {
            assert_eq!(checksum.parse::<Sha256Hex>().unwrap_err().rule, Some("BUF-04"));
        }
    }

    #[test]
    fn buf_05_why_it_failed_is_said_in_words_and_in_a_code() {
        assert!("The storage is full.".parse::<ErrorMessage>().is_ok());
        for message in ["", "  ", "a\u{1b}[31m", &"x".repeat(1_001)] {
            assert_eq!(message.parse::<ErrorMessage>().unwrap_err().rule, Some("BUF-05"));
        }
        assert!("AGGREGATION_TIMEOUT".parse::<ErrorCode>().is_ok());
        for code in ["", "timeout", "A B"] {
            assert_eq!(code.parse::<ErrorCode>().unwrap_err().rule, Some("BUF-05"));
        }
    }
}
