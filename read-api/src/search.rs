//! What the routes of full-text search share: what was typed, where a list goes on, and how words
//! that were found are shown.
//!
//! **Cost.** A very common word is in a million texts, and ranking them all would take seconds. So a
//! search works on windows: of the texts that match, the [`WINDOW`] newest, ranked; after them the
//! next [`WINDOW`]. Nothing is out of reach, and no part of a list costs more than one window. Where
//! words are common the statement walks back from the newest text, and asks the GIN index where they are
//! rare. Which of both is seen in the newest texts and not left to the planner, who takes the beginning
//! of any word for common: it walked through all texts for a few.

mod kept;
mod marked;

use agora_domain::{
    RuleBreak,
    values::{CommunityName, SearchQuery},
};
use agora_event_store::{Position, read::from_db};
use agora_service::problem::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgPool, Row, postgres::PgRow};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    app::App,
    error::ReadError,
    paging::Page,
    params::{FromParams, Params, Says},
    reply::List,
};

pub use kept::{Kept, KeptFound};
pub use marked::{Shown, Words};

/// How many of the newest matches are ranked together.
const WINDOW: i64 = 200;
/// So many of the newest texts are looked into, to see how common the words are.
const SAMPLE: i64 = 400;
/// Where so many of these match, a window is filled by a walk through some 20,000 texts; where fewer do,
/// of a million texts some 10,000 match, which the GIN index finds as soon.
const COMMON_FROM: i64 = 4;
/// More words are refused: a rank costs the more the more there are.
const WORDS_MAX: usize = 32;
/// A word that is still being typed matches all words that begin so, from this length on.
const PREFIX_CHARACTERS_MIN: usize = 3;

/// What is searched for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Words that must all be there; `"an exact phrase"`; `one or another`; `-without`. The last word
    /// also matches words that begin so. At most 32 words.
    #[param(value_type = String, required = true, min_length = 1, max_length = 512,
            example = "sourdough starter")]
    q: Option<SearchQuery>,
}

impl FromParams for Asked {
    fn from_params(params: &mut Params) -> Self {
        Self { q: params.value("q", query) }
    }
}

impl Asked {
    /// # Errors
    /// 400 where it was left out.
    pub fn query(&self) -> Result<&SearchQuery, Problem> {
        self.q.as_ref().ok_or_else(|| {
            Problem::wrong_fields(vec![FieldError {
                pointer: "/query/q".into(),
                rule: None,
                detail: "`q` must say what to search for.".into(),
            }])
        })
    }
}

/// In which community.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Within {
    /// Only in the community of this name.
    #[param(value_type = Option<String>, example = "rustaceans")]
    community: Option<CommunityName>,
}

impl FromParams for Within {
    fn from_params(params: &mut Params) -> Self {
        let name = |text: &str| text.parse().map_err(|wrong: RuleBreak| wrong.detail.into());
        Self { community: params.value("community", name) }
    }
}

impl Within {
    pub fn folded(&self) -> Option<String> {
        self.community.as_ref().map(CommunityName::folded)
    }
}

fn query(text: &str) -> Result<SearchQuery, Says> {
    let query: SearchQuery = text.parse().map_err(|wrong: RuleBreak| Says::from(wrong.detail))?;
    match query.as_str().split_whitespace().count() {
        0..=WORDS_MAX => Ok(query),
        _ => Err(format!("must be at most {WORDS_MAX} words").into()),
    }
}

/// A query as the arguments of `search.query`.
struct Terms<'q> {
    whole: &'q str,
    before: &'q str,
    last: Option<&'q str>,
}

impl<'q> Terms<'q> {
    fn of(whole: &'q str) -> Self {
        let end = whole.trim_end();
        let start = end.trim_end_matches(char::is_alphanumeric).len();
        let (before, last) = end.split_at(start);
        let is_quoted = whole.matches('"').count() % 2 == 1;
        let is_excluded = before.ends_with('-')
            && before.trim_end_matches('-').chars().next_back().is_none_or(char::is_whitespace);
        let is_typed = last.chars().count() >= PREFIX_CHARACTERS_MIN && !is_quoted && !is_excluded;
        Self { whole, before, last: is_typed.then_some(last) }
    }
}

