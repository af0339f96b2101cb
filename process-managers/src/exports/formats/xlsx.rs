//! Spreadsheets: a sheet that says what the data is, then one a table, written row by row to a file
//! beside, so that memory does not grow with them. Text is text, whatever it begins with.

use std::{
    fs::File,
    io::{self, Seek, Write},
};

use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format as Style, FormatAlign, Workbook, Worksheet,
};

use super::{FormatError, Written};
use crate::exports::document::{Cell, Column, ColumnKind, Document, Table, rfc3339};

/// What a sheet can hold, with its head.
const ROWS_MAX: u32 = 1_048_576;
/// What a cell can hold, in UTF-16 units.
const CELL_UNITS_MAX: usize = 32_767;
/// Digits that a spreadsheet's numbers keep.
const DIGITS_MAX: usize = 15;

pub struct Xlsx<'d, W> {
    document: &'d Document,
    out: W,
    book: Workbook,
    table: Option<Table>,
    sheet: usize,
    /// Names that are taken, in lower case: spreadsheets do not tell them apart.
    names: Vec<String>,
    row: u32,
    bold: Style,
    time: Style,
    wrapped: Style,
}

impl<'d, W: Write> Xlsx<'d, W> {
    pub fn start(document: &'d Document, out: W) -> Result<Self, FormatError> {
        let mut book = Workbook::new();
        let properties = DocProperties::new()
            .set_title(plain(&document.title))
            .set_author(plain(document.organization.as_deref().unwrap_or("Agora")))
            .set_creation_datetime(&excel_time(document.generated_at)?);
        book.set_properties(&properties);
        book.add_worksheet().set_name("About")?;
        Ok(Self {
            document,
            out,
            book,
            table: None,
            sheet: 0,
            names: vec!["about".to_owned()],
            row: 0,
            bold: Style::new().set_bold().set_text_wrap().set_align(FormatAlign::Top),
            time: Style::new().set_num_format("yyyy-mm-dd hh:mm:ss").set_align(FormatAlign::Top),
            wrapped: Style::new().set_text_wrap().set_align(FormatAlign::Top),
        })
    }

    pub fn table(&mut self, table: &Table) -> Result<(), FormatError> {
        self.table = Some(table.clone());
        self.new_sheet()
    }

    fn new_sheet(&mut self) -> Result<(), FormatError> {
        let Some(table) = &self.table else { return Ok(()) };
        let name = sheet_name(&table.title, &mut self.names);
        let sheet = self.book.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?;
        let weights: u32 = table.columns.iter().map(|column| u32::from(column.weight)).sum();
        for (index, column) in (0_u16..).zip(&table.columns) {
            let share = f64::from(column.weight) / f64::from(weights.max(1));
            sheet.set_column_width(index, (share * 120.0).clamp(10.0, 80.0))?;
        }
        sheet.set_freeze_panes(1, 0)?;
        sheet.set_repeat_rows(0, 0)?;
        for (index, Column { title, .. }) in (0_u16..).zip(&table.columns) {
            sheet.write_string_with_format(0, index, &**title, &self.bold)?;
        }
        self.sheet += 1;
        self.row = 1;
        Ok(())
    }

    pub fn row(&mut self, cells: &[Cell]) -> Result<(), FormatError> {
        if self.row == ROWS_MAX {
            self.new_sheet()?;
        }
        let Some(table) = &self.table else { return Ok(()) };
        let (time, wrapped) = (&self.time, &self.wrapped);
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        for (index, (cell, column)) in (0_u16..).zip(cells.iter().zip(&table.columns)) {
            write_cell(sheet, self.row, index, cell, column.kind, time, wrapped)?;
        }
        self.row += 1;
        Ok(())
    }

    pub fn finish(mut self, written: &Written) -> Result<W, FormatError> {
        let about = about(self.document, written);
        let sheet = self.book.worksheet_from_index(0)?;
        sheet.set_column_width(0, 24)?;
        sheet.set_column_width(1, 80)?;
        for (row, (name, value)) in (0_u32..).zip(&about) {
            sheet.write_string_with_format(row, 0, *name, &self.bold)?;
            sheet.write_string_with_format(row, 1, value, &self.wrapped)?;
        }
        // The archive is written with steps back, which an object store does not take.
        let mut file: File = tempfile::tempfile()?;
        self.book.save_to_writer(&mut file)?;
        file.rewind()?;
        io::copy(&mut file, &mut self.out)?;
        Ok(self.out)
    }
}

