//! How words that were found are shown.
//!
//! Postgres' `ts_headline` parses each text anew, which takes as long as the search itself, so the words
//! are looked for here. A word is what Unicode takes for one (UAX 29). In a language whose words are found
//! by their stems Postgres is asked for these, all at once.

use std::collections::{HashMap, HashSet};

use sqlx::PgPool;
use unicode_segmentation::UnicodeSegmentation;

/// Longer texts are shown in parts.
const WHOLE_CHARACTERS_MAX: usize = 200;
/// A part has at most so many words, of which so many stand before the first that was found.
const PART_WORDS: usize = 24;
const WORDS_BEFORE: usize = 8;
const PARTS_MAX: usize = 2;
const BETWEEN_PARTS: &str = " … ";
/// Nor is a part longer than this, whatever its words are.
const PART_CHARACTERS_MAX: usize = 400;
/// Postgres is asked for the stems of so many different words at most; of more, none is marked by its stem.
const STEMS_MAX: usize = 5_000;
/// The configuration of Postgres that finds words as they are, in lower case.
const AS_THEY_ARE: &str = "simple";

/// How a text is shown.
#[derive(Clone, Copy)]
pub enum Shown {
    /// All of it.
    Whole,
    /// The parts in which words were found, or else its beginning.
    Excerpt,
}

impl Shown {
    /// Of a text that may be long.
    pub fn of(text: &str) -> Self {
        match text.chars().nth(WHOLE_CHARACTERS_MAX) {
            None => Self::Whole,
            Some(_) => Self::Excerpt,
        }
    }
}

/// The words of a query, as they are marked where they are found.
#[derive(Clone, Debug)]
pub struct Words {
    /// By their first word, so that a long query costs no more than a short one.
    wanted: HashMap<String, Vec<Wanted>>,
    /// Beginnings of words: of the last that was typed, at most one in a query of ours.
    begun: Vec<Wanted>,
    /// The configuration of Postgres that they are found by.
    language: String,
}

/// A lexeme of a query, which may be made of several words, as an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    words: Vec<String>,
    /// Whether longer words that begin like the last are meant, too.
    is_prefix: bool,
}

impl Wanted {
    fn is_at(&self, words: &[Vec<String>]) -> bool {
        let last = self.words.len() - 1;
        words.len() > last
            && self.words.iter().zip(words).enumerate().all(|(index, (wanted, forms))| {
                forms.iter().any(|form| match self.is_prefix && index == last {
                    true => form.starts_with(wanted.as_str()),
                    false => form == wanted,
                })
            })
    }
}

impl Words {
    /// Of a query as Postgres writes it: `'rye':* & !'white'`. What must not be there is not looked for.
    pub(super) fn of(query: &str, language: String) -> Self {
        let (mut wanted, mut begun) = (HashMap::<String, Vec<Wanted>>::new(), Vec::new());
        // Whether what comes is excluded: outside of all brackets, and in each.
        let (mut excluded, mut is_not) = (vec![false], false);
        let mut rest = query.chars().peekable();
        while let Some(next) = rest.next() {
            let now = excluded.last().copied().unwrap_or(false);
            match next {
                '!' => is_not = !is_not,
                '(' => excluded.push(now ^ std::mem::take(&mut is_not)),
                ')' => drop(excluded.pop()),
                '\'' => {
                    let lexeme = quoted(&mut rest);
                    let mut is_prefix = false;
                    if rest.next_if_eq(&':').is_some() {
                        while let Some(label) = rest.next_if(|it| "*ABCD".contains(*it)) {
                            is_prefix |= label == '*';
                        }
                    }
                    let words: Vec<String> = lexeme.unicode_words().map(str::to_owned).collect();
                    if now ^ std::mem::take(&mut is_not) {
                        continue;
                    }
                    let Some(first) = words.first().cloned() else { continue };
                    let is_one = words.len() == 1;
                    let same = match is_prefix && is_one {
                        true => &mut begun,
                        false => wanted.entry(first).or_default(),
                    };
                    let it = Wanted { words, is_prefix };
                    if !same.contains(&it) && same.len() < super::WORDS_MAX {
                        same.push(it);
                    }
                }
                _ => {}
            }
        }
        Self { wanted, begun, language }
    }

