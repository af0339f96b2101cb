//! Bundles: a ZIP that is written from its first byte to its last, with a SHA-256 of each file for the
//! manifest. It holds no more than what deflate needs and a few pieces that wait for it, however long a
//! file in it is. Packing is most of the work, so a thread does it while the next piece is made.

use std::io::{self, Write};

use chrono::{DateTime, Datelike, Timelike, Utc};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{
        mpsc::{Receiver, Sender, channel},
        oneshot,
    },
    task::JoinHandle,
};
use zip::{
    CompressionMethod, DateTime as ZipTime,
    write::{SimpleFileOptions, StreamWriter, ZipWriter},
};

use super::FormatError;

/// Pieces that wait to be packed.
const WAITING: usize = 4;
/// Of the ids and times that files here are full of, higher levels save 1% and take a third longer.
const LEVEL: i64 = 2;

/// What a manifest says of a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    pub name: String,
    pub size_bytes: u64,
    /// In lower-case hex.
    pub sha256: String,
}

/// Writes a bundle to `W`. One that is dropped before its [`finish`](Bundle::finish) is left as it is.
pub struct Bundle<W> {
    parts: Sender<Part>,
    packing: JoinHandle<Result<W, FormatError>>,
}

enum Part {
    /// Begins a file; the one before is ended.
    File(String),
    Piece(Vec<u8>),
    /// Ends the open file, and asks for all that there are.
    Entries(oneshot::Sender<Vec<Entry>>),
    End,
}

impl<W: Write + Send + 'static> Bundle<W> {
    /// Files in it carry this time, so that the same content gives the same bundle.
    pub fn start(out: W, time: DateTime<Utc>) -> Self {
        let (parts, incoming) = channel(WAITING);
        let packer = Packer { zip: ZipWriter::new_stream(out), open: None, entries: Vec::new() };
        let packing = tokio::task::spawn_blocking(move || packer.run(incoming, options(time)));
        Self { parts, packing }
    }

    /// Begins a file; the one before is ended. What is written to the bundle then is its content.
    pub async fn file(&mut self, name: &str) -> Result<(), FormatError> {
        self.send(Part::File(safe_path(name))).await
    }

    /// Each piece is packed by a call of deflate, which clears a buffer: for a few bytes that is most of
    /// the work.
    pub async fn write(&mut self, piece: Vec<u8>) -> Result<(), FormatError> {
        self.send(Part::Piece(piece)).await
    }

    /// The files that are whole: the open one is ended.
    pub async fn entries(&mut self) -> Result<Vec<Entry>, FormatError> {
        let (ask, entries) = oneshot::channel();
        self.send(Part::Entries(ask)).await?;
        match entries.await {
            Ok(entries) => Ok(entries),
            Err(_) => Err(self.why().await),
        }
    }

    pub async fn finish(mut self) -> Result<W, FormatError> {
        self.send(Part::End).await?;
        self.packed().await
    }

    async fn send(&mut self, part: Part) -> Result<(), FormatError> {
        match self.parts.send(part).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.why().await),
        }
    }

    /// Why the packer takes nothing any more.
    async fn why(&mut self) -> FormatError {
        self.packed().await.err().unwrap_or_else(|| unfinished().into())
    }

    async fn packed(&mut self) -> Result<W, FormatError> {
        let packed = (&mut self.packing).await;
        packed.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }
}

fn unfinished() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the bundle was given up")
}

/// What the thread has.
struct Packer<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    open: Option<Open>,
    entries: Vec<Entry>,
}

struct Open {
    name: String,
    size_bytes: u64,
    hash: Sha256,
}

impl<W: Write> Packer<W> {
    fn run(mut self, mut parts: Receiver<Part>, file: SimpleFileOptions) -> Result<W, FormatError> {
        while let Some(part) = parts.blocking_recv() {
            match part {
                Part::File(name) => {
                    self.end_file();
                    self.zip.start_file(name.as_str(), file)?;
                    self.open = Some(Open { name, size_bytes: 0, hash: Sha256::new() });
                }
                Part::Piece(piece) => {
                    let Some(open) = &mut self.open else {
                        let message = "a bundle takes bytes only into a file";
                        return Err(io::Error::other(message).into());
                    };
                    self.zip.write_all(&piece)?;
                    open.hash.update(&piece);
                    open.size_bytes += piece.len() as u64;
                }
                Part::Entries(asked) => {
                    self.end_file();
                    // Whoever does not wait for it has given up.
                    let _ = asked.send(self.entries.clone());
                }
                Part::End => return Ok(self.zip.finish()?.into_inner()),
            }
        }
        Err(unfinished().into())
    }

    fn end_file(&mut self) {
        self.entries.extend(self.open.take().map(|open| Entry {
            name: open.name,
            size_bytes: open.size_bytes,
            sha256: hex::encode(open.hash.finalize()),
        }));
    }
}

fn options(time: DateTime<Utc>) -> SimpleFileOptions {
    let time = ZipTime::from_date_and_time(
        u16::try_from(time.year()).unwrap_or(1980),
        time.month() as u8,
        time.day() as u8,
        time.hour() as u8,
        time.minute() as u8,
        time.second() as u8,
    );
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .large_file(true)
        .unix_permissions(0o644)
        .last_modified_time(time.unwrap_or_default())
}

/// Folders and names of safe characters, none that leads out of the bundle.
fn safe_path(path: &str) -> String {
    let parts = path.split('/').map(crate::exports::names::safe_name);
    parts.collect::<Vec<_>>().join("/")
}
