//! The end of keys: destroyed for good, or replaced where their person goes on.

use std::{collections::HashMap, fmt, str::FromStr, time::Duration};

use agora_domain::{PersonalCategory, Subject};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use tokio::time::{Instant, sleep};

use super::{Key, KeyName, SubjectKey, Vault, VaultError};

/// How often a process asks which keys were destroyed elsewhere.
const ASKED_EVERY: Duration = Duration::from_millis(500);
/// Answers overlap by so long: a transaction may be told later than one that began after it.
const OVERLAP: Duration = Duration::from_secs(30);
/// Transactions that may still see a destroyed key have so long to end.
const REWRITE_PATIENCE: Duration = Duration::from_secs(30);
/// A process that cannot ask for so long trusts none of the keys that it holds.
const TRUSTED_UNASKED: Duration = Duration::from_secs(60);

/// What a key is called: 32 hexadecimal digits of a hash of it. It tells nothing of the key, and two
/// keys of one person and category are told apart by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Box<str>);

impl KeyId {
    fn of(key: &Key) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"agora/key-id/v1/");
        hash.update(key.as_ref());
        Self(hex::encode(&hash.finalize()[..16]).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { Ok(Self(text.into())) } else { Err("a key's id is 32 hexadecimal digits") }
    }
}

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0.into()
    }
}

impl Vault {
    /// What a subject's keys of these categories are called, now; none where there is no key.
    pub async fn key_ids(
        &self,
        subject: &Subject,
        categories: &[PersonalCategory],
    ) -> Result<Vec<(PersonalCategory, Option<KeyId>)>, VaultError> {
        let names: Vec<KeyName> = categories.iter().map(|it| (subject.clone(), *it)).collect();
        let keys = self.look_up(&names).await?;
        let id = |name: &KeyName| match keys.get(name) {
            Some(SubjectKey::Present(key)) => Some(KeyId::of(key)),
            _ => None,
        };
        Ok(names.iter().map(|name| (name.1, id(name))).collect())
    }

