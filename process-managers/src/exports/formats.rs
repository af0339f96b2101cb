//! The formats that a document is written in: a file each, one way to write them all.
//!
//! Writers get rows one by one and put bytes into a [`Write`]; they hold no more than a row, but for the
//! PDF, which has to know its last page before it can number the first.

pub mod csv;
pub mod json;
pub mod pdf;
pub mod xlsx;
pub mod xml;
pub mod zip;

use std::io::{self, Write};

use super::document::{Cell, DataDigest, Document, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Csv,
    Xml,
    Xlsx,
    Pdf,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Json, Self::Csv, Self::Xml, Self::Xlsx, Self::Pdf];

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Xml => "xml",
            Self::Xlsx => "xlsx",
            Self::Pdf => "pdf",
        }
    }

    /// As jobs name it, in whatever case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension().eq_ignore_ascii_case(name))
    }
}

/// Why a document could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// One table after another with other columns, where a format knows only one head.
    #[error("a CSV file has one head: tables with other columns go into files of their own")]
    OtherColumns,
    #[error("a row has {given} cells where its table has {columns} columns")]
    WrongRow { given: usize, columns: usize },
    #[error("a PDF of more than {0} rows is refused: ask for another format")]
    TooManyRows(usize),
    #[error("the PDF would not be a valid one: {0}")]
    Pdf(String),
    #[error("the spreadsheet cannot be written: {0}")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
    #[error("the archive cannot be written: {0}")]
    Zip(#[from] ::zip::result::ZipError),
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    /// Of a PDF.
    pub pages: Option<u32>,
    /// Of the data, whatever the format: see [`document`](super::document).
    pub data_sha256: String,
}

/// Writes one document.
pub struct Writer<'d, W: Write> {
    digest: DataDigest,
    columns: usize,
    body: Body<'d, W>,
}

enum Body<'d, W: Write> {
    Json(json::Json<W>),
    Csv(Box<csv::Csv<'d, W>>),
    Xml(xml::Xml<W>),
    Xlsx(Box<xlsx::Xlsx<'d, W>>),
    Pdf(Box<pdf::Pdf<'d, W>>),
}

impl<'d, W: Write> Writer<'d, W> {
    pub fn start(format: Format, document: &'d Document, out: W) -> Result<Self, FormatError> {
        let body = match format {
            Format::Json => Body::Json(json::Json::start(document, out)?),
            Format::Csv => Body::Csv(Box::new(csv::Csv::start(document, out))),
            Format::Xml => Body::Xml(xml::Xml::start(document, out)?),
            Format::Xlsx => Body::Xlsx(Box::new(xlsx::Xlsx::start(document, out)?)),
            Format::Pdf => Body::Pdf(Box::new(pdf::Pdf::start(document, out))),
        };
        Ok(Self { digest: DataDigest::default(), columns: 0, body })
    }

    /// Begins a table; the one before is ended.
    pub fn table(&mut self, table: &Table) -> Result<(), FormatError> {
        self.digest.table(table);
        self.columns = table.columns.len();
        match &mut self.body {
            Body::Json(json) => json.table(table)?,
            Body::Csv(csv) => csv.table(table)?,
            Body::Xml(xml) => xml.table(table)?,
            Body::Xlsx(xlsx) => xlsx.table(table)?,
            Body::Pdf(pdf) => pdf.table(table),
        }
        Ok(())
    }

    pub fn row(&mut self, cells: &[Cell]) -> Result<(), FormatError> {
        if cells.len() != self.columns {
            return Err(FormatError::WrongRow { given: cells.len(), columns: self.columns });
        }
        self.digest.row(cells);
        match &mut self.body {
            Body::Json(json) => json.row(self.digest.json_cells())?,
            Body::Csv(csv) => csv.row(cells, self.digest.json_cells())?,
            Body::Xml(xml) => xml.row(cells)?,
            Body::Xlsx(xlsx) => xlsx.row(cells)?,
            Body::Pdf(pdf) => pdf.row(cells)?,
        }
        Ok(())
    }

    /// The cells of the last row, as JSON.
    pub fn json_cells(&self) -> impl Iterator<Item = &[u8]> {
        self.digest.json_cells()
    }

    /// Ends the document; all of it is in `W` then, which is given back.
    pub fn finish(self) -> Result<(Written, W), FormatError> {
        let mut written =
            Written { rows: self.digest.rows, pages: None, data_sha256: self.digest.finish() };
        let mut out = match self.body {
            Body::Json(json) => json.finish(&written)?,
            Body::Csv(csv) => csv.finish()?,
            Body::Xml(xml) => xml.finish(&written)?,
            Body::Xlsx(xlsx) => xlsx.finish(&written)?,
            Body::Pdf(pdf) => {
                let (pages, out) = pdf.finish(&written)?;
                written.pages = Some(pages);
                out
            }
        };
        out.flush()?;
        Ok((written, out))
    }
}

#[cfg(test)]
mod tests;
