//! The bundle: a ZIP with the data as JSON, as CSV (a file an entity), as a readable PDF, as XML where
//! it was asked for, and a manifest with a checksum of each (DXR-11, DXR-14).
//!
//! It is written from its first byte to its last while rows come in, so that its length costs no
//! memory. The archive has one open file at a time: what is written beside it waits in files without a
//! name, so that the rows are found once.

use std::{
    fs::File,
    io::{self, BufWriter, IntoInnerError, Read, Seek, Take, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agora_event_store::{Opener, Position};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{Snapshot, SubjectDataError, SubjectExport, article_15, entity::Person};
use crate::exports::{
    document::{Document, rfc3339},
    formats::{
        Format, Writer, Written,
        csv::Csv,
        pdf::Pdf,
        zip::{Bundle, Entry},
    },
};

/// The version of the entities and their columns, as [`SCHEMA`] says them.
pub const SCHEMA_VERSION: &str = "subject-data-1";
/// JSON Schema of `subject-data.json`.
pub const SCHEMA: &str = include_str!("../../../../docs/schemas/subject-data-1.schema.json");

/// Rows of each entity that the PDF shows, the newest first where they have an order; the other files
/// have them all.
pub const PDF_ROWS: usize = 200;

/// What is packed together.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Serialize)]
struct Manifest<'a> {
    format: &'static str,
    schema_version: &'static str,
    export_id: String,
    /// `member` or `admin`, and whose data it is.
    subject_kind: &'a str,
    subject_id: String,
    data_categories: Vec<&'static str>,
    generated_at: String,
    /// The data is as of this position of the log.
    log_position: Position,
    row_count: u64,
    data_sha256: &'a str,
    files: Vec<Entry>,
}

/// Writes the bundle. `document` is the head of each of its files; made twice of the same snapshot,
/// it is the same, byte for byte.
///
/// # Errors
/// Where something cannot be read or written. What was written until then is no bundle.
pub async fn write(
    snapshot: &mut Snapshot<'_>,
    opener: &Opener,
    export: &SubjectExport,
    document: &Document,
    out: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<Written, SubjectDataError> {
    let person = Person(export.subject);
    let packed = Buffer::default();
    let mut bundle = Bundle::start(packed.clone(), document.generated_at);

    bundle.file("subject-data.json").await?;
    let text = Buffer::default();
    let mut json = Writer::start(Format::Json, document, text.clone())?;
    // The checksum that it shows is the one of the JSON: the data is the same.
    let mut pdf = Pdf::start(document, Vec::new());
    let mut xml = match export.has_xml {
        true => Some(Writer::start(Format::Xml, document, aside()?)?),
        false => None,
    };
    // One after the other in one file, and where each ends.
    let (mut tables, mut ends) = (aside()?, Vec::new());
    for entity in export.entities() {
        let table = entity.table();
        let mut csv = Csv::start(document, &mut tables);
        json.table(&table)?;
        pdf.table(&table);
        csv.table(&table)?;
        if let Some(xml) = &mut xml {
            xml.table(&table)?;
        }
        let each = |cells: &[_]| {
            json.row(cells)?;
            pdf.row(cells)?;
            csv.row(cells, json.json_cells())?;
            if let Some(xml) = &mut xml {
                xml.row(cells)?;
            }
            Ok(())
        };
        let between = async || {
            if text.len() >= PIECE_BYTES {
                bundle.write(text.take()).await?;
                out.write_all(&packed.take()).await?;
            }
            Ok(())
        };
        snapshot.rows(opener, &person, entity, each, between).await?;
        csv.finish()?;
        ends.push((format!("csv/{}.csv", entity.name), tables.stream_position()?));
    }
    let (written, _) = json.finish()?;
    bundle.write(text.take()).await?;
    let mut append = async |bundle: &mut Bundle<_>, file: &mut Take<File>| {
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            file.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                return Ok::<_, SubjectDataError>(());
            }
            bundle.write(piece).await?;
            out.write_all(&packed.take()).await?;
        }
    };
    if let Some(xml) = xml {
        bundle.file("subject-data.xml").await?;
        append(&mut bundle, &mut again(xml.finish()?.1)?).await?;
    }
    let (mut tables, mut begin) = (again(tables)?, 0);
    for (name, end) in ends {
        bundle.file(&name).await?;
        tables.set_limit(end - begin);
        append(&mut bundle, &mut tables).await?;
        begin = end;
    }
    bundle.file("subject-data.pdf").await?;
    let (pages, pdf) = pdf.finish(&written)?;
    bundle.write(pdf).await?;
    bundle.file("schema/subject-data-1.schema.json").await?;
    bundle.write(SCHEMA.into()).await?;
    bundle.file(article_15::FILE).await?;
    bundle.write(article_15::file(&export.categories).map_err(io::Error::from)?).await?;

    let manifest = Manifest {
        format: "agora subject data",
        schema_version: SCHEMA_VERSION,
        export_id: document.job_id.to_string(),
        subject_kind: export.subject.kind.as_str(),
        subject_id: export.subject.id.to_string(),
        data_categories: export.categories.iter().map(|category| category.as_str()).collect(),
        generated_at: rfc3339(document.generated_at),
        log_position: snapshot.position,
        row_count: written.rows,
        data_sha256: &written.data_sha256,
        files: bundle.entries().await?,
    };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(io::Error::from)?;
    bundle.file("manifest.json").await?;
    bundle.write(manifest).await?;
    bundle.finish().await?;
    out.write_all(&packed.take()).await?;
    out.flush().await?;
    Ok(Written { pages: Some(pages), ..written })
}

/// A file that nobody else can open, and that ends with its last use.
fn aside() -> io::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(PIECE_BYTES, tempfile::tempfile()?))
}

/// What was written to it, from its beginning.
fn again(file: BufWriter<File>) -> io::Result<Take<File>> {
    let mut file = file.into_inner().map_err(IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file.take(u64::MAX))
}

/// Bytes on their way from who writes and does not wait to who takes them and may.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes())
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
