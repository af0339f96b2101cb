//! JSON (RFC 8259), by `docs/schemas/export-1.schema.json`: the head, the tables with a row an
//! object, and at the end how many rows there were and their checksum.

use std::io::{self, Write};

use serde::Serialize;

use super::Written;
use crate::exports::document::{Document, FORMAT_VERSION, Table, rfc3339, write_json};

pub struct Json<W> {
    out: W,
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    has_table: bool,
    has_row: bool,
    /// The last one, on its way to `out` at once.
    row: Vec<u8>,
}

#[derive(Serialize)]
struct Period<'a> {
    label: &'a str,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Head<'a> {
    format_version: u32,
    kind: &'a str,
    title: &'a str,
    export_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<Period<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<&'a str>,
    generated_at: String,
    log_position: u64,
}

#[derive(Serialize)]
struct ColumnHead<'a> {
    name: &'a str,
    title: &'a str,
    r#type: &'a str,
}

impl<W: Write> Json<W> {
    pub fn start(document: &Document, mut out: W) -> io::Result<Self> {
        let period = document.period.as_ref().map(|period| Period {
            label: &period.label,
            from: period.from.to_string(),
            to: period.to.to_string(),
        });
        let head = Head {
            format_version: FORMAT_VERSION,
            kind: document.kind,
            title: &document.title,
            export_id: document.job_id.to_string(),
            organization: document.organization.as_deref(),
            period,
            state: document.state.map(|state| state.as_str()),
            schema_version: document.schema_version.as_deref(),
            generated_at: rfc3339(document.generated_at),
            log_position: document.position,
        };
        let mut text = Vec::new();
        write_json(&head, &mut text);
        // The object stays open: the tables follow.
        text.pop();
        text.extend_from_slice(b",\"tables\":[");
        out.write_all(&text)?;
        Ok(Self { out, keys: Vec::new(), has_table: false, has_row: false, row: Vec::new() })
    }

    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        let mut text = Vec::new();
        text.extend_from_slice(if self.has_table { b"\n]},\n" } else { b"\n" });
        text.extend_from_slice(b"{\"name\":");
        write_json(&table.name, &mut text);
        text.extend_from_slice(b",\"title\":");
        write_json(&table.title, &mut text);
        text.extend_from_slice(b",\"columns\":");
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|column| ColumnHead {
                name: &column.name,
                title: &column.title,
                r#type: column.kind.as_str(),
            })
            .collect();
        write_json(&columns, &mut text);
        text.extend_from_slice(b",\"rows\":[");
        self.keys = table
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let mut key = if index > 0 { b",".to_vec() } else { Vec::new() };
                write_json(&*column.name, &mut key);
                key.push(b':');
                key
            })
            .collect();
        (self.has_table, self.has_row) = (true, false);
        self.out.write_all(&text)
    }

    pub fn row<'c>(&mut self, cells: impl Iterator<Item = &'c [u8]>) -> io::Result<()> {
        self.row.clear();
        self.row.extend_from_slice(if self.has_row { b",\n{" } else { b"\n{" });
        for (key, cell) in self.keys.iter().zip(cells) {
            self.row.extend_from_slice(key);
            self.row.extend_from_slice(cell);
        }
        self.row.push(b'}');
        self.has_row = true;
        self.out.write_all(&self.row)
    }

    pub fn finish(mut self, written: &Written) -> io::Result<W> {
        let (end, rows, sha256) =
            (if self.has_table { "\n]}" } else { "" }, written.rows, &written.data_sha256);
        writeln!(self.out, "{end}\n],\"row_count\":{rows},\"data_sha256\":\"{sha256}\"}}")?;
        Ok(self.out)
    }
}
