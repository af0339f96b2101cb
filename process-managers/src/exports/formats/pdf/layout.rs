//! Where everything goes: pages of lines, and what each line is part of.

use super::{
    Held,
    text::{BOLD, Face, REGULAR},
};
use crate::exports::{
    document::{Document, Table},
    formats::{Written, xlsx::about},
};

/// A4, in points.
const SHORT: f32 = 595.28;
const LONG: f32 = 841.89;
const MARGIN: f32 = 56.0;
/// Of the body; head and foot stand outside of it.
const TOP: f32 = 70.0;
const BOTTOM: f32 = 70.0;
/// A table with more columns lies on its side.
const COLUMNS_UPRIGHT_MAX: usize = 6;
const TITLE: f32 = 19.0;
const HEADING: f32 = 12.0;
pub(super) const BODY: f32 = 8.5;
const LINE: f32 = 1.32;
/// Between a cell's text and its edges.
const PADDING: f32 = 3.5;

pub(super) struct Laid {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) pages: Vec<Vec<Op>>,
    pub(super) blocks: Vec<Block>,
    /// How many things there are that text is part of.
    pub(super) slots: usize,
}

/// Something on a page.
pub(super) enum Op {
    Text {
        x: f32,
        baseline: f32,
        size: f32,
        bold: bool,
        text: String,
        slot: Option<usize>,
    },
    /// A rule across.
    Rule {
        x: f32,
        y: f32,
        width: f32,
    },
    /// What is behind a table's head.
    Band {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
    },
}

/// What text is part of, in the order of reading.
pub(super) enum Block {
    Heading {
        level: u16,
        title: String,
        page: usize,
        y: f32,
        slot: usize,
    },
    Paragraph {
        slot: usize,
    },
    /// Names and values: each row is headed by its first cell.
    Facts {
        first: usize,
        rows: usize,
    },
    /// The head, then the rows, cell by cell.
    Table {
        title: String,
        first: usize,
        columns: usize,
        rows: usize,
    },
}

pub(super) fn lay_out(document: &Document, tables: Vec<Held>, written: &Written) -> Laid {
    let columns = tables.iter().map(|held| held.table.columns.len()).max().unwrap_or(0);
    let (width, height) = if columns > COLUMNS_UPRIGHT_MAX { (LONG, SHORT) } else { (SHORT, LONG) };
    let laid = Laid { width, height, pages: vec![Vec::new()], blocks: Vec::new(), slots: 0 };
    let mut flow = Flow { y: TOP, laid };
    flow.heading(1, TITLE, &document.title);
    flow.facts(&about(document, written));
    for held in tables {
        flow.table(held);
    }
    flow.laid
}

/// A row's cells, line by line.
fn wrapped(row: &[Option<Box<str>>], columns: &[Place]) -> Vec<Vec<String>> {
    let lines = |(text, place): (&Option<Box<str>>, &Place)| match text {
        Some(text) => REGULAR.lines(text, place.inner(), BODY),
        None => vec!["–".to_owned()],
    };
    row.iter().zip(columns).map(lines).collect()
}

/// How many lines the longest of a row's cells has.
fn height(cells: &[Vec<String>]) -> usize {
    cells.iter().map(Vec::len).max().unwrap_or(0)
}

fn row_height(lines: usize) -> f32 {
    lines as f32 * BODY * LINE + 2.0 * PADDING
}

struct Flow {
    /// Where the next thing begins, from the top of the page.
    y: f32,
    laid: Laid,
}

impl Flow {
    fn width(&self) -> f32 {
        self.laid.width - 2.0 * MARGIN
    }

    fn left(&self) -> f32 {
        self.laid.height - BOTTOM - self.y
    }

    fn new_page(&mut self) {
        self.laid.pages.push(Vec::new());
        self.y = TOP;
    }

    fn put(&mut self, op: Op) {
        let page = self.laid.pages.last_mut().expect("there is a page from the start");
        page.push(op);
    }

    fn slots(&mut self, count: usize) -> usize {
        let first = self.laid.slots;
        self.laid.slots += count;
        first
    }

    fn text(&mut self, x: f32, size: f32, bold: bool, text: String, slot: Option<usize>) {
        // The first line's letters hang from the top.
        let baseline = self.y + size * 0.93;
        self.put(Op::Text { x, baseline, size, bold, text, slot });
    }

    fn heading(&mut self, level: u16, size: f32, title: &str) {
        let slot = self.slots(1);
        let (page, y) = (self.laid.pages.len() - 1, self.y);
        let title = BOLD.readable(title).replace('\n', " ");
        for line in BOLD.lines(&title, self.width(), size) {
            if self.left() < size * LINE {
                self.new_page();
            }
            self.text(MARGIN, size, true, line, Some(slot));
            self.y += size * LINE;
        }
        self.y += size * 0.5;
        self.laid.blocks.push(Block::Heading { level, title, page, y, slot });
    }

    fn paragraph(&mut self, text: &str) {
        let slot = self.slots(1);
        for line in REGULAR.lines(text, self.width(), BODY) {
            if self.left() < BODY * LINE {
                self.new_page();
            }
            self.text(MARGIN, BODY, false, line, Some(slot));
            self.y += BODY * LINE;
        }
        self.y += BODY * 0.5;
        self.laid.blocks.push(Block::Paragraph { slot });
    }

