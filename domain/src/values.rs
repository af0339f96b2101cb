//! Value types: text that has been parsed, so that nobody checks again.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::refusal::RuleBreak;

/// What a text may hold besides printable characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    One,
    Many,
}

/// NFC, CRLF and CR become LF (PST-04), so that every surface counts the same.
fn normalise(text: &str) -> String {
    let unified;
    let text = if text.contains('\r') {
        unified = text.replace("\r\n", "\n").replace('\r', "\n");
        unified.as_str()
    } else {
        text
    };
    if is_nfc(text) { text.to_owned() } else { text.nfc().collect() }
}

/// Whether a character is dropped where one line of text is made of what a client sends unasked.
pub(crate) fn is_unprintable(character: char) -> bool {
    is_forbidden(character, Lines::One)
}

/// Control characters (NUL and ANSI escapes among them) and the overrides of writing direction that
/// make text show as something else (PST-03).
fn is_forbidden(character: char, lines: Lines) -> bool {
    match character {
        '\n' => lines == Lines::One,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => true,
        other => other.is_control(),
    }
}

fn text(
    raw: &str,
    lines: Lines,
    length: std::ops::RangeInclusive<usize>,
    wrong_length: RuleBreak,
    wrong_character: RuleBreak,
) -> Result<Box<str>, RuleBreak> {
    let text = normalise(raw);
    if text.chars().any(|character| is_forbidden(character, lines)) {
        return Err(wrong_character);
    }
    if !length.contains(&text.chars().count()) {
        return Err(wrong_length);
    }
    if *length.start() > 0 && text.trim().is_empty() {
        return Err(wrong_length);
    }
    Ok(text.into_boxed_str())
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $lines:expr, $length:expr, $rule:literal $says:literal, $charset_rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
                text(
                    raw,
                    $lines,
                    $length,
                    RuleBreak::new($rule, $says),
                    RuleBreak::new($charset_rule, "must not hold control characters or overrides of writing direction"),
                )
                .map(Self)
            }
        }

        /// Shows the length only: these texts are personal.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }
    )*};
}

