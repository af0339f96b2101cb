//! CSV (RFC 4180): UTF-8, CRLF, one head. A spreadsheet must not take somebody's words for a formula:
//! text that begins as one gets an apostrophe before it, and so does one within a text, behind what
//! some spreadsheets take for the end of a cell. Numbers are what their column says, so a negative one
//! stays as it is.
//!
//! A report's rows repeat whose they are and of when, and each section names itself, so that files of
//! several periods can be laid together.

use std::{borrow::Cow, io::Write};

use csv::{Terminator, WriterBuilder};

use super::FormatError;
use crate::exports::document::{Cell, Document, Table};

pub struct Csv<'d, W: Write> {
    document: &'d Document,
    out: csv::Writer<W>,
    head: Vec<String>,
    /// What each row begins with.
    lead: Vec<String>,
}

impl<'d, W: Write> Csv<'d, W> {
    pub fn start(document: &'d Document, out: W) -> Self {
        let out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
        Self { document, out, head: Vec::new(), lead: Vec::new() }
    }

    pub fn table(&mut self, table: &Table) -> Result<(), FormatError> {
        let mut head = Vec::new();
        if let Some(period) = &self.document.period {
            head.extend(["organization", "report_period", "report_state", "section"]);
            let organization = self.document.organization.as_deref().unwrap_or_default();
            let state = self.document.state.map_or("", |state| state.as_str());
            let lead = [organization, &period.label, state, &table.title];
            self.lead = lead.iter().map(|text| safe(text).into_owned()).collect();
        }
        let columns = table.columns.iter().map(|column| &*column.name);
        let head: Vec<String> =
            head.into_iter().chain(columns).map(|name| safe(name).into_owned()).collect();
        if self.head.is_empty() {
            self.out.write_record(&head).map_err(io)?;
            self.head = head;
            Ok(())
        } else if self.head == head {
            Ok(())
        } else {
            Err(FormatError::OtherColumns)
        }
    }

    /// `json` are the same cells as JSON, which has written most of them as they are here.
    pub fn row<'c>(
        &mut self,
        cells: &[Cell],
        json: impl Iterator<Item = &'c [u8]>,
    ) -> Result<(), FormatError> {
        for text in &self.lead {
            self.out.write_field(text).map_err(io)?;
        }
        for (cell, json) in cells.iter().zip(json) {
            match cell {
                Cell::Null => self.out.write_field("").map_err(io)?,
                Cell::Text(text) => self.out.write_field(&*safe(text)).map_err(io)?,
                Cell::Decimal(_)
                | Cell::Boolean(_)
                | Cell::Integer(_)
                | Cell::Id(_)
                | Cell::Time(_) => {
                    // Neither in JSON nor here does anything of them need to be escaped.
                    let text = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\""));
                    self.out.write_field(text.unwrap_or(json)).map_err(io)?;
                }
            }
        }
        self.out.write_record(None::<&[u8]>).map_err(io)?;
        Ok(())
    }

    pub fn finish(self) -> Result<W, FormatError> {
        self.out.into_inner().map_err(|error| FormatError::Io(error.into_error()))
    }
}

fn io(error: csv::Error) -> FormatError {
    FormatError::Io(error.into())
}

/// By OWASP's list; the full-width forms are read as the others.
const BEGINS_A_FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// What ends a cell besides the comma, behind which the writer quotes: in many countries a semicolon.
const ENDS_A_CELL: [char; 4] = [';', '\t', '\r', '\n'];

fn safe(text: &str) -> Cow<'_, str> {
    // Most text neither begins as a formula nor lets another begin. All of it is looked at: without a
    // way out the processor compares many bytes at once.
    let ends_a_cell = |byte| matches!(byte, b';' | b'\t' | b'\r' | b'\n');
    let lets_begin = text.bytes().fold(false, |found, byte| found | ends_a_cell(byte));
    if !lets_begin && !text.starts_with(BEGINS_A_FORMULA) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 1);
    if text.starts_with(['\t', '\r', '\n']) {
        safe.push('\'');
    }
    let mut at_begin = true;
    for character in text.chars() {
        if at_begin && BEGINS_A_FORMULA.contains(&character) {
            safe.push('\'');
        }
        at_begin = ENDS_A_CELL.contains(&character);
        safe.push(character);
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn no_text_is_a_formula_wherever_a_spreadsheet_begins_a_cell() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("a;=1+1", "a;'=1+1"),
            ("a\n@b\t+c", "a\n'@b\t'+c"),
            ("\tx", "'\tx"),
            ("a-b = c", "a-b = c"),
            ("＝1", "'＝1"),
        ] {
            assert_eq!(safe(text), written);
        }
    }
}