    fn facts(&mut self, facts: &[(&'static str, String)]) {
        let first = self.slots(facts.len() * 2);
        let names = 130.0;
        let size = BODY + 0.5;
        for (index, (name, value)) in facts.iter().enumerate() {
            let slot = first + index * 2;
            let lines = REGULAR.lines(value, self.width() - names, size);
            if self.left() < lines.len() as f32 * size * LINE {
                self.new_page();
            }
            self.text(MARGIN, size, true, (*name).to_owned(), Some(slot));
            for line in lines {
                self.text(MARGIN + names, size, false, line, Some(slot + 1));
                self.y += size * LINE;
            }
            self.y += 2.0;
        }
        self.laid.blocks.push(Block::Facts { first, rows: facts.len() });
    }

    fn table(&mut self, held: Held) {
        let Held { table, rows, more } = held;
        self.y += HEADING;
        let columns = self.columns(&table);
        let head = self.head(&table, &columns);
        // Neither a heading nor the head of a table stands alone at the foot of a page; a row that would
        // not fit below them on a page of its own either begins here.
        let first = rows.first().map_or(0, |row| height(&wrapped(row, &columns)));
        let needed = HEADING * 2.0 + head.height + row_height(first.max(2));
        let least = HEADING * 2.0 + head.height + row_height(3);
        let fits_a_page = needed <= self.laid.height - TOP - BOTTOM;
        if self.left() < if fits_a_page { needed } else { least } {
            self.new_page();
        }
        self.heading(2, HEADING, &table.title);
        if rows.is_empty() && more == 0 {
            self.paragraph("No entries.");
            return;
        }
        if more > 0 {
            let shown = rows.len();
            self.paragraph(&format!(
                "The first {shown} of {} rows. The data files that come with this hold all of them.",
                shown as u64 + more
            ));
        }
        if rows.is_empty() {
            return;
        }
        let first = self.slots(columns.len() * (rows.len() + 1));
        self.draw_head(&head, &columns, Some(first));
        for (index, row) in rows.iter().enumerate() {
            let slot = first + columns.len() * (index + 1);
            self.row(row, &columns, &head, slot);
        }
        let (columns, rows) = (columns.len(), rows.len());
        self.laid.blocks.push(Block::Table { title: table.title, first, columns, rows });
        self.y += BODY;
    }

    fn columns(&self, table: &Table) -> Vec<Place> {
        let weights: f32 = table.columns.iter().map(|column| f32::from(column.weight)).sum();
        let mut x = MARGIN;
        let place = |column: &crate::exports::document::Column| {
            let width = self.width() * f32::from(column.weight) / weights.max(1.0);
            let place = Place { x, width, to_the_right: column.kind.is_number() };
            x += width;
            place
        };
        table.columns.iter().map(place).collect()
    }

    fn head(&self, table: &Table, columns: &[Place]) -> Head {
        let lines: Vec<Vec<String>> = table
            .columns
            .iter()
            .zip(columns)
            .map(|(column, place)| BOLD.lines(&column.title, place.inner(), BODY))
            .collect();
        let count = lines.iter().map(Vec::len).max().unwrap_or(1);
        Head { lines, height: count as f32 * BODY * LINE + 2.0 * PADDING }
    }

    /// The head of a table; where it is repeated on a page, it is no part of the text again.
    fn draw_head(&mut self, head: &Head, columns: &[Place], first: Option<usize>) {
        let (width, height) = (self.width(), head.height);
        self.put(Op::Band { x: MARGIN, y: self.y, width, height });
        let top = self.y;
        for (index, (place, lines)) in columns.iter().zip(&head.lines).enumerate() {
            self.cell(place, lines, &BOLD, top, first.map(|first| first + index));
        }
        self.y = top + height;
    }

    /// A row; one that is longer than what is left of the page goes to the next, and one that is
    /// longer than a page goes over several.
    fn row(&mut self, row: &[Option<Box<str>>], columns: &[Place], head: &Head, first: usize) {
        let mut cells = wrapped(row, columns);
        let whole_page = self.laid.height - TOP - BOTTOM - head.height;
        let mut is_fresh = false;
        loop {
            let count = height(&cells);
            if count == 0 {
                break;
            }
            let fitting = ((self.left() - 2.0 * PADDING) / (BODY * LINE)).floor().max(0.0) as usize;
            let is_long = row_height(count) > whole_page;
            if fitting < count && (!is_long || fitting < 3) && !is_fresh {
                self.new_page();
                self.draw_head(head, columns, None);
                is_fresh = true;
                continue;
            }
            is_fresh = false;
            let top = self.y;
            let taken = count.min(fitting.max(1));
            for (index, (place, lines)) in columns.iter().zip(&mut cells).enumerate() {
                let rest = lines.split_off(lines.len().min(taken));
                self.cell(place, lines, &REGULAR, top, Some(first + index));
                *lines = rest;
            }
            self.y = top + row_height(taken);
            self.put(Op::Rule { x: MARGIN, y: self.y, width: self.width() });
        }
    }

    fn cell(
        &mut self,
        place: &Place,
        lines: &[String],
        face: &Face,
        top: f32,
        slot: Option<usize>,
    ) {
        let bold = face.is_bold;
        self.y = top + PADDING;
        for line in lines {
            let inner = place.inner();
            let x = place.x
                + PADDING
                + if place.to_the_right {
                    (inner - face.width(line.trim_end(), BODY)).max(0.0)
                } else {
                    0.0
                };
            self.text(x, BODY, bold, line.clone(), slot);
            self.y += BODY * LINE;
        }
    }
}

struct Place {
    x: f32,
    width: f32,
    to_the_right: bool,
}

impl Place {
    fn inner(&self) -> f32 {
        self.width - 2.0 * PADDING
    }
}

struct Head {
    lines: Vec<Vec<String>>,
    height: f32,
}
