//! XML, valid by [`SCHEMA`]. A cell that is null is left out. Characters that XML 1.0 cannot hold are
//! U+FFFD; the data checksum is of what stood there.

use std::io::{self, Write};

use quick_xml::escape::escape;

use super::Written;
use crate::exports::document::{Cell, Document, FORMAT_VERSION, Table, rfc3339};

/// The XML Schema of these files.
pub const SCHEMA: &str = include_str!("../../../../docs/schemas/export-1.xsd");

pub struct Xml<W> {
    out: W,
    /// `<cell column="…">` of each column.
    tags: Vec<String>,
    has_table: bool,
}

impl<W: Write> Xml<W> {
    pub fn start(document: &Document, mut out: W) -> io::Result<Self> {
        let mut head = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <export xmlns=\"urn:agora:export:1\" format_version=\"{FORMAT_VERSION}\" kind=\"{}\" \
             id=\"{}\">\n",
            document.kind, document.job_id
        );
        element(&mut head, "title", Some(&document.title));
        element(&mut head, "organization", document.organization.as_deref());
        if let Some(period) = &document.period {
            head.push_str(&format!(
                "<period label=\"{}\" from=\"{}\" to=\"{}\"/>\n",
                text(&period.label),
                period.from,
                period.to
            ));
        }
        element(&mut head, "state", document.state.map(|state| state.as_str()));
        element(&mut head, "schema_version", document.schema_version.as_deref());
        element(&mut head, "generated_at", Some(&rfc3339(document.generated_at)));
        element(&mut head, "log_position", Some(&document.position.to_string()));
        out.write_all(head.as_bytes())?;
        Ok(Self { out, tags: Vec::new(), has_table: false })
    }

    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        let mut head = String::new();
        if self.has_table {
            head.push_str("</table>\n");
        }
        let (name, title) = (text(&table.name), text(&table.title));
        head.push_str(&format!("<table name=\"{name}\" title=\"{title}\">\n"));
        for column in &table.columns {
            let (name, title) = (text(&column.name), text(&column.title));
            let kind = column.kind.as_str();
            head.push_str(&format!(
                "<column name=\"{name}\" title=\"{title}\" type=\"{kind}\"/>\n"
            ));
        }
        self.has_table = true;
        let names = table.columns.iter().map(|column| text(&column.name));
        self.tags = names.map(|name| format!("<cell column=\"{name}\">")).collect();
        self.out.write_all(head.as_bytes())
    }

    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.out.write_all(b"<row>")?;
        for (tag, cell) in self.tags.iter().zip(cells) {
            if *cell != Cell::Null {
                self.out.write_all(tag.as_bytes())?;
                self.out.write_all(text(&cell.as_text()).as_bytes())?;
                self.out.write_all(b"</cell>")?;
            }
        }
        self.out.write_all(b"</row>\n")
    }

    pub fn finish(mut self, written: &Written) -> io::Result<W> {
        let (end, rows, sha256) =
            (if self.has_table { "</table>\n" } else { "" }, written.rows, &written.data_sha256);
        writeln!(self.out, "{end}<end row_count=\"{rows}\" data_sha256=\"{sha256}\"/>\n</export>")?;
        Ok(self.out)
    }
}

fn element(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push_str(&format!("<{name}>{}</{name}>\n", text(value)));
    }
}

/// Escaped. A carriage return is written as a reference: a parser would make it a line feed.
fn text(value: &str) -> String {
    let is_plain = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if value.chars().all(is_plain) {
        return escape(value).into_owned();
    }
    let plain: String =
        value.chars().map(|c| if is_plain(c) || c == '\r' { c } else { '\u{fffd}' }).collect();
    escape(&plain).replace('\r', "&#13;")
}