    /// The texts as HTML, escaped, with `<mark>` around the words that were found. Where Postgres does not
    /// give the stems, words are marked that are there as they were typed.
    pub async fn marked(&self, pool: &PgPool, texts: &[(Shown, String)]) -> Vec<String> {
        let mut stems = HashMap::new();
        if self.language != AS_THEY_ARE {
            let words = texts.iter().flat_map(|(_, text)| text.unicode_words());
            let words: Vec<&str> = words.collect::<HashSet<_>>().into_iter().collect();
            match self.stems(pool, &words).await {
                Ok(found) => stems.extend(found),
                Err(error) => tracing::warn!(%error, "words are not marked by their stems"),
            }
        }
        let html = |(shown, text): &(Shown, String)| self.html(text, *shown, &stems);
        texts.iter().map(html).collect()
    }

    async fn stems(
        &self,
        pool: &PgPool,
        words: &[&str],
    ) -> Result<Vec<(String, Vec<String>)>, sqlx::Error> {
        if words.len() > STEMS_MAX {
            return Ok(Vec::new());
        }
        sqlx::query_as(
            "SELECT word, tsvector_to_array(to_tsvector($1::text::regconfig, word))
             FROM unnest($2::text[]) AS t (word)",
        )
        .bind(&self.language)
        .bind(words)
        .fetch_all(pool)
        .await
    }

    fn html(&self, text: &str, shown: Shown, stems: &HashMap<String, Vec<String>>) -> String {
        let words: Vec<(usize, &str)> = text.unicode_word_indices().collect();
        let forms: Vec<Vec<String>> =
            words.iter().map(|(_, word)| forms(word, stems.get(*word))).collect();
        let mut found = vec![false; words.len()];
        for start in 0..words.len() {
            let by_word = forms[start].iter().filter_map(|form| self.wanted.get(form)).flatten();
            for wanted in by_word.chain(&self.begun).filter(|wanted| wanted.is_at(&forms[start..]))
            {
                found[start..start + wanted.words.len()].fill(true);
            }
        }
        let parts = match shown {
            Shown::Whole => vec![(0, words.len())],
            Shown::Excerpt => parts(&found),
        };
        let mut html = String::with_capacity(text.len().min(1_024) + 64);
        for (index, (first, end)) in parts.into_iter().enumerate() {
            if index > 0 {
                html.push_str(BETWEEN_PARTS);
            }
            let mut at = if first == 0 { 0 } else { words[first].0 };
            let mut until = match words[..end].last() {
                Some((start, word)) if end < words.len() => start + word.len(),
                _ => text.len(),
            };
            if matches!(shown, Shown::Excerpt)
                && let Some((cut, _)) = text[at..until].char_indices().nth(PART_CHARACTERS_MAX)
            {
                until = at + cut;
            }
            let marked = words[first..end].iter().zip(&found[first..]).filter(|(_, found)| **found);
            for ((start, word), _) in marked {
                let end = start + word.len();
                if end > until {
                    break;
                }
                escape(&mut html, &text[at..*start]);
                html.push_str("<mark>");
                escape(&mut html, word);
                html.push_str("</mark>");
                at = end;
            }
            escape(&mut html, &text[at..until]);
        }
        html
    }
}

/// What a word of a text is found by: as it is in lower case, its stems, and its pieces, for Postgres takes
/// `l'amour` for two words.
fn forms(word: &str, stems: Option<&Vec<String>>) -> Vec<String> {
    let whole = word.to_lowercase();
    let mut forms: Vec<String> = stems.into_iter().flatten().cloned().collect();
    if whole.contains(|character: char| !character.is_alphanumeric()) {
        let pieces = whole.split(|character: char| !character.is_alphanumeric());
        forms.extend(pieces.filter(|piece| !piece.is_empty()).map(str::to_owned));
    }
    forms.push(whole);
    forms
}

fn escape(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

/// A quoted lexeme, up to its closing quote; a quote within it is doubled, and so is a backslash.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut lexeme = String::new();
    while let Some(next) = rest.next() {
        match next {
            '\'' if rest.next_if_eq(&'\'').is_none() => break,
            '\\' => lexeme.extend(rest.next()),
            other => lexeme.push(other),
        }
    }
    lexeme
}

