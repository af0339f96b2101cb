//! The keys of personal data: one for each data subject and category, wrapped by a master key.
//!
//! The keys live in a database of their own; the master key is in no database. To erase is to
//! destroy keys: a tombstone stays, and a destroyed key is never made again ([`erase`]).

mod erase;

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agora_domain::{PersonalCategory, Subject};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use lru::LruCache;
use sha2::Sha256;
use sqlx::{PgPool, Row};
use zeroize::Zeroizing;

/// How many opened keys are kept in memory.
const KEYS_MAX: usize = 50_000;
/// How long a key is kept in memory: by then one that was destroyed is forgotten in every process.
const KEPT: Duration = Duration::from_secs(600);

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the vault's database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the vault holds a key under master key `{0}`, which is not in the master key file")]
    UnknownMasterKey(String),
    #[error("a key in the vault cannot be opened: the master key file does not fit the vault")]
    WrongMasterKey,
    #[error("the operating system gave no randomness")]
    NoRandomness,
}

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("cannot read the master key file {path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error(
        "the master key file {0} must hold lines `<id>:<64 hexadecimal digits>`, the current key first: make one with `ledger init-master-key`"
    )]
    Malformed(String),
    #[error("the master key file {0} can be read by others: give it the mode 0600")]
    Exposed(String),
}

/// A secret of 32 bytes; wiped when dropped, and never shown.
pub type Key = Zeroizing<[u8; 32]>;

/// The master keys by id. The first wraps new keys; the others still open older ones, until
/// everything is wrapped anew.
#[derive(Clone)]
pub struct MasterKeys {
    current: String,
    keys: Arc<HashMap<String, Key>>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys(current {}, {} in all)", self.current, self.keys.len())
    }
}

impl MasterKeys {
    /// Reads a file of lines `<id>:<64 hexadecimal digits>`.
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        use std::os::unix::fs::PermissionsExt;
        let name = path.display().to_string();
        let unreadable = |source| MasterKeyError::Unreadable { path: name.clone(), source };
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed(name));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        Self::parse(&text).ok_or(MasterKeyError::Malformed(name))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut current = None;
        let mut keys = HashMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (id, digits) = line.split_once(':')?;
            let mut key = Key::default();
            hex::decode_to_slice(digits, key.as_mut()).ok()?;
            current.get_or_insert_with(|| id.to_owned());
            keys.insert(id.to_owned(), key);
        }
        Some(Self { current: current?, keys: Arc::new(keys) })
    }

    /// A secret for one purpose, derived from the oldest master key, so that it survives rotation:
    /// HMAC-SHA-256 over the purpose.
    pub fn derive(&self, purpose: &str) -> Key {
        let oldest = self.keys.keys().min().unwrap_or(&self.current);
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.keys[oldest].as_ref())
            .expect("HMAC takes keys of any length");
        mac.update(b"agora/derive/v1/");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// What the vault says of a key.
#[derive(Clone)]
pub enum SubjectKey {
    Present(Arc<Key>),
    /// Destroyed: what it sealed is erased for good.
    Destroyed,
    /// Never made.
    Absent,
}

pub use erase::KeyId;

pub type KeyName = (Subject, PersonalCategory);

/// An opened key, and when it was read.
struct Opened {
    key: Arc<Key>,
    read_at: Instant,
}

/// Access to the keys, with a bounded cache.
#[derive(Clone)]
pub struct Vault {
    pool: PgPool,
    masters: MasterKeys,
    opened: Arc<Mutex<LruCache<KeyName, Opened>>>,
}

impl Vault {
    pub fn new(pool: PgPool, masters: MasterKeys) -> Self {
        let size = NonZeroUsize::new(KEYS_MAX).expect("the constant is not zero");
        Self { pool, masters, opened: Arc::new(Mutex::new(LruCache::new(size))) }
    }

    pub fn masters(&self) -> &MasterKeys {
        &self.masters
    }

