//! Bundles: a ZIP that is written from its first byte to its last, with a SHA-256 of each file for the
//! manifest. It holds no more than what deflate needs, however long a file in it is.

use std::io::{self, Write};

use chrono::{DateTime, Datelike, Timelike, Utc};
use sha2::{Digest, Sha256};
use zip::{
    CompressionMethod, DateTime as ZipTime,
    write::{SimpleFileOptions, StreamWriter, ZipWriter},
};

use super::FormatError;

/// Packed together: each call of deflate clears a buffer, which for a few bytes is most of the work.
const HELD_BYTES: usize = 64 << 10;

/// What a manifest says of a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    pub name: String,
    pub size_bytes: u64,
    /// In lower-case hex.
    pub sha256: String,
}

pub struct Bundle<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    options: SimpleFileOptions,
    open: Option<Open>,
    /// Of the open file, on the way to be packed.
    held: Vec<u8>,
    entries: Vec<Entry>,
}

struct Open {
    name: String,
    size_bytes: u64,
    hash: Sha256,
}

impl<W: Write> Bundle<W> {
    /// Files in it carry this time, so that the same content gives the same bundle.
    pub fn start(out: W, time: DateTime<Utc>) -> Self {
        let parts = (
            u16::try_from(time.year()).unwrap_or(1980),
            time.month() as u8,
            time.day() as u8,
            time.hour() as u8,
            time.minute() as u8,
            time.second() as u8,
        );
        let time =
            ZipTime::from_date_and_time(parts.0, parts.1, parts.2, parts.3, parts.4, parts.5);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(4))
            .large_file(true)
            .unix_permissions(0o644)
            .last_modified_time(time.unwrap_or_default());
        let (zip, held) = (ZipWriter::new_stream(out), Vec::with_capacity(HELD_BYTES));
        Self { zip, options, open: None, held, entries: Vec::new() }
    }

    /// Begins a file; the one before is ended. What is written to the bundle then is its content.
    pub fn file(&mut self, name: &str) -> Result<(), FormatError> {
        self.end_file()?;
        let name = safe_path(name);
        self.zip.start_file(name.as_str(), self.options)?;
        self.open = Some(Open { name, size_bytes: 0, hash: Sha256::new() });
        Ok(())
    }

    fn end_file(&mut self) -> io::Result<()> {
        self.pack()?;
        self.entries.extend(self.open.take().map(|open| Entry {
            name: open.name,
            size_bytes: open.size_bytes,
            sha256: hex::encode(open.hash.finalize()),
        }));
        Ok(())
    }

    fn pack(&mut self) -> io::Result<()> {
        if let Some(open) = &mut self.open {
            self.zip.write_all(&self.held)?;
            open.hash.update(&self.held);
            open.size_bytes += self.held.len() as u64;
        }
        self.held.clear();
        Ok(())
    }

    /// The files that are whole: the open one is ended.
    pub fn entries(&mut self) -> io::Result<&[Entry]> {
        self.end_file()?;
        Ok(&self.entries)
    }

    pub fn finish(mut self) -> Result<W, FormatError> {
        self.end_file()?;
        Ok(self.zip.finish()?.into_inner())
    }
}

impl<W: Write> Write for Bundle<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.is_none() {
            return Err(io::Error::other("a bundle takes bytes only into a file"));
        }
        if self.held.len() + bytes.len() > HELD_BYTES {
            self.pack()?;
        }
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pack()?;
        self.zip.flush()
    }
}

/// Folders and names of safe characters, none that leads out of the bundle.
fn safe_path(path: &str) -> String {
    let parts = path.split('/').map(crate::exports::names::safe_name);
    parts.collect::<Vec<_>>().join("/")
}
