//! Sealing of personal values at the log's boundary (docs/sealing.md).
//!
//! A sealed value is the text
//! `sealed:v1:<category>:<subject>:<sequence>:<nonce and ciphertext>:<commitment>`, the last two in
//! base64url. The cipher is XChaCha20-Poly1305 under the key of the subject and category; what is
//! encrypted is a salt of 16 bytes and the value's JSON. Associated data are the aggregate's type
//! and id, the event's sequence and the field's name, so a sealed value cannot be moved elsewhere.
//! The commitment, SHA-256 over the salt and the same context and value, lets one field be proven
//! without its key (ESX-16); without the salt it tells nothing, and the salt goes with the key.

mod open;
mod text;

use std::collections::HashMap;

use agora_domain::{PersonalCategory, Subject};
use serde_json::Value;

pub use open::{Opened, Opener, SealedField};
pub use text::{Context, Disclosure, SealedText};

use crate::vault::{KeyName, SubjectKey, Vault, VaultError};

/// The key that marks a personal value in the domain's JSON.
const MARK: &str = "$personal";

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The subject was erased: nothing more can be written about it in this category.
    #[error("the {category} key of subject {subject} is destroyed")]
    Erased { subject: Subject, category: &'static str },
    #[error("the event cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a personal value is not of the form that the domain writes")]
    Malformed,
    /// A public text that looks like a sealed value would be taken for one when it is read.
    #[error("a text that is not personal begins like a sealed value")]
    LooksSealed,
}

/// Seals what the domain wrote as JSON text; says for whom. Events without personal values pass
/// untouched. [`EventLog::draft`](crate::EventLog::draft) calls it; what calls it directly must guard
/// the subjects' keys by itself.
pub async fn seal_payload(
    vault: &Vault,
    aggregate_type: &str,
    aggregate_id: &str,
    sequence: u64,
    payload: String,
) -> Result<(String, Vec<Subject>), SealError> {
    let may_hold = |text: &str| memchr::memmem::find(payload.as_bytes(), text.as_bytes()).is_some();
    if !may_hold(MARK) && !may_hold("sealed:v1:") {
        return Ok((payload, Vec::new()));
    }
    let mut value: Value = serde_json::from_str(&payload)?;
    let mut names = Vec::new();
    collect(&value, &mut names);
    let keys = vault.find_or_make(&names).await?;
    let context = |field| Context { aggregate_type, aggregate_id, sequence, field };
    // The variant's name is the one key of the outermost object; fields are named below it.
    if let Value::Object(variant) = &mut value {
        for content in variant.values_mut() {
            seal_value(content, String::new(), &context, &keys)?;
        }
    }
    let mut subjects: Vec<Subject> = names.into_iter().map(|(subject, _)| subject).collect();
    subjects.sort_unstable();
    subjects.dedup();
    Ok((value.to_string(), subjects))
}

/// Seals one text of an event's metadata, such as the client's address.
pub(crate) async fn seal_text(
    vault: &Vault,
    context: &Context<'_>,
    subject: &Subject,
    category: PersonalCategory,
    text: &str,
) -> Result<String, SealError> {
    let name = (subject.clone(), category);
    let keys = vault.find_or_make(std::slice::from_ref(&name)).await?;
    let key = present(&keys, &name)?;
    Ok(SealedText::seal(context, subject, category, key, &Value::from(text)).to_string())
}

fn personal(value: &Value) -> Option<&serde_json::Map<String, Value>> {
    let object = value.as_object()?;
    if object.len() == 1 { object.get(MARK)?.as_object() } else { None }
}

fn name_of(inner: &serde_json::Map<String, Value>) -> Option<KeyName> {
    let subject = Subject::from(inner.get("subject")?.as_str()?);
    let category = PersonalCategory::parse(inner.get("category")?.as_str()?)?;
    Some((subject, category))
}

fn collect(value: &Value, names: &mut Vec<KeyName>) {
    if let Some(inner) = personal(value) {
        if let Some(name) = name_of(inner)
            && !names.contains(&name)
        {
            names.push(name);
        }
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, names)),
        _ => {}
    }
}

fn seal_value<'a>(
    value: &mut Value,
    path: String,
    context: &impl Fn(&'static str) -> Context<'a>,
    keys: &HashMap<KeyName, SubjectKey>,
) -> Result<(), SealError> {
    if let Some(inner) = personal(value) {
        let name = name_of(inner).ok_or(SealError::Malformed)?;
        let content = inner.get("value").ok_or(SealError::Malformed)?;
        let here = Context { field: &path, ..context("") };
        let sealed = SealedText::seal(&here, &name.0, name.1, present(keys, &name)?, content);
        *value = Value::from(sealed.to_string());
        return Ok(());
    }
    match value {
        Value::String(text) if SealedText::is(text) => return Err(SealError::LooksSealed),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                seal_value(item, join(&path, &index.to_string()), context, keys)?;
            }
        }
        Value::Object(fields) => {
            for (field, item) in fields {
                seal_value(item, join(&path, field), context, keys)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// `recent.0.note`: the way to a field below the event's variant.
fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn present<'a>(
    keys: &'a HashMap<KeyName, SubjectKey>,
    name: &KeyName,
) -> Result<&'a crate::vault::Key, SealError> {
    match keys.get(name) {
        Some(SubjectKey::Present(key)) => Ok(key),
        _ => Err(SealError::Erased { subject: name.0.clone(), category: name.1.as_str() }),
    }
}
