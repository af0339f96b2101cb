//! Opening sealed values: for aggregates, for auditors, and for the read tables.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{Context, Disclosure, MARK, SealedText, join};
use crate::{
    RecordedEvent,
    vault::{KeyName, SubjectKey, Vault, VaultError},
};

/// A value of a read table, with where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct SealedField<'a> {
    pub aggregate_type: &'a str,
    pub aggregate_id: &'a str,
    pub field: &'a str,
    pub sealed: &'a str,
}

impl<'a> SealedField<'a> {
    /// Where the value stands. A read table's row does not know its event: the text itself says the
    /// sequence, and does not open under a wrong one.
    pub fn context(&self, text: &SealedText) -> Context<'a> {
        Context {
            aggregate_type: self.aggregate_type,
            aggregate_id: self.aggregate_id,
            sequence: text.sequence,
            field: self.field,
        }
    }
}

/// What a sealed value holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    Value(Value),
    /// The key is destroyed (or the text is none of ours): nobody can read it any more.
    Erased,
}

impl Opened {
    /// The text in it, if it is one and not erased.
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Value(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// Opens sealed values with the vault's keys.
#[derive(Clone)]
pub struct Opener {
    vault: Vault,
}

impl Opener {
    pub fn new(vault: Vault) -> Self {
        Self { vault }
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Opens one field of a read table.
    pub async fn open_text(&self, field: &SealedField<'_>) -> Result<Opened, VaultError> {
        let opened = self.open_many(std::slice::from_ref(field)).await?;
        Ok(opened.into_iter().next().unwrap_or(Opened::Erased))
    }

    /// Opens fields of read tables, in their order, with at most one query to the vault.
    pub async fn open_many(&self, fields: &[SealedField<'_>]) -> Result<Vec<Opened>, VaultError> {
        let parsed = parsed(fields);
        let keys = self.vault.find(&names(parsed.iter().flatten())).await?;
        Ok(opened(fields, parsed, &keys))
    }

    /// As [`Self::open_many`], past the cache of keys: what goes into a file that is kept must not
    /// hold what was erased a moment ago.
    pub async fn open_many_now(
        &self,
        fields: &[SealedField<'_>],
    ) -> Result<Vec<Opened>, VaultError> {
        let parsed = parsed(fields);
        let keys = self.vault.look_up(&names(parsed.iter().flatten())).await?;
        Ok(opened(fields, parsed, &keys))
    }

    /// What proves one field's value by its commitment (ESX-16); `None` once it is erased.
    pub async fn disclose(
        &self,
        field: &SealedField<'_>,
    ) -> Result<Option<Disclosure>, VaultError> {
        let Some(text) = SealedText::parse(field.sealed) else { return Ok(None) };
        let keys = self.vault.find(&names([&text])).await?;
        Ok(match keys.get(&(text.subject.clone(), text.category)) {
            Some(SubjectKey::Present(key)) => text.disclose(&field.context(&text), key),
            _ => None,
        })
    }

    /// An event's payload as an auditor reads it: values in the clear, `{"$erased": true}` where
    /// the key is gone.
    pub async fn open_payload(&self, event: &RecordedEvent) -> Result<Value, VaultError> {
        let mut payload = serde_json::from_str(&event.payload)
            .map_err(|error| sqlx::Error::Decode(error.into()))?;
        self.open_json(
            &event.aggregate_type,
            &event.aggregate_id,
            event.sequence,
            &mut payload,
            &|_, value| value.unwrap_or_else(|| json!({ "$erased": true })),
        )
        .await?;
        Ok(payload)
    }

    /// Events for a projection that needs what is in them: personal values with subject and
    /// category, `null` where the key is gone. One question to the vault for all, past the cache of
    /// keys: what is erased by now is not opened. A payload that is no JSON is left as it is.
    pub async fn open_events(
        &self,
        events: &[&RecordedEvent],
    ) -> Result<Vec<RecordedEvent>, VaultError> {
        let mut texts = Vec::new();
        let mut payloads: Vec<Option<Value>> = Vec::with_capacity(events.len());
        for event in events {
            let payload = serde_json::from_str(&event.payload).ok();
            if let Some(payload) = &payload {
                collect(payload, &mut texts);
            }
            payloads.push(payload);
        }
        let keys = match texts.is_empty() {
            true => HashMap::new(),
            false => self.vault.look_up(&names(&texts)).await?,
        };
        let opened = events.iter().zip(payloads).map(|(event, payload)| {
            let payload = payload.map(|mut payload| {
                let here = Context {
                    aggregate_type: &event.aggregate_type,
                    aggregate_id: &event.aggregate_id,
                    sequence: event.sequence,
                    field: "",
                };
                replace_in_variant(&mut payload, &here, &keys, &marked);
                payload.to_string()
            });
            let payload = payload.unwrap_or_else(|| event.payload.clone());
            RecordedEvent { payload, ..(*event).clone() }
        });
        Ok(opened.collect())
    }

    /// An event's payload as the domain reads it: personal values with subject and category.
    pub(crate) async fn open_for_domain(
        &self,
        aggregate_type: &str,
        aggregate_id: &str,
        sequence: u64,
        payload: &mut Value,
    ) -> Result<(), VaultError> {
        self.open_json(aggregate_type, aggregate_id, sequence, payload, &marked).await
    }

    async fn open_json(
        &self,
        aggregate_type: &str,
        aggregate_id: &str,
        sequence: u64,
        payload: &mut Value,
        shape: &(dyn Fn(&SealedText, Option<Value>) -> Value + Sync),
    ) -> Result<(), VaultError> {
        let mut texts = Vec::new();
        collect(payload, &mut texts);
        if texts.is_empty() {
            return Ok(());
        }
        let keys = self.vault.find(&names(&texts)).await?;
        let here = Context { aggregate_type, aggregate_id, sequence, field: "" };
        replace_in_variant(payload, &here, &keys, shape);
        Ok(())
    }
}

fn parsed(fields: &[SealedField<'_>]) -> Vec<Option<SealedText>> {
    fields.iter().map(|field| SealedText::parse(field.sealed)).collect()
}

fn opened(
    fields: &[SealedField<'_>],
    parsed: Vec<Option<SealedText>>,
    keys: &HashMap<KeyName, SubjectKey>,
) -> Vec<Opened> {
    let open_one = |(field, text): (&SealedField<'_>, Option<SealedText>)| {
        text.and_then(|text| open(&text, &field.context(&text), keys))
            .map_or(Opened::Erased, Opened::Value)
    };
    fields.iter().zip(parsed).map(open_one).collect()
}

/// A personal value as the domain writes it.
fn marked(text: &SealedText, value: Option<Value>) -> Value {
    json!({ MARK: {
        "subject": text.subject.as_str(),
        "category": text.category.as_str(),
        "value": value,
    }})
}

fn names<'a>(texts: impl IntoIterator<Item = &'a SealedText>) -> Vec<KeyName> {
    let names: HashSet<KeyName> =
        texts.into_iter().map(|text| (text.subject.clone(), text.category)).collect();
    names.into_iter().collect()
}

fn open(
    text: &SealedText,
    context: &Context<'_>,
    keys: &HashMap<KeyName, SubjectKey>,
) -> Option<Value> {
    match keys.get(&(text.subject.clone(), text.category)) {
        Some(SubjectKey::Present(key)) => text.open(context, key),
        _ => None,
    }
}

fn collect(value: &Value, texts: &mut Vec<SealedText>) {
    match value {
        Value::String(text) if SealedText::is(text) => texts.extend(SealedText::parse(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

/// The variant's name is the one key of the outermost object; fields are named below it.
fn replace_in_variant(
    payload: &mut Value,
    here: &Context<'_>,
    keys: &HashMap<KeyName, SubjectKey>,
    shape: &(dyn Fn(&SealedText, Option<Value>) -> Value + Sync),
) {
    if let Value::Object(variant) = payload {
        for content in variant.values_mut() {
            replace(content, String::new(), here, keys, shape);
        }
    }
}

fn replace(
    value: &mut Value,
    path: String,
    here: &Context<'_>,
    keys: &HashMap<KeyName, SubjectKey>,
    shape: &(dyn Fn(&SealedText, Option<Value>) -> Value + Sync),
) {
    match value {
        Value::String(text) => {
            if let Some(text) = SealedText::parse(text) {
                let context = Context { field: &path, ..*here };
                *value = shape(&text, open(&text, &context, keys));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                replace(item, join(&path, &index.to_string()), here, keys, shape);
            }
        }
        Value::Object(fields) => {
            for (field, item) in fields {
                replace(item, join(&path, field), here, keys, shape);
            }
        }
        _ => {}
    }
}
