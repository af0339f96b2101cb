//! Brings rows as bytes into the object store, with bounded memory: rows come in groups, a thread
//! writes them in the document's format, and its bytes leave in chunks. Whoever is slower lets the
//! others wait.

use std::io::{self, Write};

use agora_service::objects::{Upload, why};
use tokio::{
    io::AsyncWriteExt,
    sync::mpsc::{Receiver, Sender, channel},
};

use super::{
    document::{Cell, Document, Table},
    formats::{Format, FormatError, Writer, Written},
    trouble::Trouble,
};

/// Groups of rows and chunks of bytes that wait.
const WAITING: usize = 4;
/// Rows that are handed over together.
pub const GROUP: usize = 500;
const CHUNK_BYTES: usize = 256 << 10;

enum Part {
    Table(Table),
    Rows(Vec<Vec<Cell>>),
    /// There is no more. Without it, whoever gave the rows has failed, and there is no file.
    End,
}

/// Takes a document's rows.
pub struct Rows {
    parts: Sender<Part>,
    group: Vec<Vec<Cell>>,
}

/// Nobody takes rows any more; why is said elsewhere.
#[derive(Debug)]
struct Closed;

impl From<Closed> for Trouble {
    fn from(_: Closed) -> Self {
        Self::Later { code: super::trouble::GENERATION_FAILED, message: "cut off".to_owned() }
    }
}

impl Rows {
    pub async fn table(&mut self, table: Table) -> Result<(), Trouble> {
        self.hand_over().await?;
        self.send(Part::Table(table)).await
    }

    pub async fn row(&mut self, cells: Vec<Cell>) -> Result<(), Trouble> {
        self.group.push(cells);
        if self.group.len() >= GROUP {
            self.hand_over().await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<(), Trouble> {
        if self.group.is_empty() {
            return Ok(());
        }
        let group = std::mem::replace(&mut self.group, Vec::with_capacity(GROUP));
        self.send(Part::Rows(group)).await
    }

    async fn send(&self, part: Part) -> Result<(), Trouble> {
        self.parts.send(part).await.map_err(|_| Closed.into())
    }

    /// The rows are all there.
    async fn end(mut self) -> Result<(), Trouble> {
        self.hand_over().await?;
        self.send(Part::End).await
    }
}

/// Writes a document: `give` gives its rows. Nothing is in the store before [`Upload::finish`].
pub async fn write(
    format: Format,
    document: &Document,
    mut upload: Upload,
    give: impl AsyncFnOnce(&mut Rows) -> Result<(), Trouble>,
) -> Result<(Written, Upload), Trouble> {
    let (parts, incoming) = channel(WAITING);
    let (chunks, mut outgoing) = channel::<Vec<u8>>(WAITING);
    let document = document.clone();
    let writing = tokio::task::spawn_blocking(move || {
        format_parts(format, &document, incoming, Chunks { chunks, held: Vec::new() })
    });
    let giving = async {
        let mut rows = Rows { parts, group: Vec::with_capacity(GROUP) };
        give(&mut rows).await?;
        rows.end().await
    };
    let storing = async {
        while let Some(chunk) = outgoing.recv().await {
            if let Err(error) = upload.write_all(&chunk).await {
                // Whoever formats finds nobody to take its bytes.
                drop(outgoing);
                return Err(why(&error));
            }
        }
        Ok(upload)
    };
    let (given, stored, written) = tokio::join!(giving, storing, writing);
    // Where one stops, so do the others: the first cause counts.
    let upload = stored?;
    match written {
        Ok(Ok(written)) => given.map(|()| (written, upload)),
        Ok(Err(FormatError::Io(error))) if error.kind() == io::ErrorKind::UnexpectedEof => {
            upload.abort().await;
            given?;
            Err(Closed.into())
        }
        Ok(Err(error)) => {
            upload.abort().await;
            Err(error.into())
        }
        Err(error) => {
            tracing::error!(%error, "a document's writer has panicked");
            upload.abort().await;
            Err(FormatError::Pdf("the writer has panicked".to_owned()).into())
        }
    }
}

/// On a thread of its own.
fn format_parts(
    format: Format,
    document: &Document,
    mut parts: Receiver<Part>,
    out: Chunks,
) -> Result<Written, FormatError> {
    let mut writer = Writer::start(format, document, out)?;
    loop {
        match parts.blocking_recv() {
            Some(Part::Table(table)) => writer.table(&table)?,
            Some(Part::Rows(rows)) => {
                for row in &rows {
                    writer.row(row)?;
                }
            }
            Some(Part::End) => break,
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
    Ok(writer.finish()?.0)
}

/// Gathers bytes and hands them on.
struct Chunks {
    chunks: Sender<Vec<u8>>,
    held: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.len() + bytes.len() > CHUNK_BYTES {
            self.flush()?;
        }
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.held, Vec::with_capacity(CHUNK_BYTES));
        self.chunks.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