    /// Destroys a subject's keys of these categories; those never made become tombstones as well.
    pub async fn destroy(
        &self,
        subject: &Subject,
        categories: &[PersonalCategory],
    ) -> Result<(), VaultError> {
        let ids = self.key_ids(subject, categories).await?;
        let (names, ids): (Vec<&str>, Vec<Option<&str>>) = ids
            .iter()
            .map(|(category, id)| (category.as_str(), id.as_ref().map(KeyId::as_str)))
            .unzip();
        sqlx::query(
            "WITH dead AS (
                 INSERT INTO vault.subject_keys
                     (subject, category, wrapped_key, master_key_id, destroyed_at)
                 SELECT $1, category, NULL, $3, clock_timestamp()
                 FROM unnest($2::text[]) AS c(category)
                 ON CONFLICT (subject, category) DO UPDATE
                     SET wrapped_key = NULL, destroyed_at = clock_timestamp()
                     WHERE subject_keys.destroyed_at IS NULL
                 RETURNING category)
             INSERT INTO vault.destroyed_keys (subject, category, key_id)
             SELECT $1, category, key_id FROM unnest($2::text[], $4::text[]) AS k(category, key_id)
             JOIN dead USING (category)",
        )
        .bind(subject.as_str())
        .bind(names)
        .bind(&self.masters.current)
        .bind(ids)
        .execute(&self.pool)
        .await?;
        self.forget(subject);
        Ok(())
    }

    /// Destroys one key of a subject that goes on, by putting a new one in its place: what the old one
    /// sealed is noise. Does nothing where the key there is another, or none: false then.
    pub async fn replace(
        &self,
        subject: &Subject,
        category: PersonalCategory,
        key_id: &KeyId,
    ) -> Result<bool, VaultError> {
        let name = (subject.clone(), category);
        let row = sqlx::query(
            "SELECT subject, category, wrapped_key, master_key_id FROM vault.subject_keys
             WHERE subject = $1 AND category = $2 AND wrapped_key IS NOT NULL",
        )
        .bind(subject.as_str())
        .bind(category.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let before: Vec<u8> = row.try_get("wrapped_key")?;
        let (_, SubjectKey::Present(key)) = self.read(&row)? else { return Ok(false) };
        if KeyId::of(&key) != *key_id {
            return Ok(false);
        }
        let mut fresh = Key::default();
        getrandom::fill(fresh.as_mut()).map_err(|_| VaultError::NoRandomness)?;
        let replaced = sqlx::query(
            "WITH dead AS (
                 UPDATE vault.subject_keys
                 SET wrapped_key = $4, master_key_id = $5
                 WHERE subject = $1 AND category = $2 AND wrapped_key = $3
                 RETURNING subject, category)
             INSERT INTO vault.destroyed_keys (subject, category, key_id)
             SELECT subject, category, $6 FROM dead",
        )
        .bind(subject.as_str())
        .bind(category.as_str())
        .bind(before)
        .bind(self.wrap(&name, &fresh)?)
        .bind(&self.masters.current)
        .bind(key_id.as_str())
        .execute(&self.pool)
        .await?;
        self.forget(subject);
        Ok(replaced.rows_affected() == 1)
    }

    /// When a key of each of these names was destroyed last, where any key was destroyed at `since` or later;
    /// nothing of those whose never was.
    pub async fn destroyed_last(
        &self,
        names: &[KeyName],
        since: DateTime<Utc>,
    ) -> Result<HashMap<KeyName, DateTime<Utc>>, VaultError> {
        if names.is_empty() || !self.any_destroyed(since).await? {
            return Ok(HashMap::new());
        }
        let (subjects, categories) = super::texts(names);
        let rows = sqlx::query(
            "SELECT w.place, max(d.destroyed_at)
             FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(subject, category, place)
             JOIN vault.destroyed_keys d USING (subject, category)
             GROUP BY w.place",
        )
        .bind(subjects)
        .bind(categories)
        .fetch_all(&self.pool)
        .await?;
        let mut last = HashMap::with_capacity(rows.len());
        for row in rows {
            let place: i64 = row.try_get(0)?;
            let name = usize::try_from(place - 1).ok().and_then(|place| names.get(place));
            if let Some(name) = name {
                last.insert(name.clone(), row.try_get(1)?);
            }
        }
        Ok(last)
    }

    /// Whether any key's end is as young: one look, where most of the time nobody was erased.
    async fn any_destroyed(&self, since: DateTime<Utc>) -> Result<bool, VaultError> {
        let any = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM vault.destroyed_keys WHERE destroyed_at >= $1)",
        )
        .bind(since)
        .fetch_one(&self.pool)
        .await?;
        Ok(any)
    }

    /// Writes the vault's table anew, so that no page of it holds a destroyed key, and has its log of
    /// changes begin a new segment, the old ones being free to be written over. Says whether the
    /// database let it do both: an operator sees to what it did not.
    pub async fn rewrite(&self) -> Result<bool, VaultError> {
        let deadline = Instant::now() + REWRITE_PATIENCE;
        loop {
            let mut transaction = self.pool.begin().await?;
            // The pool's own limit is for questions about single keys.
            sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
            let written = sqlx::query("SELECT vault.rewrite()").execute(&mut *transaction).await;
            match written {
                Ok(_) => break transaction.commit().await?,
                Err(error) if is_in_use(&error) && Instant::now() < deadline => {
                    transaction.rollback().await?;
                    sleep(ASKED_EVERY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
        let is_flushed =
            sqlx::query_scalar("SELECT vault.flush_wal()").fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(is_flushed)
    }

    /// Destroys the keys of days before this one: what was sealed for nobody known is kept for so
    /// long and no longer. Says how many.
    pub async fn destroy_days_before(&self, day: NaiveDate) -> Result<u64, VaultError> {
        // No key is made of a day that is past, so there is nothing that a tombstone has to prevent
        // where there is no key. Days of four digits stand in their order as texts, too.
        let destroyed = sqlx::query(
            r#"WITH dead AS (
                 UPDATE vault.subject_keys SET wrapped_key = NULL, destroyed_at = clock_timestamp()
                 WHERE subject ~ '^day-[0-9]{4}-[0-9]{2}-[0-9]{2}$' AND subject < $1 COLLATE "C"
                   AND destroyed_at IS NULL RETURNING subject, category)
             INSERT INTO vault.destroyed_keys (subject, category)
             SELECT subject, category FROM dead RETURNING subject"#,
        )
        .bind(Subject::day(day).as_str())
        .fetch_all(&self.pool)
        .await?;
        for row in &destroyed {
            self.forget(&Subject::from(row.try_get::<&str, _>("subject")?));
        }
        Ok(destroyed.len() as u64)
    }

    /// Lets go of keys that others destroy, within a second, for as long as it is polled. Processes
    /// that follow the log learn of it there, too; but whoever destroyed them may be killed before it
    /// says so. Where the vault cannot be asked for a minute, nothing that is held in memory counts.
    pub async fn watch(self) {
        let mut asked = Instant::now();
        loop {
            let since = asked.elapsed() + OVERLAP;
            let began = Instant::now();
            match self.destroyed_within(since).await {
                Ok(subjects) => {
                    subjects.iter().for_each(|subject| self.forget(subject));
                    asked = began;
                }
                Err(error) if asked.elapsed() > TRUSTED_UNASKED => {
                    tracing::warn!(%error, "the vault cannot be asked: forgetting every key");
                    self.forget_all();
                }
                Err(_) => {}
            }
            sleep(ASKED_EVERY).await;
        }
    }

    async fn destroyed_within(&self, since: Duration) -> Result<Vec<Subject>, VaultError> {
        let rows = sqlx::query(
            "SELECT DISTINCT subject FROM vault.destroyed_keys
             WHERE destroyed_at > clock_timestamp() - make_interval(secs => $1)",
        )
        .bind(since.as_secs_f64())
        .fetch_all(&self.pool)
        .await?;
        let subject = |row: &sqlx::postgres::PgRow| Ok(Subject::from(row.try_get::<&str, _>(0)?));
        rows.iter().map(subject).collect::<Result<_, sqlx::Error>>().map_err(VaultError::from)
    }
}

/// Whether somebody may still see what is to go.
fn is_in_use(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55006")
}
