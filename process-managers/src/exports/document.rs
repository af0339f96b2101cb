//! What an exported file is of: a head that says whose it is, what of, and as of when, and tables
//! whose rows come one after the other, so that a million of them need no more memory than one.
//!
//! The **data checksum** is of the data alone, the same in whatever format it is written: SHA-256
//! over lines of JSON that end with a line feed, without spaces, characters as they are: for each table
//! `{"table":"…","columns":["…",…]}`, then each row as an array of its cells. Decimals and times are
//! strings there, so that nobody's floating point rounds them.

use std::{borrow::Cow, io::Write as _};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The version of what files look like: the schemas in `docs/schemas/` carry it.
pub const FORMAT_VERSION: u32 = 1;

/// What stands at the head of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// `statutory_report`, `subject_data` or `platform_data`.
    pub kind: &'static str,
    pub title: String,
    pub job_id: Uuid,
    /// Whose report it is.
    pub organization: Option<String>,
    pub period: Option<Period>,
    /// Whether a report was submitted or is a draft; none for what is no report.
    pub state: Option<ReportState>,
    /// The version of the form that a report follows.
    pub schema_version: Option<String>,
    /// When its generation began, as the log says: made again after a crash, it is the same file.
    pub generated_at: DateTime<Utc>,
    /// The position of the log that the data is as of.
    pub position: u64,
    pub pdf_rows: PdfRows,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    pub label: String,
    pub from: NaiveDate,
    /// The last day that belongs to it.
    pub to: NaiveDate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportState {
    Draft,
    Submitted,
}

impl ReportState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
        }
    }
}

/// How many rows a PDF shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PdfRows {
    /// All, or there is no PDF: what goes to an authority is whole.
    All,
    /// So many of each table, with a note that says how many more there are; for a PDF that comes
    /// with the same data in another format.
    First(usize),
}

#[derive(Clone, Debug)]
pub struct Table {
    /// For machines: the name of a file in a bundle, of an element, of a sheet.
    pub name: String,
    /// For people.
    pub title: String,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: Cow<'static, str>,
    pub title: Cow<'static, str>,
    pub kind: ColumnKind,
    /// Its share of a page's width.
    pub weight: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Integer,
    Decimal,
    Boolean,
    Time,
}

impl ColumnKind {
    /// The types of XML Schema that have the same values.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::Time => "dateTime",
        }
    }

    pub const fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal)
    }
}

impl Column {
    pub const fn new(
        name: &'static str,
        title: &'static str,
        kind: ColumnKind,
        weight: u16,
    ) -> Self {
        Self { name: Cow::Borrowed(name), title: Cow::Borrowed(title), kind, weight }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A number in digits, with a point where it has decimals.
    Decimal(String),
    Text(String),
    Id(Uuid),
    Time(DateTime<Utc>),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn optional(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// As text formats write it; numbers in digits, times as RFC 3339 in UTC, nothing for null.
    pub fn as_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Boolean(true) => Cow::Borrowed("true"),
            Self::Boolean(false) => Cow::Borrowed("false"),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Decimal(text) | Self::Text(text) => Cow::Borrowed(text),
            Self::Id(id) => Cow::Owned(id.to_string()),
            Self::Time(time) => Cow::Owned(rfc3339(*time)),
        }
    }

    /// As a JSON value; see the module for why decimals are strings.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Integer(number) => {
                let _infallible = write!(out, "{number}");
            }
            Self::Decimal(text) | Self::Text(text) => write_json(text, out),
            Self::Id(id) => {
                let mut text = Uuid::encode_buffer();
                out.push(b'"');
                out.extend_from_slice(id.as_hyphenated().encode_lower(&mut text).as_bytes());
                out.push(b'"');
            }
            Self::Time(time) => {
                out.push(b'"');
                out.extend_from_slice(rfc3339(*time).as_bytes());
                out.push(b'"');
            }
        }
    }
}

/// A value that cannot fail to be JSON.
pub fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("strings are JSON, and a Vec takes every byte");
}

/// Microseconds, as the log keeps them.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The data checksum, taken as rows go by. What a row is in JSON is left for the format to use.
#[derive(Default)]
pub struct DataDigest {
    hash: Sha256,
    /// The last row: `[…]`, a line feed.
    line: Vec<u8>,
    /// Where each of its cells ends.
    ends: Vec<usize>,
    pub rows: u64,
}

impl DataDigest {
    pub fn table(&mut self, table: &Table) {
        #[derive(Serialize)]
        struct Head<'a> {
            table: &'a str,
            columns: Vec<&'a str>,
        }
        let columns = table.columns.iter().map(|column| &*column.name).collect();
        self.line.clear();
        write_json(&Head { table: &table.name, columns }, &mut self.line);
        self.line.push(b'\n');
        self.hash.update(&self.line);
    }

    pub fn row(&mut self, cells: &[Cell]) {
        self.line.clear();
        self.ends.clear();
        self.line.push(b'[');
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.line.push(b',');
            }
            cell.write_json(&mut self.line);
            self.ends.push(self.line.len());
        }
        self.line.extend_from_slice(b"]\n");
        self.hash.update(&self.line);
        self.rows += 1;
    }

    /// The cells of the last row, as JSON.
    pub fn json_cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(1).chain(self.ends.iter().map(|end| end + 1));
        starts.zip(&self.ends).map(|(start, end)| &self.line[start..*end])
    }

    /// In lower-case hex.
    pub fn finish(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_checksum_is_of_lines_that_anybody_can_write_again() {
        let column = |name| Column::new(name, name, ColumnKind::Text, 1);
        let columns = vec![column("a"), column("b"), column("c"), column("d")];
        let table = Table { name: "t".into(), title: "T".into(), columns };
        let mut digest = DataDigest::default();
        digest.table(&table);
        let time = DateTime::from_timestamp(1_700_000_000, 5_000).unwrap();
        digest.row(&[
            Cell::text("æ\"\n"),
            Cell::Decimal("1.50".into()),
            Cell::Null,
            Cell::Time(time),
        ]);
        let cells: Vec<&[u8]> = digest.json_cells().collect();
        let expected: [&[u8]; 4] =
            ["\"æ\\\"\\n\"".as_bytes(), b"\"1.50\"", b"null", b"\"2023-11-14T22:13:20.000005Z\""];
        assert_eq!(cells, expected);
        let lines = "{\"table\":\"t\",\"columns\":[\"a\",\"b\",\"c\",\"d\"]}\n\
                     [\"æ\\\"\\n\",\"1.50\",null,\"2023-11-14T22:13:20.000005Z\"]\n";
        assert_eq!(digest.finish(), hex::encode(Sha256::digest(lines)));
        assert_eq!(digest.rows, 1);
    }
}
