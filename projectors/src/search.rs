//! What the search projections share: opened texts, and how somebody's words go
//! (docs/adr/0012-search-tables.md).

use agora_domain::{Personal, PersonalCategory, Subject};
use agora_event_store::vault::{SubjectKey, VaultError};
use serde::Deserialize;
use serde_json::Value;
use sqlx::ConnectOptions;

use crate::{
    checkpoints,
    databases::Databases,
    projection::{Columns, Projection},
    projections,
};

/// A personal text of an opened event; none where it is not of the form that was opened.
#[derive(Deserialize)]
#[serde(from = "Value")]
pub(crate) struct Text(Option<Personal<String>>);

impl From<Value> for Text {
    fn from(value: Value) -> Self {
        Self(serde_json::from_value(value).ok())
    }
}

impl Text {
    /// What is to be indexed: nothing once it is erased.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().and_then(Personal::get).map_or("", String::as_str)
    }

    pub(crate) fn subject(&self) -> &str {
        self.0.as_ref().map_or("", |text| text.subject().as_str())
    }
}

/// The projections whose tables hold words of personal texts.
pub fn personal() -> Vec<&'static Projection> {
    let all = projections::ALL.iter().copied();
    all.filter(|projection| projection.columns == Columns::Opened).collect()
}

/// Why somebody's words are still there.
#[derive(Debug, thiserror::Error)]
pub enum Unforgotten {
    #[error("the key of the subject's texts is not destroyed")]
    KeyIsThere,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Takes the words of a subject whose key is destroyed out of the search tables; says of how many
/// texts. They may still stand in dead rows: rebuild [`personal`] after it.
///
/// # Errors
/// Where the key is not destroyed: the next rebuild would bring the words back.
pub async fn forget(subject: &str, databases: &Databases) -> Result<i64, Unforgotten> {
    let name = (Subject::from(subject), PersonalCategory::Content);
    let keys = databases.opener.vault().look_up(std::slice::from_ref(&name)).await?;
    if !matches!(keys.get(&name), Some(SubjectKey::Destroyed)) {
        return Err(Unforgotten::KeyIsThere);
    }
    let mut connection = checkpoints::live(databases.log.clone()).connect().await?;
    let rows = sqlx::query_scalar("SELECT search.forget_subject($1)")
        .bind(subject)
        .fetch_one(&mut connection)
        .await?;
    Ok(rows)
}
