//! The font: which characters it has, how wide they are, and where lines end.

use std::sync::LazyLock;

use krilla::text::{Font, GlyphId, KrillaGlyph};

pub(super) static REGULAR: LazyLock<Face> =
    LazyLock::new(|| Face::new(include_bytes!("../../fonts/DejaVuSansCondensed.ttf"), false));
pub(super) static BOLD: LazyLock<Face> =
    LazyLock::new(|| Face::new(include_bytes!("../../fonts/DejaVuSansCondensed-Bold.ttf"), true));

/// Shown where the font has nothing for a character.
const MISSING: char = '\u{fffd}';

pub(super) struct Face {
    pub(super) font: Font,
    pub(super) is_bold: bool,
    /// Glyph and advance of each character of the basic plane; glyph 0 where there is none.
    glyphs: Vec<(u16, u16)>,
    units_per_em: f32,
}

impl Face {
    fn new(data: &'static [u8], is_bold: bool) -> Self {
        let face = ttf_parser::Face::parse(data, 0).expect("the font in the tree is one");
        let glyph = |code: u16| {
            let glyph = char::from_u32(u32::from(code)).and_then(|c| face.glyph_index(c));
            glyph.map_or((0, 0), |glyph| (glyph.0, face.glyph_hor_advance(glyph).unwrap_or(0)))
        };
        Self {
            font: Font::new(data.into(), 0).expect("the font in the tree is one"),
            is_bold,
            glyphs: (0..=u16::MAX).map(glyph).collect(),
            units_per_em: f32::from(face.units_per_em()),
        }
    }

    /// Ems.
    fn advance(&self, c: char) -> f32 {
        let advance = self.glyphs.get(c as usize).map_or(0, |(_, advance)| *advance);
        f32::from(advance) / self.units_per_em
    }

    fn has(&self, c: char) -> bool {
        self.glyphs.get(c as usize).is_some_and(|(glyph, _)| *glyph != 0)
    }

    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|c| self.advance(c)).sum::<f32>() * size
    }

    /// The glyphs of a line whose characters stand side by side; none where it has to be shaped.
    pub(super) fn glyphs(&self, line: &str) -> Option<Vec<KrillaGlyph>> {
        line.char_indices()
            .map(|(start, c)| {
                let (glyph, _) = self.glyphs.get(c as usize).filter(|_| !is_shaped(c))?;
                let range = start..start + c.len_utf8();
                let (glyph, advance) = (GlyphId::new(u32::from(*glyph)), self.advance(c));
                Some(KrillaGlyph::new(glyph, advance, 0.0, 0.0, 0.0, range, None))
            })
            .collect()
    }

    /// What can be shown of a text: characters that PDF/A forbids or the font has not are replaced,
    /// those that nobody sees are left out.
    pub(super) fn readable(&self, text: &str) -> String {
        use unicode_normalization::UnicodeNormalization;
        let shown = |c: char| match c {
            '\n' => Some('\n'),
            c if c.is_whitespace() => Some(' '),
            c if c.is_control() || is_invisible(c) => None,
            '\u{e000}'..='\u{f8ff}' => Some(MISSING),
            c if self.has(c) => Some(c),
            _ => Some(MISSING),
        };
        text.replace("\r\n", "\n").nfc().filter_map(shown).collect()
    }

    /// Breaks what is readable into lines of a width, between words where that is possible. A line
    /// that was broken at a space keeps it, so that who copies or hears it gets whole words.
    pub(super) fn lines(&self, text: &str, width: f32, size: f32) -> Vec<String> {
        let text = self.readable(text);
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            self.wrap(paragraph, width / size, &mut lines);
        }
        lines
    }

    fn wrap(&self, paragraph: &str, ems: f32, lines: &mut Vec<String>) {
        let (mut start, mut used) = (0, 0.0);
        let mut space: Option<usize> = None;
        for (at, c) in paragraph.char_indices() {
            let advance = self.advance(c);
            // A space may hang over the edge.
            if c != ' ' && used + advance > ems && at > start {
                let end = space.filter(|end| *end > start).unwrap_or(at);
                lines.push(paragraph[start..end].to_owned());
                used = paragraph[end..at].chars().map(|c| self.advance(c)).sum();
                (start, space) = (end, None);
            }
            used += advance;
            if c == ' ' {
                space = Some(at + 1);
            }
        }
        lines.push(paragraph[start..].to_owned());
    }
}

/// Characters whose form or place depends on those beside them.
fn is_shaped(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{590}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe00}'..='\u{fefe}')
}

/// Marks of format: direction, joining, variation.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words_and_lose_nothing() {
        let text = "Barn og unge på Ål får hjelp av Ålesunds største barnevernstjeneste";
        let lines = REGULAR.lines(text, 80.0, 8.0);
        assert!(lines.len() > 3, "{lines:?}");
        assert_eq!(lines.concat(), text);
        for line in &lines {
            assert!(REGULAR.width(line.trim_end(), 8.0) <= 80.0, "{line}");
            assert!(line.ends_with(' ') || line.ends_with("tjeneste"), "{line:?}");
        }
        let word = "x".repeat(100);
        let lines = REGULAR.lines(&word, 80.0, 8.0);
        assert!(lines.len() > 3 && lines.concat() == word);
        assert_eq!(REGULAR.lines("a\r\n\r\nb", 80.0, 8.0), ["a", "", "b"]);
    }

    #[test]
    fn what_cannot_be_shown_is_replaced_and_never_left_to_chance() {
        assert_eq!(REGULAR.readable("æøå ÆØÅ é"), "æøå ÆØÅ é");
        assert_eq!(REGULAR.readable("e\u{301}\u{202e}\u{0}x\u{a0}y\u{feff}"), "éx y");
        assert_eq!(REGULAR.readable("漢\u{e000}\u{1f600}"), "\u{fffd}\u{fffd}\u{fffd}");
        for face in [&REGULAR, &BOLD] {
            assert!("æøåÆØÅ–…\u{fffd}§€".chars().all(|c| face.has(c)));
        }
    }
}
