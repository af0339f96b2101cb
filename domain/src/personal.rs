//! Personal data in events: values that belong to a data subject and a category.
//!
//! Inside the process a [`Personal`] holds its value in the clear. At the log's boundary the value is
//! sealed with the key of its subject and category; when that key has been destroyed, the value is
//! read back as erased (design: personal data; GDPR Art. 17).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The person (or, where nobody is known, the day) whose key seals a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(Box<str>);

impl Subject {
    /// The subject of what nobody is known for, such as a failed login's address: the day. Its key
    /// is destroyed when the retention ends.
    pub fn day(date: chrono::NaiveDate) -> Self {
        Self(format!("day-{date}").into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Uuid> for Subject {
    fn from(id: Uuid) -> Self {
        Self(id.to_string().into())
    }
}

impl From<&str> for Subject {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of personal data it is. Each category of a subject has a key of its own, so that an
/// erasure can take one scope and leave another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Who somebody is: e-mail address, display name.
    Identity,
    /// What somebody wrote: titles, bodies, reasons.
    Content,
    /// Where somebody came from: addresses, user agents.
    Network,
    /// What proves an act: consent evidence, incident descriptions.
    Evidence,
    /// What lets somebody in: hashes of passwords and tokens.
    Credential,
}

impl Category {
    pub const ALL: [Self; 5] =
        [Self::Identity, Self::Content, Self::Network, Self::Evidence, Self::Credential];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Content => "content",
            Self::Network => "network",
            Self::Evidence => "evidence",
            Self::Credential => "credential",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == text)
    }
}

/// A personal value. `Debug` shows whose it is, never what it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal<T> {
    /// The key's name marks the object for the log's boundary, which seals what stands under it.
    #[serde(rename = "$personal")]
    inner: Inner<T>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner<T> {
    subject: Subject,
    category: Category,
    /// `None`: erased.
    value: Option<T>,
}

impl<T> Personal<T> {
    pub fn new(subject: Subject, category: Category, value: T) -> Self {
        Self { inner: Inner { subject, category, value: Some(value) } }
    }

    /// The value; `None` once the subject's key is destroyed.
    pub fn get(&self) -> Option<&T> {
        self.inner.value.as_ref()
    }

    pub fn is_erased(&self) -> bool {
        self.inner.value.is_none()
    }

    pub fn subject(&self) -> &Subject {
        &self.inner.subject
    }

    pub fn category(&self) -> Category {
        self.inner.category
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_erased() { "erased" } else { "redacted" };
        write!(f, "Personal({state}, {}/{})", self.inner.subject, self.inner.category.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let name = Personal::new(Subject::from("s"), Category::Identity, "Ola Nordmann".to_owned());
        assert!(!format!("{name:?}").contains("Ola"));
    }
}