    /// The keys as they are, without making any.
    pub async fn find(
        &self,
        names: &[KeyName],
    ) -> Result<HashMap<KeyName, SubjectKey>, VaultError> {
        let (mut found, missing) = self.cached(names);
        if !missing.is_empty() {
            found.extend(self.look_up(&missing).await?);
        }
        Ok(found)
    }

    /// As [`Self::find`], past the cache: a key that was destroyed a moment ago, by whomever, is not
    /// found.
    pub async fn look_up(
        &self,
        names: &[KeyName],
    ) -> Result<HashMap<KeyName, SubjectKey>, VaultError> {
        let mut found = HashMap::with_capacity(names.len());
        let (subjects, categories) = texts(names);
        let rows = sqlx::query(
            "SELECT k.subject, k.category, k.wrapped_key, k.master_key_id
             FROM vault.subject_keys k
             JOIN unnest($1::text[], $2::text[]) AS w(subject, category) USING (subject, category)",
        )
        .bind(subjects)
        .bind(categories)
        .fetch_all(&self.pool)
        .await?;
        for row in rows {
            let (name, key) = self.read(&row)?;
            found.insert(name, key);
        }
        for name in names {
            found.entry(name.clone()).or_insert(SubjectKey::Absent);
        }
        Ok(found)
    }

    /// The keys, made where there are none yet. What has been destroyed stays destroyed.
    pub async fn find_or_make(
        &self,
        names: &[KeyName],
    ) -> Result<HashMap<KeyName, SubjectKey>, VaultError> {
        let mut found = self.find(names).await?;
        let absent: Vec<KeyName> = found
            .iter()
            .filter(|(_, key)| matches!(key, SubjectKey::Absent))
            .map(|(name, _)| name.clone())
            .collect();
        if absent.is_empty() {
            return Ok(found);
        }
        let mut wrapped = Vec::with_capacity(absent.len());
        for name in &absent {
            let mut key = Key::default();
            getrandom::fill(key.as_mut()).map_err(|_| VaultError::NoRandomness)?;
            wrapped.push(self.wrap(name, &key)?);
        }
        let (subjects, categories) = texts(&absent);
        // Another instance may be making the same keys: the first insert counts for both.
        sqlx::query(
            "INSERT INTO vault.subject_keys (subject, category, wrapped_key, master_key_id)
             SELECT subject, category, wrapped_key, $4
             FROM unnest($1::text[], $2::text[], $3::bytea[]) AS k(subject, category, wrapped_key)
             ON CONFLICT (subject, category) DO NOTHING",
        )
        .bind(subjects)
        .bind(categories)
        .bind(wrapped)
        .bind(&self.masters.current)
        .execute(&self.pool)
        .await?;
        found.extend(self.find(&absent).await?);
        Ok(found)
    }

    /// Wraps anew, under the current master key, what is wrapped by older ones; says how many. The
    /// older ones can go from the file after that.
    pub async fn rewrap(&self) -> Result<u64, VaultError> {
        let mut wrapped_anew = 0;
        loop {
            let rows = sqlx::query(
                "SELECT subject, category, wrapped_key, master_key_id FROM vault.subject_keys
                 WHERE wrapped_key IS NOT NULL AND master_key_id <> $1 LIMIT 1000",
            )
            .bind(&self.masters.current)
            .fetch_all(&self.pool)
            .await?;
            if rows.is_empty() {
                return Ok(wrapped_anew);
            }
            for row in rows {
                let before: Vec<u8> = row.try_get("wrapped_key")?;
                let (name, SubjectKey::Present(key)) = self.read(&row)? else { continue };
                // Not where it was destroyed meanwhile: a tombstone stays one.
                let done = sqlx::query(
                    "UPDATE vault.subject_keys SET wrapped_key = $4, master_key_id = $5
                     WHERE subject = $1 AND category = $2 AND wrapped_key = $3",
                )
                .bind(name.0.as_str())
                .bind(name.1.as_str())
                .bind(before)
                .bind(self.wrap(&name, &key)?)
                .bind(&self.masters.current)
                .execute(&self.pool)
                .await?;
                wrapped_anew += done.rows_affected();
            }
        }
    }