/// Where a list goes on: in the window of what is older than `before`, after this rank and id.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Place {
    pub before: Uuid,
    pub rank: i64,
    pub id: Uuid,
}

impl Place {
    pub const fn start() -> Self {
        Self::window(Uuid::max())
    }

    const fn window(before: Uuid) -> Self {
        Self { before, rank: i64::MAX, id: Uuid::max() }
    }
}

/// The window that a part of a list was taken from: its ends by id, how many matches are in it, and
/// which of them the part is made of, by rank and id. Some of these may be gone from what is shown:
/// their place in the list counts all the same.
#[derive(Clone, FromRow)]
pub struct Window {
    newest: Option<Uuid>,
    oldest: Option<Uuid>,
    matches: i64,
    ranks: Vec<i64>,
    ids: Vec<Uuid>,
}

impl Window {
    /// The place of the part's last match, where the window has more of them.
    fn end(&self, page: &Page) -> Option<(i64, Uuid)> {
        let last = page.limit.checked_sub(1).filter(|_| self.ids.len() > page.limit)?;
        Some((*self.ranks.get(last)?, *self.ids.get(last)?))
    }

    /// The cursor after the part that ends there.
    fn next(&self, app: &App, list: &str, end: Option<(i64, Uuid)>) -> Option<String> {
        let (newest, oldest) = (self.newest?, self.oldest?);
        let place = match end {
            // What is written meanwhile must not move the window.
            Some((rank, id)) => {
                let before = Uuid::from_u128(newest.as_u128().saturating_add(1));
                Place { before, rank, id }
            }
            None if self.matches == WINDOW => Place::window(oldest),
            None => return None,
        };
        Some(app.cursors.write(list, &place))
    }
}

/// A row of what was found, by which the list is sorted.
pub trait Ranked:
    Clone + Send + Sync + Unpin + Sized + for<'r> FromRow<'r, PgRow> + 'static
{
    fn rank(&self) -> (i64, Uuid);

    /// What its texts take in memory.
    fn bytes(&self) -> usize;

    /// Where answers with such rows are kept.
    fn kept(all: &KeptFound) -> &Kept<Self>;
}

/// The rows to show of those that a window has given, and the cursor of what comes after them.
pub fn cut<T: Ranked>(
    app: &App,
    list: &str,
    page: &Page,
    mut rows: Vec<T>,
    window: &Window,
) -> List<T> {
    let end = window.end(page);
    if let Some(end) = end {
        rows.retain(|row| row.rank() >= end);
    }
    List { items: rows, next: window.next(app, list, end) }
}

/// Where is searched, and what is shown of what is found.
pub struct Index {
    /// The table of words.
    pub table: &'static str,
    /// How far its rows and those that are shown are.
    pub position: &'static str,
    /// The rows of `ranked r`.
    pub rows: &'static str,
}