texts! {
    /// A post's title: 5 to 120 characters on one line (PST-01).
    Title = Lines::One, 5..=120, "PST-01" "must be 5 to 120 characters, not only white space", "PST-03";
    /// A post's body: 10 to 10,000 characters of plain text with line breaks (PST-02).
    Body = Lines::Many, 10..=10_000, "PST-02" "must be 10 to 10,000 characters, not only white space", "PST-03";
    /// The name shown with a post: 0 to 32 characters; empty is shown as `Anonymous` (PST-07).
    AuthorDisplayName = Lines::One, 0..=32, "PST-07" "must be at most 32 characters", "PST-07";
    /// A member's or an admin's name: 0 to 32 characters; empty is shown as `Anonymous` (MEM-01).
    DisplayName = Lines::One, 0..=32, "MEM-01" "must be at most 32 characters", "MEM-01";
    /// What a category is about: at most 200 characters (CAT-05).
    CategoryDescription = Lines::Many, 0..=200, "CAT-05" "must be at most 200 characters", "CAT-05";
    /// What a community is about: at most 200 characters (COM-04).
    CommunityDescription = Lines::Many, 0..=200, "COM-04" "must be at most 200 characters", "COM-04";
    /// What a configuration key is for: at most 200 characters (CFG-02).
    ConfigurationDescription = Lines::Many, 0..=200, "CFG-02" "must be at most 200 characters", "CFG-02";
    /// A rule of a community: 1 to 100 characters on one line (RUL-03, RUL-07).
    RuleText = Lines::One, 1..=100, "RUL-03" "must be 1 to 100 characters, not only white space", "RUL-03";
    /// A comment: 2 to 2,000 characters of plain text with line breaks (CMT-01).
    CommentBody = Lines::Many, 2..=2_000, "CMT-01" "must be 2 to 2,000 characters, not only white space", "PST-03";
    /// The name shown with a comment: 0 to 32 characters; empty is shown as `Anonymous` (CMT-02).
    CommentDisplayName = Lines::One, 0..=32, "CMT-02" "must be at most 32 characters", "CMT-02";
    /// Why a moderator changed what somebody wrote: 1 to 255 characters (MOD-02).
    ModerationReason = Lines::Many, 1..=255, "MOD-02" "must be 1 to 255 characters", "MOD-02";
    /// What somebody searches for: 1 to 512 characters on one line (SRL-01).
    SearchQuery = Lines::One, 1..=512, "SRL-01" "must be 1 to 512 characters, not only white space", "SRL-01";
    /// Why an act of moderation was wrong: 1 to 1,000 characters (MOD-08).
    AppealText = Lines::Many, 1..=1_000, "MOD-08" "must be 1 to 1,000 characters, not only white space", "PST-03";
    /// What an integration fails with: 1 to 255 characters.
    IntegrationProblem = Lines::Many, 1..=255, "INT-07" "must be 1 to 255 characters", "INT-07";
    /// Why an admin did something: 1 to 10,000 characters (K33).
    Reason = Lines::Many, 1..=10_000, "MOD-03" "must be 1 to 10,000 characters", "MOD-03";
    /// What an organization is called: 1 to 200 characters on one line.
    OrganizationName = Lines::One, 1..=200, "REL-09" "must be 1 to 200 characters, not only white space", "REL-09";
    /// The heading of a section of a report: 1 to 200 characters on one line.
    SectionTitle = Lines::One, 1..=200, "REL-09" "must be 1 to 200 characters, not only white space", "REL-09";
    /// What a measure of a report is called: 1 to 200 characters on one line.
    MeasureLabel = Lines::One, 1..=200, "REL-09" "must be 1 to 200 characters, not only white space", "REL-09";
    /// A figure that is no number: 1 to 200 characters on one line.
    MeasureText = Lines::One, 1..=200, "REL-09" "must be 1 to 200 characters, not only white space", "REL-09";
    /// What a measure counts: 1 to 32 characters on one line.
    MeasureUnit = Lines::One, 1..=32, "REL-09" "must be 1 to 32 characters, not only white space", "REL-09";
    /// What an attack was aimed at, such as `POST /v1/commands/log-in`: 1 to 2,048 characters on one line.
    TargetEndpoint = Lines::One, 1..=2_048, "INC-02" "must be 1 to 2,048 characters, not only white space", "INC-02";
    /// What is written about an incident or a breach: 1 to 10,000 characters (K33).
    IncidentText = Lines::Many, 1..=10_000, "INC-06" "must be 1 to 10,000 characters, not only white space", "INC-06";
    /// What somebody noted about an address: 1 to 10,000 characters (K33).
    AddressNotes = Lines::Many, 1..=10_000, "IPR-13" "must be 1 to 10,000 characters, not only white space", "IPR-13";
    /// What is said of a measure: 1 to 10,000 characters (K33).
    ReportNote = Lines::Many, 1..=10_000, "REL-09" "must be 1 to 10,000 characters, not only white space", "REL-09";
    /// The text of a privacy policy: 1 to 80,000 characters (PPV-02).
    PolicyContent = Lines::Many, 1..=80_000, "PPV-02" "must be 1 to 80,000 characters, not only white space", "PPV-02";
    /// What is different in a version of a policy: 1 to 500 characters on one line.
    MajorChange = Lines::One, 1..=500, "PPV-06" "must be 1 to 500 characters, not only white space", "PPV-06";
    /// What a consent is asked for, as the person reads it: 1 to 2,000 characters.
    PurposeDescription = Lines::Many, 1..=2_000, "CON-04" "must be 1 to 2,000 characters, not only white space", "CON-04";
    /// Why somebody withdraws a consent, where they want to say it: 1 to 1,000 characters (CON-09).
    WithdrawalReason = Lines::Many, 1..=1_000, "CON-09" "must be 1 to 1,000 characters, not only white space", "CON-09";
    /// Why somebody gives notice of a post or a comment: 1 to 2,000 characters (LAW-10).
    NoticeText = Lines::Many, 1..=2_000, "LAW-10" "must be 1 to 2,000 characters, not only white space", "LAW-10";
    /// What somebody says about an objection or a restriction: 1 to 1,000 characters (LAW-06).
    LimitReason = Lines::Many, 1..=1_000, "LAW-06" "must be 1 to 1,000 characters, not only white space", "LAW-06";
}

