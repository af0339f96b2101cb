//! From pages of lines to bytes.

use std::num::NonZeroU16;

use chrono::{Datelike, Timelike};
use krilla::{
    Document as Book, SerializeSettings,
    color::rgb,
    configure::{Configuration, Validator},
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::Fill,
    surface::Surface,
    tagging::{
        ArtifactType, ContentTag, Identifier, Node, TableHeaderScope, Tag, TagGroup, TagTree,
    },
    text::TextDirection,
};

use super::{
    layout::{Block, Laid, Op},
    text::{BOLD, Face, REGULAR},
};
use crate::exports::{
    document::{Document, ReportState, rfc3339},
    formats::{FormatError, Written},
};

const LANGUAGE: &str = "en";
const MARGIN: f32 = 56.0;
const SMALL: f32 = 7.0;
const BLACK: (u8, u8, u8) = (0x1a, 0x1a, 0x1a);
const GREY: (u8, u8, u8) = (0x59, 0x59, 0x59);
const RED: (u8, u8, u8) = (0xa6, 0x12, 0x12);
const BAND: (u8, u8, u8) = (0xe9, 0xed, 0xf2);
const RULE: (u8, u8, u8) = (0xc4, 0xc9, 0xd0);

pub(super) fn draw(
    document: &Document,
    laid: Laid,
    written: &Written,
) -> Result<Vec<u8>, FormatError> {
    let settings = SerializeSettings {
        configuration: Configuration::new_with_validator(Validator::A2_A),
        enable_tagging: true,
        ..SerializeSettings::default()
    };
    let mut book = Book::new_with(settings);
    let page_settings = PageSettings::from_wh(laid.width, laid.height)
        .ok_or_else(|| FormatError::Pdf("the page has no size".to_owned()))?;
    let mut slots: Vec<Vec<Identifier>> = Vec::new();
    slots.resize_with(laid.slots, Vec::new);
    let frame = Frame::new(document, written, &laid);
    for (index, ops) in laid.pages.iter().enumerate() {
        let mut page = book.start_page_with(page_settings.clone());
        let mut surface = page.surface();
        frame.draw(&mut surface, index + 1);
        body(&mut surface, ops, &mut slots);
        surface.finish();
        page.finish();
    }
    book.set_metadata(metadata(document));
    book.set_outline(outline(&laid.blocks));
    book.set_tag_tree(tags(&laid.blocks, slots));
    book.finish()
        .map_err(|error| FormatError::Pdf(format!("{error:?}").chars().take(300).collect()))
}

fn metadata(document: &Document) -> Metadata {
    let time = document.generated_at;
    let created = DateTime::new(u16::try_from(time.year()).unwrap_or(0))
        .month(time.month() as u8)
        .day(time.day() as u8)
        .hour(time.hour() as u8)
        .minute(time.minute() as u8)
        .second(time.second() as u8)
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    let metadata = Metadata::new()
        .title(plain(&document.title))
        .language(LANGUAGE.to_owned())
        .creator("Agora".to_owned())
        .creation_date(created)
        .document_id(document.job_id.to_string());
    match &document.organization {
        Some(organization) => metadata.authors(vec![plain(organization)]),
        None => metadata,
    }
}

/// One line, without what XML cannot hold.
fn plain(text: &str) -> String {
    REGULAR.readable(text).replace('\n', " ")
}

fn outline(blocks: &[Block]) -> Outline {
    let mut outline = Outline::new();
    for block in blocks {
        if let Block::Heading { title, page, y, .. } = block {
            let destination = XyzDestination::new(*page, Point::from_xy(MARGIN, *y));
            outline.push_child(OutlineNode::new(title.clone(), destination));
        }
    }
    outline
}

/// The structure that the text on the pages is part of.
fn tags(blocks: &[Block], mut slots: Vec<Vec<Identifier>>) -> TagTree {
    let mut tree = TagTree::new().with_lang(Some(LANGUAGE.to_owned()));
    let mut take = |slot: usize| -> Vec<Node> {
        std::mem::take(&mut slots[slot]).into_iter().map(Node::from).collect()
    };
    for block in blocks {
        match block {
            Block::Heading { level, title, slot, .. } => {
                let level = NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN);
                let tag = Tag::Hn(level, Some(title.clone()));
                tree.push(TagGroup::with_children(tag, take(*slot)));
            }
            Block::Paragraph { slot } => {
                tree.push(TagGroup::with_children(Tag::P, take(*slot)));
            }
            Block::Facts { first, rows } => {
                let mut table = TagGroup::new(Tag::Table);
                for row in 0..*rows {
                    let slot = first + row * 2;
                    let name = TagGroup::with_children(Tag::TH(TableHeaderScope::Row), take(slot));
                    let value = TagGroup::with_children(Tag::TD, take(slot + 1));
                    table.push(TagGroup::with_children(Tag::TR, vec![name.into(), value.into()]));
                }
                tree.push(table);
            }
            Block::Table { title, first, columns, rows } => {
                let summary = Some(title.clone());
                let mut table = TagGroup::new(Tag::Table.with_summary(summary));
                let mut head = TagGroup::new(Tag::TR);
                for slot in *first..first + columns {
                    let scope = Tag::TH(TableHeaderScope::Column);
                    head.push(TagGroup::with_children(scope, take(slot)));
                }
                table.push(TagGroup::with_children(Tag::THead, vec![head.into()]));
                let mut body = TagGroup::new(Tag::TBody);
                for row in 1..=*rows {
                    let mut cells = TagGroup::new(Tag::TR);
                    for slot in first + row * columns..first + (row + 1) * columns {
                        cells.push(TagGroup::with_children(Tag::TD, take(slot)));
                    }
                    body.push(cells);
                }
                table.push(body);
                tree.push(table);
            }
        }
    }
    tree
}

