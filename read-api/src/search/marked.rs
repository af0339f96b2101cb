//! How words that were found are shown.

use sqlx::PgPool;

/// Words that were found are marked with these, which no text of ours can hold (PST-03).
const OPEN: char = '\u{2}';
const CLOSE: char = '\u{3}';
/// Stands for `<` while Postgres looks at a text: it would take what follows for a tag, and drop it.
const LESS: char = '\u{4}';
/// Longer texts are shown in parts.
const WHOLE_CHARACTERS_MAX: usize = 200;

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

/// The texts as HTML, escaped, with `<mark>` around the words that were found.
///
/// # Errors
/// Where the database does not answer.
pub async fn marked(
    pool: &PgPool,
    query: &str,
    texts: &[(Shown, String)],
) -> Result<Vec<String>, sqlx::Error> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT ts_headline((SELECT search.language()), text, $1::tsquery,
                            CASE WHEN whole THEN $4 ELSE $5 END)
         FROM unnest($2::text[], $3::boolean[]) WITH ORDINALITY AS t(text, whole, number)
         ORDER BY number",
    )
    .bind(query)
    .bind(texts.iter().map(|(_, text)| text.replace('<', &LESS.to_string())).collect::<Vec<_>>())
    .bind(texts.iter().map(|(shown, _)| matches!(shown, Shown::Whole)).collect::<Vec<_>>())
    .bind(format!("StartSel=\"{OPEN}\", StopSel=\"{CLOSE}\", HighlightAll=true"))
    .bind(format!(
        "StartSel=\"{OPEN}\", StopSel=\"{CLOSE}\", MaxFragments=2, MaxWords=24, MinWords=8, \
         FragmentDelimiter=\" … \""
    ))
    .fetch_all(pool)
    .await?;
    Ok(found.iter().map(|text| html(text)).collect())
}

fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' | LESS => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            OPEN => html.push_str("<mark>"),
            CLOSE => html.push_str("</mark>"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pst_03_what_is_shown_is_escaped() {
        let text = format!("<b onclick=\"x\">{OPEN}rye{CLOSE} & 'oats'");
        assert_eq!(
            html(&text),
            "&lt;b onclick=&quot;x&quot;&gt;<mark>rye</mark> &amp; &#39;oats&#39;"
        );
    }
}
