//! Full-text search of communities (COM-11), posts (PST-10) and comments. What is deleted, or stands
//! in what is deleted, is not found (COM-09, PST-08); nor is what was erased.
//!
//! Sorted by rank (Postgres' `ts_rank_cd`: cover density, less for long texts; words of a title or a
//! name count two and a half times those of a body), among equals the newest first. Of more than 200
//! matches the 200 newest come first, ranked, then the next 200.

pub mod comments;
pub mod communities;
pub mod posts;

use agora_domain::values::SearchQuery;
use agora_event_store::{Position, searches::Scope};

use crate::{
    app::App,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::Sealed,
    search::{Found, Index, Place, Ranked, Shown, Words, cut},
};

/// A search, as it was asked for.
struct Search<'r> {
    scope: Scope,
    query: &'r SearchQuery,
    /// Only in the community of this name, in lower case.
    within: Option<String>,
    page: &'r Page,
}

impl Search<'_> {
    /// A part of what is found, with the words that were searched for. Notes the search, but not when
    /// somebody only turns the page.
    async fn part<T: Ranked>(
        &self,
        app: &App,
        read: &Read<impl Send + Sync>,
        index: &Index,
    ) -> Result<(Position, Words, List<T>), ReadError> {
        let scope = self.scope.as_str();
        let list = format!("search/{scope}/{:?}/{}", self.within, self.query.as_str());
        let from = self.page.place(app, &list, Place::start())?;
        if self.page.cursor.is_none() {
            read.note_search(app, self.scope, self.query);
        }
        let within = self.within.as_deref();
        let find = || index.find::<T>(&app.rankings, self.query, within, from, self.page);
        // What was kept may be older than the position that is asked for.
        let found = if self.page.cursor.is_none() && read.freshness.min_position == 0 {
            let key = format!("{}/{list}", self.page.limit);
            T::kept(&app.searched).get(key, find()).await?
        } else {
            let found = || async {
                let found = find().await?;
                Ok((found.position, found))
            };
            fresh(&app.projected, read.freshness, found).await?.1
        };
        let Found { position, words, rows, window } = found;
        Ok((position, words, cut(app, &list, self.page, rows, &window)))
    }
}

/// A row of what somebody wrote: its texts are sealed.
trait Written: Ranked {
    /// The type of its aggregate.
    const KIND: &'static str;

    /// Its fields with their sealed texts.
    fn texts(&self) -> Vec<(&'static str, &str)>;

    /// The field of its author's name, and the sealed name.
    fn name(&self) -> (&'static str, Option<&str>);
}

/// What of a row was opened.
struct Readable {
    name: String,
    /// Its texts, with the words that were found marked.
    html: Vec<String>,
}

/// The rows that can be read: what was erased a moment ago may still be in the index.
async fn readable<T: Written>(
    app: &App,
    words: &Words,
    rows: Vec<T>,
) -> Result<Vec<(T, Readable)>, ReadError> {
    let mut sealed = Sealed::default();
    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let (_, id) = row.rank();
        let texts = row.texts().into_iter();
        let texts = texts.map(|(field, text)| sealed.add(T::KIND, id, field, Some(text)));
        let texts: Vec<_> = texts.collect();
        let (field, name) = row.name();
        slots.push((texts, sealed.add(T::KIND, id, field, name)));
    }
    let open = sealed.open(&app.opener).await?;
    let opened: Vec<Option<(Vec<String>, String)>> = slots
        .into_iter()
        .map(|(texts, name)| {
            let texts = texts.into_iter().map(|slot| open.text(slot)).collect::<Option<_>>()?;
            Some((texts, open.name(name)))
        })
        .collect();
    let texts: Vec<_> = opened
        .iter()
        .flatten()
        .flat_map(|(texts, _)| texts.iter().map(|text| (Shown::of(text), text.clone())))
        .collect();
    let mut html = words.marked(&app.rankings, &texts).await.into_iter();
    let readable = rows.into_iter().zip(opened).filter_map(|(row, opened)| {
        let (texts, name) = opened?;
        let html = html.by_ref().take(texts.len()).collect();
        Some((row, Readable { name, html }))
    });
    Ok(readable.collect())
}
