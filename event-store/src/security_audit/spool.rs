//! The file that keeps groups of entries while they cannot be written. Each group is one record: its length,
//! a nonce, and the entries as JSON, sealed under a key that derives from the master key, since the vault may
//! be away as well. A record is on the disk (fdatasync) when `keep` returns. One process has one file.

use std::{
    fs::{self, File, TryLockError},
    io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use super::{Entry, SpoolAt};
use crate::vault::{Key, MasterKeys};

const NONCE: usize = 24;
const BOUND: &[u8] = b"agora/security-audit/spool/v1";
/// Instances of one service that share a folder.
const INSTANCES_MAX: u32 = 64;
/// No record is longer: what says so is no record.
const RECORD_BYTES_MAX: u32 = 256 << 20;

pub(super) struct Spool {
    file: File,
    path: PathBuf,
    key: Key,
    /// Where the next record is written, and where the oldest one begins that is not in Postgres yet.
    end: u64,
    drained: u64,
    bytes_max: u64,
    /// Of an instance that is no more.
    is_left: bool,
}

/// What was read of the oldest record.
pub(super) enum Oldest {
    Entries(Vec<Entry>, u64),
    /// It is there and cannot be read.
    Broken(u64),
    Nothing,
}

/// The spool of this process, and those that processes of the same service have left.
pub(super) fn open(at: &SpoolAt, masters: &MasterKeys) -> Result<(Spool, Vec<Spool>)> {
    fs::create_dir_all(&at.folder)?;
    let (mut own, mut left) = (None, Vec::new());
    for number in 0..INSTANCES_MAX {
        let path = at.folder.join(format!("security-audit-{}-{number}.spool", at.service));
        if own.is_some() && !path.exists() {
            continue;
        }
        let mut options = fs::OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut spool = Spool {
            end: 0,
            drained: 0,
            bytes_max: at.bytes_max,
            key: masters.derive("security-audit/spool"),
            is_left: own.is_some(),
            file,
            path,
        };
        spool.find_end()?;
        match own {
            None => own = Some(spool),
            Some(_) => left.push(spool),
        }
    }
    let own = own.ok_or_else(|| Error::other("all spool files of this service are in use"))?;
    Ok((own, left))
}

impl Spool {
    pub(super) fn is_empty(&self) -> bool {
        self.drained == self.end
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end - self.drained
    }

    /// A record that a crash cut short was never acknowledged: the next one takes its place.
    fn find_end(&mut self) -> Result<()> {
        let length = self.file.metadata()?.len();
        while let Some(record) = self.length_at(self.end, length)? {
            self.end += 4 + u64::from(record);
        }
        self.file.set_len(self.end)
    }

    fn length_at(&mut self, at: u64, length: u64) -> Result<Option<u32>> {
        if at + 4 > length {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(at))?;
        let mut bytes = [0; 4];
        self.file.read_exact(&mut bytes)?;
        let record = u32::from_be_bytes(bytes);
        Ok((record <= RECORD_BYTES_MAX && at + 4 + u64::from(record) <= length).then_some(record))
    }

    /// Keeps a group of entries; on the disk when it returns.
    pub(super) fn keep(&mut self, entries: &[Entry]) -> Result<()> {
        let text = serde_json::to_vec(entries).map_err(Error::other)?;
        #[expect(clippy::disallowed_methods, reason = "nonces are made here")]
        let nonce: [u8; NONCE] = rand::random();
        let sealed = XChaCha20Poly1305::new((&*self.key).into())
            .encrypt(&XNonce::from(nonce), Payload { msg: &text, aad: BOUND })
            .map_err(|_| Error::other("a group of entries is too large"))?;
        let length = u32::try_from(NONCE + sealed.len()).map_err(Error::other)?;
        if self.end + 4 + u64::from(length) > self.bytes_max {
            return Err(Error::new(
                ErrorKind::StorageFull,
                "the spool file is as large as it may be",
            ));
        }
        let record = [&length.to_be_bytes(), nonce.as_slice(), &sealed].concat();
        let written = self
            .file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(&record))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A half record must not stand before the next one.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += record.len() as u64;
        Ok(())
    }

    /// The oldest group that is kept, and where the next one begins.
    pub(super) fn oldest(&mut self) -> Result<Oldest> {
        if self.is_empty() {
            return Ok(Oldest::Nothing);
        }
        let Some(length) = self.length_at(self.drained, self.end)? else {
            return Ok(Oldest::Broken(self.end));
        };
        let next = self.drained + 4 + u64::from(length);
        let mut record = vec![0; length as usize];
        self.file.read_exact(&mut record)?;
        let entries = record.split_at_checked(NONCE).and_then(|(nonce, sealed)| {
            let nonce: [u8; NONCE] = nonce.try_into().ok()?;
            let text = XChaCha20Poly1305::new((&*self.key).into())
                .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: BOUND })
                .ok()?;
            serde_json::from_slice(&text).ok()
        });
        Ok(entries.map_or(Oldest::Broken(next), |entries| Oldest::Entries(entries, next)))
    }

    /// What is before this is in Postgres. An empty file begins anew; one that was left goes.
    pub(super) fn drained(&mut self, up_to: u64) -> Result<()> {
        self.drained = up_to;
        if !self.is_empty() {
            return Ok(());
        }
        self.file.set_len(0)?;
        (self.drained, self.end) = (0, 0);
        if self.is_left { fs::remove_file(&self.path) } else { Ok(()) }
    }
}
