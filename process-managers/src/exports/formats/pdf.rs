//! PDF/A-2a: a document that one hands to an authority. Tagged for those who hear it read, with a
//! language, a title and bookmarks; tables that break over pages with their heads; on every page its
//! number of how many, when it was made, and what data it is of.
//!
//! Rows are held until the end, since the first page names the number of the last, so what a PDF may
//! hold is bounded.

mod draw;
mod layout;
mod text;

use std::io::Write;

use super::{FormatError, Written};
use crate::exports::document::{Cell, Document, PdfRows, Table};

/// Some 700 pages of short rows.
const ROWS_MAX: usize = 30_000;
/// Characters in all rows together, in bytes: some 2,500 pages of nothing but text.
const TEXT_BYTES_MAX: usize = 8 << 20;

pub struct Pdf<'d, W> {
    document: &'d Document,
    out: W,
    tables: Vec<Held>,
    rows: usize,
    text_bytes: usize,
}

/// A table as far as it is shown.
pub(super) struct Held {
    pub(super) table: Table,
    /// As text, in the order of the columns; none for null.
    pub(super) rows: Vec<Vec<Option<Box<str>>>>,
    /// Rows that are not shown.
    pub(super) more: u64,
}

impl<'d, W: Write> Pdf<'d, W> {
    pub fn start(document: &'d Document, out: W) -> Self {
        Self { document, out, tables: Vec::new(), rows: 0, text_bytes: 0 }
    }

    pub fn table(&mut self, table: &Table) {
        self.tables.push(Held { table: table.clone(), rows: Vec::new(), more: 0 });
    }

    pub fn row(&mut self, cells: &[Cell]) -> Result<(), FormatError> {
        let Some(held) = self.tables.last_mut() else { return Ok(()) };
        if matches!(self.document.pdf_rows, PdfRows::First(rows_max) if held.rows.len() >= rows_max)
        {
            held.more += 1;
            return Ok(());
        }
        let row: Vec<Option<Box<str>>> = cells.iter().map(shown).collect();
        let bytes: usize = row.iter().flatten().map(|text| text.len()).sum();
        let is_full = self.rows >= ROWS_MAX || self.text_bytes + bytes > TEXT_BYTES_MAX;
        match self.document.pdf_rows {
            PdfRows::All if is_full => return Err(FormatError::TooManyRows(self.rows)),
            PdfRows::First(_) if is_full => {
                held.more += 1;
                return Ok(());
            }
            PdfRows::All | PdfRows::First(_) => {}
        }
        self.rows += 1;
        self.text_bytes += bytes;
        held.rows.push(row);
        Ok(())
    }

    /// The number of pages.
    pub fn finish(mut self, written: &Written) -> Result<(u32, W), FormatError> {
        let laid = layout::lay_out(self.document, self.tables, written);
        let pages = u32::try_from(laid.pages.len()).unwrap_or(u32::MAX);
        let bytes = draw::draw(self.document, laid, written)?;
        self.out.write_all(&bytes)?;
        Ok((pages, self.out))
    }
}

fn shown(cell: &Cell) -> Option<Box<str>> {
    match cell {
        Cell::Null => None,
        // To the second: nobody reads on.
        Cell::Time(time) => Some(time.format("%Y-%m-%d %H:%M:%S").to_string().into()),
        Cell::Text(text) if text.trim().is_empty() => None,
        cell => Some(cell.as_text().into()),
    }
}
