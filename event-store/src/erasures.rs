//! The write-ahead ledger of erasures: a file beside the databases, so that a backup that is older than
//! an erasure cannot undo it (DDR-16, docs/erasure.md). Before a key is destroyed, a line that names it
//! is on the disk; after a restore, [`Ledger::read`] says what has to be destroyed again.
//!
//! It holds no personal data but the opaque id of the person.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use agora_domain::{Actor, PersonalCategory};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Position, vault::KeyId};

/// The file's name below `AGORA_HOME`.
pub const FILE_NAME: &str = "erasures.ledger";
/// What [`Entry::version`] says.
const VERSION: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the erasure ledger {path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("line {line} of the erasure ledger {path} is not as it was written: {why}")]
    Broken { path: String, line: usize, why: &'static str },
}

/// What happens to a person's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// No key of the category is ever made again.
    Destroy,
    /// The person goes on: another key takes the place of the one that is destroyed.
    Replace,
}

/// A key that is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoomedKey {
    pub category: PersonalCategory,
    /// None where there was no key.
    pub key_id: Option<KeyId>,
}

/// One erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub version: u32,
    /// The request that it carries out.
    pub deletion_id: Uuid,
    pub subject: Actor,
    pub end: End,
    pub keys: Vec<DoomedKey>,
    /// Whether nobody logs in as the person again, and what finds it by its address goes.
    pub closes_account: bool,
    /// The log's head before it.
    pub position: Position,
    pub at: DateTime<Utc>,
    /// `sha256` of the line before; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

impl Entry {
    /// An entry that is still to be written.
    pub fn new(
        deletion_id: Uuid,
        subject: Actor,
        end: End,
        keys: Vec<DoomedKey>,
        closes_account: bool,
        (position, at): (Position, DateTime<Utc>),
    ) -> Self {
        let (version, previous) = (VERSION, None);
        Self { version, deletion_id, subject, end, keys, closes_account, position, at, previous }
    }

    /// The categories of its keys.
    pub fn categories(&self) -> Vec<PersonalCategory> {
        self.keys.iter().map(|key| key.category).collect()
    }
}

/// A line: the entry's text as it was written, and the SHA-256 of exactly that text.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    sha256: String,
    #[serde(borrow)]
    entry: &'a RawValue,
}

/// The file. Several processes of one machine may write to it; it is locked meanwhile.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The ledger of a state folder.
    pub fn of_home(home: &Path) -> Self {
        Self { path: home.join(FILE_NAME) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts an entry at the end; returns once it is on the disk. One of the same request and keys that is
    /// there already stays as it is.
    ///
    /// # Errors
    /// Where it cannot be written, or the file is not as it was written. Nothing may be destroyed then.
    pub fn append(&self, entry: &Entry) -> Result<(), LedgerError> {
        let failed = |source| self.io(source);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&self.path).map_err(failed)?;
        // Given back when the file is closed.
        file.lock().map_err(failed)?;
        let (lines, whole_bytes) = self.lines(&mut file)?;
        let is_there = |line: &(Entry, String)| {
            line.0.deletion_id == entry.deletion_id && line.0.keys == entry.keys
        };
        if lines.iter().any(is_there) {
            return Ok(());
        }
        // What a crash left of a line goes: nothing was destroyed for it.
        file.set_len(whole_bytes).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let previous = lines.last().map(|(_, sha256)| sha256.clone());
        let text = line(&Entry { previous, ..entry.clone() })
            .map_err(|error| self.io(io::Error::other(error)))?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        // The file's own name, where this made it.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all()).map_err(failed)
    }

    /// Every entry, in order. No file is no entry; a last line that is not whole was never acted on.
    ///
    /// # Errors
    /// Where it cannot be read, or a line was changed, taken out or put in.
    pub fn read(&self) -> Result<Vec<Entry>, LedgerError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(error)),
        };
        let (lines, _) = self.lines(&mut file)?;
        Ok(lines.into_iter().map(|(entry, _)| entry).collect())
    }

    /// The entries with their checksums, and how many bytes they take.
    fn lines(&self, file: &mut File) -> Result<(Vec<(Entry, String)>, u64), LedgerError> {
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|source| self.io(source))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut lines: Vec<(Entry, String)> = Vec::new();
        for (index, line) in whole.lines().enumerate() {
            let broken = |why| LedgerError::Broken {
                path: self.path.display().to_string(),
                line: index + 1,
                why,
            };
            let line: Line<'_> =
                serde_json::from_str(line).map_err(|_| broken("it is no line of a ledger"))?;
            if checksum(line.entry.get()) != line.sha256 {
                return Err(broken("its checksum is another"));
            }
            let entry: Entry = serde_json::from_str(line.entry.get())
                .map_err(|_| broken("it is no entry that this version knows"))?;
            if entry.previous.as_ref() != lines.last().map(|(_, sha256)| sha256) {
                return Err(broken("it does not follow on the line before"));
            }
            lines.push((entry, line.sha256));
        }
        Ok((lines, whole.len() as u64))
    }

    fn io(&self, source: io::Error) -> LedgerError {
        LedgerError::Io { path: self.path.display().to_string(), source }
    }
}

fn line(entry: &Entry) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(entry)?;
    let sha256 = checksum(&text);
    let entry: &RawValue = serde_json::from_str(&text)?;
    Ok(serde_json::to_string(&Line { sha256, entry })? + "\n")
}

fn checksum(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests;