impl Index {
    /// A statement that gives position and one window of what matches, with one part of the list.
    ///
    /// Bound are the arguments of `search.query`, the window's end, the place (rank and id), the number of
    /// rows, and after these whatever `within` needs.
    fn window(&self, within: &str) -> String {
        let Self { table, position, .. } = self;
        format!(
            "WITH asked AS MATERIALIZED (
                 -- Named by itself it would be worked out anew for every row.
                 SELECT search.query($1, $2, $3) AS query
             ),
             sample AS MATERIALIZED (
                 SELECT count(*) < {SAMPLE}
                        OR count(*) FILTER (WHERE n.words @@ (SELECT query FROM asked))
                           >= {COMMON_FROM} AS walk
                 FROM (SELECT s.words FROM read.{table} s
                       WHERE NOT s.is_deleted AND s.id < $4 {within}
                       ORDER BY s.id DESC LIMIT {SAMPLE}) n
             ), found AS MATERIALIZED (
                 -- Tested so, the words are no condition of the GIN index.
                 (SELECT s.id, s.words FROM read.{table} s
                  WHERE (SELECT walk FROM sample) AND (s.words @@ (SELECT query FROM asked)) IS TRUE
                    AND NOT s.is_deleted AND s.id < $4 {within}
                  ORDER BY s.id DESC LIMIT {WINDOW})
                 UNION ALL
                 -- The offset keeps the order from being an index's.
                 (SELECT * FROM (SELECT s.id, s.words FROM read.{table} s
                                 WHERE NOT (SELECT walk FROM sample)
                                   AND s.words @@ (SELECT query FROM asked)
                                   AND NOT s.is_deleted AND s.id < $4 {within} OFFSET 0) s
                  ORDER BY s.id DESC LIMIT {WINDOW})
             ), ranked AS MATERIALIZED (
                 -- The offset keeps the rank from being computed in both places where it is used.
                 SELECT r.id, r.rank
                 FROM (SELECT id, (ts_rank_cd(words, (SELECT query FROM asked), 1)
                                   * 1000000)::bigint AS rank
                       FROM found OFFSET 0) r
                 WHERE (r.rank, r.id) < ($5, $6)
                 ORDER BY r.rank DESC, r.id DESC LIMIT $7
             )
             SELECT {position} AS position, (SELECT query::text FROM asked) AS query,
                    search.language()::text AS language,
                    (SELECT id FROM found ORDER BY id DESC LIMIT 1) AS newest,
                    (SELECT id FROM found ORDER BY id LIMIT 1) AS oldest,
                    (SELECT count(*) FROM found) AS matches,
                    array(SELECT rank FROM ranked ORDER BY rank DESC, id DESC) AS ranks,
                    array(SELECT id FROM ranked ORDER BY rank DESC, id DESC) AS ids"
        )
    }

    /// A statement that gives the rows of a part, bound as ids and ranks.
    fn part(&self) -> String {
        let rows = self.rows;
        format!(
            "WITH ranked (id, rank) AS (SELECT * FROM unnest($1::uuid[], $2::bigint[])) {rows}
             ORDER BY r.rank DESC, r.id DESC"
        )
    }

    /// What is found from a place on, for the words of a query, within the community of this name. The
    /// rows are read after the window, so they are no older than the position that the window was taken at.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn find<T: Ranked>(
        &self,
        pool: &PgPool,
        query: &SearchQuery,
        community: Option<&str>,
        from: Place,
        page: &Page,
    ) -> Result<Found<T>, ReadError> {
        let terms = Terms::of(query.as_str());
        let within = match community {
            None => "",
            Some(_) => {
                "AND s.community_id = (SELECT m.id FROM read.communities m WHERE lower(m.name) = $8)"
            }
        };
        let statement = self.window(within);
        let statement = sqlx::query(&statement)
            .bind(terms.whole)
            .bind(terms.before)
            .bind(terms.last)
            .bind(from.before)
            .bind(from.rank)
            .bind(from.id)
            .bind(page.rows());
        let statement = match community {
            Some(name) => statement.bind(name),
            None => statement,
        };
        let row = statement.fetch_one(pool).await?;
        let (position, window) = (from_db(row.try_get("position")?), Window::from_row(&row)?);
        let words = Words::of(row.try_get("query")?, row.try_get("language")?);
        let rows = if window.ids.is_empty() {
            Vec::new()
        } else {
            let part = self.part();
            sqlx::query_as(&part).bind(&window.ids).bind(&window.ranks).fetch_all(pool).await?
        };
        Ok(Found { position, words, rows, window })
    }
}

/// What was found.
#[derive(Clone)]
pub struct Found<T> {
    pub position: Position,
    /// What was searched for.
    pub words: Words,
    pub rows: Vec<T>,
    /// Which the rows are of.
    pub window: Window,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_last_word_that_is_still_being_typed_is_a_prefix() {
        for (text, before, last) in [
            ("sourdough", "", Some("sourdough")),
            ("rye sourd ", "rye ", Some("sourd")),
            ("blåbærsylt", "", Some("blåbærsylt")),
            ("bread-bak", "bread-", Some("bak")),
            ("ry", "", None),
            ("rye -white", "rye -", None),
            ("-white", "-", None),
            ("\"rye bre", "\"rye ", None),
            ("\"rye bread\"", "\"rye bread\"", None),
            ("!!!", "!!!", None),
        ] {
            let terms = Terms::of(text);
            assert_eq!(terms.last, last, "{text}");
            if last.is_some() {
                assert_eq!(terms.before, before, "{text}");
            }
        }
    }
}