    /// Drops a subject's keys from the cache: they may have been destroyed by another instance.
    pub fn forget(&self, subject: &Subject) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        for category in PersonalCategory::ALL {
            opened.pop(&(subject.clone(), category));
        }
    }

    fn forget_all(&self) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn cached(&self, names: &[KeyName]) -> (HashMap<KeyName, SubjectKey>, Vec<KeyName>) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = HashMap::with_capacity(names.len());
        let mut missing = Vec::new();
        for name in names {
            match opened.get(name) {
                Some(Opened { key, read_at }) if read_at.elapsed() < KEPT => {
                    found.insert(name.clone(), SubjectKey::Present(Arc::clone(key)));
                }
                _ if !missing.contains(name) => missing.push(name.clone()),
                _ => {}
            }
        }
        (found, missing)
    }

    fn read(&self, row: &sqlx::postgres::PgRow) -> Result<(KeyName, SubjectKey), VaultError> {
        let subject: String = row.try_get("subject")?;
        let category: String = row.try_get("category")?;
        let category = PersonalCategory::parse(&category)
            .ok_or_else(|| sqlx::Error::Decode("the vault holds an unknown category".into()))?;
        let name = (Subject::from(subject.as_str()), category);
        let wrapped: Option<Vec<u8>> = row.try_get("wrapped_key")?;
        let Some(wrapped) = wrapped else {
            self.opened.lock().unwrap_or_else(PoisonError::into_inner).pop(&name);
            return Ok((name, SubjectKey::Destroyed));
        };
        let master: String = row.try_get("master_key_id")?;
        let key = Arc::new(self.unwrap(&name, &wrapped, &master)?);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.put(name.clone(), Opened { key: Arc::clone(&key), read_at: Instant::now() });
        Ok((name, SubjectKey::Present(key)))
    }

    fn wrap(&self, name: &KeyName, key: &Key) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::NoRandomness)?;
        let master = &self.masters.keys[&self.masters.current];
        let sealed = XChaCha20Poly1305::new((&**master).into())
            .encrypt(
                &XNonce::from(nonce),
                Payload { msg: key.as_ref(), aad: wrap_context(name).as_bytes() },
            )
            .expect("32 bytes are within the cipher's limits");
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn unwrap(&self, name: &KeyName, wrapped: &[u8], master: &str) -> Result<Key, VaultError> {
        let master_key = self
            .masters
            .keys
            .get(master)
            .ok_or_else(|| VaultError::UnknownMasterKey(master.to_owned()))?;
        let (nonce, sealed) = wrapped.split_at_checked(24).ok_or(VaultError::WrongMasterKey)?;
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| VaultError::WrongMasterKey)?;
        let opened = XChaCha20Poly1305::new((&**master_key).into())
            .decrypt(
                &XNonce::from(nonce),
                Payload { msg: sealed, aad: wrap_context(name).as_bytes() },
            )
            .map(Zeroizing::new)
            .map_err(|_| VaultError::WrongMasterKey)?;
        let mut key = Key::default();
        if opened.len() != key.len() {
            return Err(VaultError::WrongMasterKey);
        }
        key.copy_from_slice(&opened);
        Ok(key)
    }
}

/// Binds a wrapped key to its place, so that one cannot be put in another's.
fn wrap_context((subject, category): &KeyName) -> String {
    format!("agora/subject-key/v1/{}/{subject}", category.as_str())
}

fn texts(names: &[KeyName]) -> (Vec<&str>, Vec<&'static str>) {
    names.iter().map(|(subject, category)| (subject.as_str(), category.as_str())).unzip()
}