fn write_cell(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    cell: &Cell,
    kind: ColumnKind,
    time: &Style,
    wrapped: &Style,
) -> Result<(), FormatError> {
    match cell {
        Cell::Null => {}
        Cell::Boolean(value) => {
            sheet.write_boolean(row, column, *value)?;
        }
        Cell::Integer(number) if number.unsigned_abs() < 1_000_000_000_000_000 => {
            sheet.write_number(row, column, *number as f64)?;
        }
        Cell::Decimal(text) if kind.is_number() && digits(text) <= DIGITS_MAX => {
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => sheet.write_number(row, column, number)?,
                _ => sheet.write_string(row, column, text)?,
            };
        }
        Cell::Time(value) => {
            sheet.write_datetime_with_format(row, column, excel_time(*value)?, time)?;
        }
        Cell::Integer(_) | Cell::Decimal(_) | Cell::Text(_) | Cell::Id(_) => {
            // A carriage return would be shown as a code.
            let text = cell.as_text().replace("\r\n", "\n");
            sheet.write_string_with_format(row, column, fitting(&text), wrapped)?;
        }
    }
    Ok(())
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// Cut where a cell ends, and marked: the other formats have all of it.
fn fitting(text: &str) -> String {
    if text.len() <= CELL_UNITS_MAX || text.encode_utf16().count() <= CELL_UNITS_MAX {
        return text.to_owned();
    }
    let mut units = 0;
    let kept = text.chars().take_while(|c| {
        units += c.len_utf16();
        units < CELL_UNITS_MAX
    });
    kept.chain(['…']).collect()
}

fn excel_time(time: chrono::DateTime<chrono::Utc>) -> Result<ExcelDateTime, FormatError> {
    Ok(ExcelDateTime::from_timestamp(time.timestamp())?)
}

/// One line, without what XML cannot hold.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// At most 31 characters, none that formulas use, no two the same.
fn sheet_name(title: &str, taken: &mut Vec<String>) -> String {
    let plain: String = title
        .chars()
        .map(|c| if c.is_control() || "[]:*?/\\'".contains(c) { ' ' } else { c })
        .collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = if plain.is_empty() { "Table".to_owned() } else { plain };
    let mut number = 1;
    loop {
        let end = if number == 1 { String::new() } else { format!(" ({number})") };
        let mut units = end.len();
        let kept = plain.chars().take_while(|c| {
            units += c.len_utf16();
            units <= 31
        });
        let name: String = kept.chain(end.chars()).collect();
        let folded = name.to_lowercase();
        // Excel keeps this name for itself.
        if folded != "history" && !taken.contains(&folded) {
            taken.push(folded);
            return name;
        }
        number += 1;
    }
}

/// What a reader must know of the data, in the order of a title page.
pub(super) fn about(document: &Document, written: &Written) -> Vec<(&'static str, String)> {
    let mut about = vec![("Title", document.title.clone())];
    let mut add = |name, value: Option<String>| about.extend(value.map(|value| (name, value)));
    add("Organization", document.organization.clone());
    let period = document.period.as_ref();
    add("Period", period.map(|it| format!("{} ({} to {})", it.label, it.from, it.to)));
    add("State", document.state.map(state_text).map(str::to_owned));
    add("Schema version", document.schema_version.clone());
    add("Generated", Some(rfc3339(document.generated_at)));
    add("Log position", Some(document.position.to_string()));
    add("Export", Some(document.job_id.to_string()));
    add("Rows", Some(written.rows.to_string()));
    add("Data checksum (SHA-256)", Some(written.data_sha256.clone()));
    about
}

fn state_text(state: crate::exports::document::ReportState) -> &'static str {
    match state {
        crate::exports::document::ReportState::Draft => "Draft: not submitted",
        crate::exports::document::ReportState::Submitted => "Submitted",
    }
}