fn body(surface: &mut Surface<'_>, ops: &[Op], slots: &mut [Vec<Identifier>]) {
    let mut open: Option<Option<usize>> = None;
    for op in ops {
        let slot = match op {
            Op::Text { slot, .. } => *slot,
            Op::Rule { .. } | Op::Band { .. } => None,
        };
        if open != Some(slot) {
            if open.is_some() {
                surface.end_tagged();
            }
            let tag = match slot {
                Some(_) => ContentTag::Other,
                None => ContentTag::Artifact(ArtifactType::Other),
            };
            let identifier = surface.start_tagged(tag);
            if let Some(slot) = slot {
                slots[slot].push(identifier);
            }
            open = Some(slot);
        }
        match op {
            Op::Text { x, baseline, size, bold, text, .. } => {
                let face: &Face = if *bold { &BOLD } else { &REGULAR };
                line(surface, face, (*x, *baseline), *size, BLACK, text);
            }
            Op::Rule { x, y, width } => area(surface, *x, *y, *width, 0.5, RULE),
            Op::Band { x, y, width, height } => area(surface, *x, *y, *width, *height, BAND),
        }
    }
    if open.is_some() {
        surface.end_tagged();
    }
}

fn line(
    surface: &mut Surface<'_>,
    face: &Face,
    (x, y): (f32, f32),
    size: f32,
    colour: (u8, u8, u8),
    text: &str,
) {
    if text.is_empty() {
        return;
    }
    surface.set_fill(Some(fill(colour)));
    let start = Point::from_xy(x, y);
    match face.glyphs(text) {
        Some(glyphs) => {
            surface.draw_glyphs(start, &glyphs, face.font.clone(), text, size, false);
        }
        None => {
            surface.draw_text(start, face.font.clone(), size, text, false, TextDirection::Auto);
        }
    }
}

fn area(surface: &mut Surface<'_>, x: f32, y: f32, width: f32, height: f32, colour: (u8, u8, u8)) {
    let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
    let mut path = PathBuilder::new();
    path.push_rect(rect);
    if let Some(path) = path.finish() {
        surface.set_fill(Some(fill(colour)));
        surface.draw_path(&path);
    }
}

fn fill((red, green, blue): (u8, u8, u8)) -> Fill {
    Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        opacity: NormalizedF32::ONE,
        rule: Default::default(),
    }
}

/// Head and foot of every page.
struct Frame {
    width: f32,
    height: f32,
    pages: usize,
    title: String,
    is_draft: bool,
    made: String,
    data: String,
}

impl Frame {
    fn new(document: &Document, written: &Written, laid: &Laid) -> Self {
        let Laid { width, height, .. } = *laid;
        let whose = document.organization.iter().chain([&document.title]);
        let title = whose.map(String::as_str).collect::<Vec<_>>().join(" · ");
        let title = REGULAR.lines(&title.replace('\n', " "), width - 2.0 * MARGIN - 110.0, SMALL);
        Self {
            width,
            height,
            pages: laid.pages.len(),
            title: title.into_iter().next().unwrap_or_default(),
            is_draft: document.state == Some(ReportState::Draft),
            made: format!(
                "Generated {} · log position {}",
                rfc3339(document.generated_at),
                document.position
            ),
            data: format!("Data SHA-256 {}", written.data_sha256),
        }
    }

    fn draw(&self, surface: &mut Surface<'_>, number: usize) {
        surface.start_tagged(ContentTag::Artifact(ArtifactType::Header));
        line(surface, &REGULAR, (MARGIN, 42.0), SMALL, GREY, &self.title);
        if self.is_draft {
            self.to_the_right(surface, &BOLD, 42.0, RED, "DRAFT: not submitted");
        }
        area(surface, MARGIN, 48.0, self.width - 2.0 * MARGIN, 0.5, RULE);
        surface.end_tagged();
        surface.start_tagged(ContentTag::Artifact(ArtifactType::Footer));
        let foot = self.height - 44.0;
        area(surface, MARGIN, foot - 10.0, self.width - 2.0 * MARGIN, 0.5, RULE);
        line(surface, &REGULAR, (MARGIN, foot), SMALL, GREY, &self.made);
        line(surface, &REGULAR, (MARGIN, foot + 10.0), SMALL, GREY, &self.data);
        let number = format!("Page {number} of {}", self.pages);
        self.to_the_right(surface, &REGULAR, foot, GREY, &number);
        surface.end_tagged();
    }

    fn to_the_right(
        &self,
        surface: &mut Surface<'_>,
        face: &Face,
        y: f32,
        colour: (u8, u8, u8),
        text: &str,
    ) {
        let x = self.width - MARGIN - face.width(text, SMALL);
        line(surface, face, (x, y), SMALL, colour, text);
    }
}