impl OrganizationName {
    /// The form under which it is unique: lower case, white space as one space.
    pub fn folded(&self) -> String {
        self.0.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// What is shown where there is no name, or an empty one (MEM-02).
pub const ANONYMOUS: &str = "Anonymous";

/// The name to show for a stored one: `Anonymous` where there is none, an empty one, or one erased.
pub fn shown_name(stored: Option<&str>) -> &str {
    stored.filter(|name| !name.trim().is_empty()).unwrap_or(ANONYMOUS)
}

/// A public name: 5 to 32 characters of `A-Z a-z 0-9 _ -`, unique up to case.
fn handle(raw: &str, length: RuleBreak, charset: RuleBreak) -> Result<Box<str>, RuleBreak> {
    if !raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Err(charset);
    }
    if !(5..=32).contains(&raw.len()) {
        return Err(length);
    }
    Ok(raw.into())
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident, $length_rule:literal, $charset_rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form under which it is unique: ASCII lower case (the alphabet is ASCII).
            pub fn folded(&self) -> String {
                self.0.to_ascii_lowercase()
            }
        }

        impl FromStr for $name {
            type Err = RuleBreak;

            fn from_str(raw: &str) -> Result<Self, RuleBreak> {
                handle(
                    raw,
                    RuleBreak::new($length_rule, "must be 5 to 32 characters"),
                    RuleBreak::new($charset_rule, "must consist of the letters A to Z and a to z, digits, `-` and `_`"),
                )
                .map(Self)
            }
        }
    )*};
}

handles! {
    /// A category's name (CAT-01, CAT-02).
    CategoryName, "CAT-01", "CAT-02";
    /// A community's name, its public identifier (COM-01).
    CommunityName, "COM-01", "COM-01";
}

/// The most characters a URI may have when stored (K28).
pub const URI_CHARACTERS_MAX: usize = 80_000;
/// The most characters a URI may have by default (K28).
pub const URI_CHARACTERS_DEFAULT: usize = 2_048;

/// The `https` address of an image (COM-14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageUri(Box<str>);

impl ImageUri {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageUri {
    type Err = RuleBreak;

    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        if raw.chars().count() > URI_CHARACTERS_DEFAULT {
            return Err(RuleBreak::new("COM-14", "must be at most 2,048 characters"));
        }
        let broken =
            RuleBreak::new("COM-14", "must be an https URI with a host and without credentials");
        if raw.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(broken);
        }
        let uri = url::Url::parse(raw).map_err(|_| broken.clone())?;
        let plain = uri.username().is_empty() && uri.password().is_none();
        if uri.scheme() != "https" || uri.host_str().is_none() || !plain {
            return Err(broken);
        }
        Ok(Self(raw.into()))
    }
}

/// An e-mail address as given; it is unique up to case (CRD-01).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(Box<str>);

impl Email {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is unique, and from which its blind index is made (CRD-01, CRD-11).
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

impl FromStr for Email {
    type Err = RuleBreak;

    /// The lengths are those of RFC 5321 (64 before the @, 254 in all). Whether mail arrives there,
    /// only a mail can tell; so the form is checked no further than what a mail server would need.
    fn from_str(raw: &str) -> Result<Self, RuleBreak> {
        let broken = RuleBreak::new("CRD-01", "must be an e-mail address such as name@example.org");
        let text: String = raw.nfc().collect();
        let Some((local, domain)) = text.rsplit_once('@') else { return Err(broken) };
        let clean = |character: char| !character.is_control() && !character.is_whitespace();
        let dotted = domain.split('.').count() > 1
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label
                        .chars()
                        .all(|character| character.is_alphanumeric() || character == '-')
            });
        let fits = (1..=64).contains(&local.len()) && text.len() <= 254 && !local.contains('@');
        if !dotted || !fits || !text.chars().all(clean) {
            return Err(broken);
        }
        Ok(Self(text.into_boxed_str()))
    }
}

/// Where in the list of categories one stands, from 1 (CAT-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DisplayOrder(u32);

impl DisplayOrder {
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for DisplayOrder {
    type Error = RuleBreak;

    fn try_from(number: i64) -> Result<Self, RuleBreak> {
        u32::try_from(number)
            .ok()
            .filter(|order| *order >= 1)
            .map(Self)
            .ok_or(RuleBreak::new("CAT-06", "must be a whole number from 1"))
    }
}

#[cfg(test)]
mod tests;