/// Which words of a long text are shown, by what was found: from one to before another.
fn parts(found: &[bool]) -> Vec<(usize, usize)> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let (mut from, mut shown) = (0, 0);
    while let Some(hit) = found[from..].iter().position(|found| *found).map(|hit| from + hit) {
        let first = hit.saturating_sub(WORDS_BEFORE).max(from);
        from = (first + PART_WORDS).min(found.len());
        shown += from - first;
        if shown > PARTS_MAX * PART_WORDS {
            break;
        }
        if let Some((_, end)) = parts.last_mut()
            && *end == first
        {
            *end = from;
        } else if parts.len() < PARTS_MAX {
            parts.push((first, from));
        } else {
            break;
        }
    }
    if parts.is_empty() { vec![(0, found.len().min(PART_WORDS))] } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(query: &str, text: &str, shown: Shown) -> String {
        Words::of(query, AS_THEY_ARE.to_owned()).html(text, shown, &HashMap::new())
    }

    #[test]
    fn pst_03_what_is_shown_is_escaped() {
        assert_eq!(
            html("'rye':*", "<b onclick=\"x\">rye</b> & 'oats'", Shown::Whole),
            "&lt;b onclick=&quot;x&quot;&gt;<mark>rye</mark>&lt;/b&gt; &amp; &#39;oats&#39;"
        );
    }

    #[test]
    fn pst_10_words_beginnings_and_phrases_are_marked_and_excluded_words_are_not() {
        for (query, text, marked) in [
            ("'rye'", "Rye, ryes", "<mark>Rye</mark>, ryes"),
            ("'rye':*", "Rye, ryes", "<mark>Rye</mark>, <mark>ryes</mark>"),
            ("'rye':*A & !'oats'", "rye oats", "<mark>rye</mark> oats"),
            ("'rye' & !( 'oats' | 'spelt':* )", "rye oats spelt", "<mark>rye</mark> oats spelt"),
            ("'a' <-> !( !'b' )", "a b", "<mark>a</mark> <mark>b</mark>"),
            ("'blåbærsylt':*", "Blåbærsyltetøy", "<mark>Blåbærsyltetøy</mark>"),
            ("'don' <-> 't'", "Don't", "<mark>Don&#39;t</mark>"),
            ("'amour'", "l'amour", "<mark>l&#39;amour</mark>"),
            ("'it''s'", "It's", "<mark>It&#39;s</mark>"),
            ("'x.test/a'", "see x.test/a, a", "see <mark>x.test</mark>/<mark>a</mark>, a"),
            ("", "nothing", "nothing"),
            ("'rye'", "", ""),
        ] {
            let html = html(query, text, Shown::Whole).replace('\'', "&#39;");
            assert_eq!(html, marked, "{query}");
        }
    }

    #[test]
    fn pst_10_words_are_marked_by_their_stems() {
        let words = Words::of("'bake'", "english".to_owned());
        let stems = HashMap::from([("baking".to_owned(), vec!["bake".to_owned()])]);
        assert_eq!(words.html("baking bread", Shown::Whole, &stems), "<mark>baking</mark> bread");
    }

    #[test]
    fn pst_10_of_a_long_text_the_parts_are_shown_in_which_words_were_found() {
        let text: Vec<String> = (0..200).map(|number| format!("w{number}")).collect();
        let text = text.join(" ");
        let excerpt = |query| html(query, &text, Shown::Excerpt);
        assert_eq!(excerpt("'none'"), html("", &text, Shown::Excerpt), "the beginning");
        assert!(excerpt("'none'").ends_with(" w23"));
        let one = excerpt("'w100'");
        assert!(one.starts_with("w92 ") && one.ends_with(" w115"), "{one}");
        assert!(one.contains(" <mark>w100</mark> "), "{one}");
        let two = excerpt("'w5' | 'w150' | 'w199'");
        assert!(two.starts_with("w0 ") && two.contains("w23 … w142 "), "{two}");
        assert!(two.ends_with(" w165"), "{two}");
        let next_to_each_other = excerpt("'w100' | 'w117'");
        assert!(!next_to_each_other.contains('…'), "{next_to_each_other}");
        assert!(excerpt("'w199'").ends_with(" <mark>w199</mark>"));
    }

    #[test]
    fn pst_10_an_excerpt_is_short_whatever_the_text_is() {
        let stuffed = "rye ".repeat(2_000);
        let html_of_it = html("'rye'", &stuffed, Shown::Excerpt);
        assert_eq!(html_of_it.matches("<mark>").count(), PARTS_MAX * PART_WORDS);
        let no_words = "\"".repeat(5_000);
        let longest = PART_CHARACTERS_MAX * "&quot;".len();
        assert_eq!(html("'rye'", &no_words, Shown::Excerpt).len(), longest);
        let gap = format!("rye {} oats", "…".repeat(3_000));
        assert!(html("'rye'", &gap, Shown::Excerpt).chars().count() < PART_CHARACTERS_MAX + 20);
    }

    #[test]
    fn pst_10_a_long_query_on_a_long_text_is_marked_at_once() {
        let query: Vec<String> = (0..500).map(|number| format!("'word{number}'")).collect();
        let text: Vec<String> = (0..100_000).map(|number| format!("w{number}")).collect();
        let (query, text) = (query.join(" | "), text.join(" "));
        let begun = std::time::Instant::now();
        assert!(!html(&query, &text, Shown::Whole).contains("<mark>"));
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
}
