//! The hottest posts of communities as they were a moment ago, for hot feeds.
//!
//! Many readers share communities, and to find the hottest posts of one anew costs a look at each of its
//! levels. So what was found of one is kept, still sealed, for [`AGE_MAX`], and serves all who ask
//! meanwhile. What is asked for often is found anew before it is too old, beside the requests; and whatever
//! is to be found, one task at a time finds it, so that many readers of one community cost no more than one.
//!
//! A community that is rarely asked for is not kept: to find it apart costs more than with the others.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agora_domain::content::ranking::heat;
use agora_event_store::{Position, read::from_db};
use chrono::{DateTime, Utc};
use lru::LruCache;
use sqlx::{FromRow, PgPool, Row, ValueRef};
use uuid::Uuid;

use super::Things;
use crate::{
    routes::posts::PostRow,
    rows::{Instant as Time, PlaceInTime},
};

/// For so long what was found is used.
const AGE_MAX: Duration = Duration::from_secs(1);
/// From this age on it is found anew beside the requests.
const AGING_FROM: Duration = Duration::from_millis(600);
/// A community that is asked for again within this time is worth keeping.
const SOON: Duration = Duration::from_secs(2);
/// Found of each community: more than a part of a feed shows, since others cool down more slowly.
const EACH: usize = 32;
/// At most so many communities are found anew for one request; with more, all are found together.
const ANEW_MAX: usize = 32;
/// At most so many at once beside the requests, so that nobody waits long for a turn.
const BESIDE_MAX: usize = 16;
/// What is kept in all, and of one community: a few with long posts must not push out all others.
const BYTES_MAX: usize = 32 << 20;
const LIST_BYTES_MAX: usize = 256 << 10;
/// A list that was too long is not looked at again for so long.
const TOO_LONG_FOR: Duration = Duration::from_secs(60);
/// Whoever waits longer for a turn looks for all communities together.
const TURN_MAX: Duration = Duration::from_millis(50);

/// The columns of a [`PostRow`] and what they are taken from: `ranked` and `places` of a statement.
pub(crate) const RANKED_POSTS: &str = "o.id, o.community_platform_community_id,
     c.name AS community_name, o.author_memberuser_id, o.author_adminuser_id, o.title, o.body,
     o.author_display_name, o.created_at, o.updated_at, o.deleted_at, o.sequence,
     coalesce(s.score, 0) AS score, coalesce(s.upvotes, 0) AS upvotes,
     coalesce(s.downvotes, 0) AS downvotes, coalesce(k.comments, 0) AS comment_count, r.value
     FROM ranked r
     JOIN read.posts o ON o.id = r.id AND o.deleted_at IS NULL
     JOIN places c ON c.id = o.community_platform_community_id
     LEFT JOIN read.post_scores s ON s.post_id = o.id
     LEFT JOIN read.post_comment_counts k ON k.post_id = o.id";

#[derive(Default)]
pub struct WarmLists {
    kept: Mutex<Kept>,
    /// Held by whoever finds.
    turn: tokio::sync::Mutex<()>,
}

struct Kept {
    lists: LruCache<Uuid, Known>,
    bytes: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { lists: LruCache::unbounded(), bytes: 0 }
    }
}

/// What is known of a community.
struct Known {
    asked_at: Instant,
    found: Found,
}

enum Found {
    Nothing,
    /// More than is kept, as was seen then.
    TooLong(Instant),
    List(Arc<Hottest>),
}

/// The hottest of a community.
struct Hottest {
    found_at: Instant,
    position: Position,
    posts: Vec<PostRow>,
    /// Whether there are more of them.
    goes_on: bool,
    bytes: usize,
}

impl Kept {
    fn put(&mut self, community: Uuid, known: Known) {
        self.bytes += size(&known);
        if let Some(before) = self.lists.put(community, known) {
            self.bytes -= size(&before);
        }
        while self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.lists.pop_lru() else { return };
            self.bytes -= size(&oldest);
        }
    }
}

fn size(known: &Known) -> usize {
    const ENTRY: usize = 128;
    match &known.found {
        Found::List(list) => ENTRY + list.bytes,
        Found::Nothing | Found::TooLong(_) => ENTRY,
    }
}

/// What is known of the communities of a feed.
#[derive(Default)]
struct Look {
    lists: Vec<Arc<Hottest>>,
    /// Those that are worth to be found.
    missing: Vec<Uuid>,
    /// Those whose lists will be too old soon.
    aging: Vec<Uuid>,
}

impl WarmLists {
    /// The `rows` hottest posts of these communities, and up to which position they were looked at; none
    /// where too much would have to be found for it, or waited for.
    pub(crate) async fn hottest(
        self: &Arc<Self>,
        pool: &PgPool,
        things: &'static Things,
        communities: &[Uuid],
        (rows, as_of, min_position): (usize, DateTime<Utc>, Position),
    ) -> Option<(Position, Vec<PostRow>)> {
        if rows >= EACH {
            return None;
        }
        let Look { mut lists, missing, aging } = self.look(communities, min_position);
        let is_whole = lists.len() + missing.len() == communities.len();
        // Who asks for a position of its own does not wait for what is found for others.
        if is_whole && missing.len() <= ANEW_MAX && min_position == 0 {
            match self.find_missing(pool, things, &missing).await {
                Ok(found) => lists.extend(found),
                // All communities together may still be found.
                Err(error) => tracing::debug!(%error, "the hottest posts are not found"),
            }
        }
        let later = if missing.len() > ANEW_MAX { missing } else { aging };
        if !later.is_empty() {
            self.find_beside(pool, things, later);
        }
        merged(&lists, communities.len(), rows, as_of)
    }

    fn look(&self, communities: &[Uuid], min_position: Position) -> Look {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut look = Look::default();
        for community in communities {
            let Kept { lists, bytes } = &mut *kept;
            let Some(it) = lists.get_mut(community) else {
                kept.put(*community, Known { asked_at: now, found: Found::Nothing });
                continue;
            };
            let asked_before = std::mem::replace(&mut it.asked_at, now);
            let is_asked_for = now.saturating_duration_since(asked_before) < SOON;
            let since = |at: Instant| now.saturating_duration_since(at);
            match &it.found {
                Found::TooLong(at) if since(*at) < TOO_LONG_FOR => {}
                Found::List(list) if since(list.found_at) < AGE_MAX => {
                    if list.position >= min_position {
                        look.lists.push(Arc::clone(list));
                    }
                    if since(list.found_at) >= AGING_FROM {
                        look.aging.push(*community);
                    }
                }
                _ => {
                    *bytes -= size(it);
                    it.found = Found::Nothing;
                    *bytes += size(it);
                    if is_asked_for {
                        look.missing.push(*community);
                    }
                }
            }
        }
        look
    }

    /// What somebody else has found while this task waited for its turn, and the rest.
    async fn find_missing(
        &self,
        pool: &PgPool,
        things: &Things,
        missing: &[Uuid],
    ) -> Result<Vec<Arc<Hottest>>, sqlx::Error> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let Ok(_turn) = tokio::time::timeout(TURN_MAX, self.turn.lock()).await else {
            return Ok(Vec::new());
        };
        let Look { mut lists, missing, .. } = self.look(missing, 0);
        if !missing.is_empty() {
            lists.extend(self.find(pool, things, &missing).await?);
        }
        Ok(lists)
    }

    /// Finds some of these for those who ask next, where nobody finds anything now.
    fn find_beside(
        self: &Arc<Self>,
        pool: &PgPool,
        things: &'static Things,
        mut wanted: Vec<Uuid>,
    ) {
        if self.turn.try_lock().is_err() {
            return;
        }
        wanted.truncate(BESIDE_MAX);
        let (this, pool) = (Arc::clone(self), pool.clone());
        tokio::spawn(async move {
            let Ok(_turn) = this.turn.try_lock() else { return };
            if let Err(error) = this.find(&pool, things, &wanted).await {
                // Whoever asks next is told.
                tracing::debug!(%error, "the hottest posts are not found anew");
            }
        });
    }

    async fn find(
        &self,
        pool: &PgPool,
        things: &Things,
        communities: &[Uuid],
    ) -> Result<Vec<Arc<Hottest>>, sqlx::Error> {
        let statement = format!(
            "SELECT c.id AS community, p.position, x.*
             FROM unnest($1::uuid[]) AS c (id)
             CROSS JOIN (SELECT least(coalesce(read.served_position('posts'), 0),
                                      coalesce(read.served_position('post_scores'), 0),
                                      coalesce(read.served_position('comments'), 0),
                                      coalesce(read.served_position('communities'), 0))
                                AS position OFFSET 0) p
             LEFT JOIN LATERAL (
                 WITH RECURSIVE places AS MATERIALIZED (
                     SELECT m.id, m.name FROM read.communities m WHERE m.id = c.id
                 ), {hot}
                 SELECT n.ranked, y.* FROM (SELECT count(*) AS ranked FROM ranked) n
                 LEFT JOIN (SELECT {RANKED_POSTS}) y ON true
             ) x ON true
             ORDER BY c.id",
            hot = things.hot(),
        );
        let found_at = Instant::now();
        let start = PlaceInTime::start();
        let rows = sqlx::query(&statement)
            .bind(communities)
            .bind(i64::try_from(EACH).unwrap_or(i64::MAX))
            .bind(start.0)
            .bind(start.1)
            .bind(agora_service::clock::now())
            .bind(start.0)
            .bind(None::<i64>)
            .fetch_all(pool)
            .await?;
        let mut found: Vec<(Uuid, Hottest)> = Vec::with_capacity(communities.len());
        for row in rows {
            let community: Uuid = row.try_get("community")?;
            if found.last().is_none_or(|(last, _)| *last != community) {
                let position = from_db(row.try_get("position")?);
                let (ranked, each): (i64, _) = (row.try_get("ranked")?, EACH as i64);
                let (posts, goes_on) = (Vec::with_capacity(EACH), ranked >= each);
                let list = Hottest { found_at, position, posts, goes_on, bytes: 0 };
                found.push((community, list));
            }
            if let Some((_, list)) = found.last_mut()
                && !row.try_get_raw("id")?.is_null()
            {
                let post = PostRow::from_row(&row)?;
                list.bytes += post.bytes();
                list.posts.push(post);
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lists = Vec::with_capacity(found.len());
        for (community, list) in found {
            let list = Arc::new(list);
            let found = match list.bytes > LIST_BYTES_MAX {
                true => Found::TooLong(found_at),
                false => Found::List(Arc::clone(&list)),
            };
            kept.put(community, Known { asked_at: found_at, found });
            lists.push(list);
        }
        Ok(lists)
    }
}

/// None where a list is missing, or ends before it is known that nothing of the rest comes into question.
fn merged(
    lists: &[Arc<Hottest>],
    communities: usize,
    rows: usize,
    as_of: DateTime<Utc>,
) -> Option<(Position, Vec<PostRow>)> {
    // Where one of a list was deleted since it was ranked, its end is not known.
    let is_cut = |list: &Arc<Hottest>| list.goes_on && list.posts.len() < EACH;
    if lists.len() < communities || lists.iter().any(is_cut) {
        return None;
    }
    let ranked = |post: &PostRow| {
        let Time(created_at) = post.created_at;
        let age = (as_of - created_at).num_microseconds().unwrap_or(i64::MAX);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a microsecond more or less is the same heat"
        )]
        let hours = age as f64 / 3_600_000_000.0;
        (heat(post.score, hours), created_at, post.id)
    };
    type Rank = (f64, DateTime<Utc>, Uuid);
    let hotter = |(a, at_a, id_a): &Rank, (b, at_b, id_b): &Rank| {
        b.total_cmp(a).then_with(|| (at_b, id_b).cmp(&(at_a, id_a)))
    };
    let mut all: Vec<(Rank, &PostRow)> =
        lists.iter().flat_map(|list| &list.posts).map(|post| (ranked(post), post)).collect();
    let order = |(a, _): &(Rank, &PostRow), (b, _): &(Rank, &PostRow)| hotter(a, b);
    if all.len() > rows {
        all.select_nth_unstable_by(rows - 1, order);
    }
    // Nothing of what a list left out is hotter than its end.
    let goes_on = lists.iter().filter(|list| list.goes_on);
    let mut ends = goes_on.filter_map(|list| list.posts.iter().map(ranked).max_by(hotter));
    match all.get(rows - 1) {
        Some((last_shown, _)) if ends.all(|end| hotter(last_shown, &end).is_le()) => {}
        None if ends.next().is_none() => {}
        _ => return None,
    }
    all.truncate(rows);
    all.sort_unstable_by(order);
    let position = lists.iter().map(|list| list.position).min().unwrap_or(Position::MAX);
    Some((position, all.into_iter().map(|(_, post)| post.clone()).collect()))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// Posts of eight hours ago with these scores.
    fn list(of: u128, scores: &[i64]) -> Arc<Hottest> {
        let posts = scores.iter().enumerate().map(|(index, score)| {
            PostRow::of_score(Uuid::from_u128(of + index as u128), DateTime::UNIX_EPOCH, *score)
        });
        let (found_at, position) = (Instant::now(), Position::try_from(of).unwrap());
        let goes_on = scores.len() == EACH;
        Arc::new(Hottest { found_at, position, posts: posts.collect(), goes_on, bytes: 0 })
    }

    fn as_of() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(8)
    }

    fn ids(lists: &[Arc<Hottest>], communities: usize) -> Option<Vec<u128>> {
        let (_, posts) = merged(lists, communities, 2, as_of())?;
        Some(posts.iter().map(|post| post.id.as_u128()).collect())
    }

    #[test]
    fn msh_06_lists_are_merged_by_heat() {
        let lists = [list(100, &[90, 50, 10]), list(200, &[70, 60, 5])];
        assert_eq!(ids(&lists, 2), Some(vec![100, 200]));
        assert_eq!(ids(&lists, 3), None, "of a community nothing is known");
        assert_eq!(merged(&lists, 2, 2, as_of()).map(|(position, _)| position), Some(100));
    }

    #[test]
    fn msh_06_a_list_that_may_go_on_above_the_last_that_is_shown_is_not_enough() {
        let hot = list(1_000, &[80; EACH]);
        assert_eq!(ids(&[hot.clone(), list(1, &[95])], 2), Some(vec![1, 1_000 + EACH as u128 - 1]));
        let all_hotter = list(1, &[95; EACH]);
        assert!(ids(&[hot.clone(), all_hotter], 2).is_some());
        assert_eq!(ids(&[list(1, &[1])], 1), Some(vec![1]), "fewer than a part");
        assert!(merged(&[hot], 1, EACH + 1, as_of()).is_none(), "more is asked for than is known");
        let mut cut = list(1, &[9, 8, 7]);
        Arc::get_mut(&mut cut).unwrap().goes_on = true;
        assert_eq!(ids(&[cut], 1), None, "of which some are deleted");
    }

    #[test]
    fn msh_06_no_more_is_kept_than_fits() {
        let mut kept = Kept::default();
        let found = |bytes| {
            let posts = Vec::new();
            let found_at = Instant::now();
            Found::List(Arc::new(Hottest { found_at, position: 1, posts, goes_on: false, bytes }))
        };
        for number in 0..5 {
            let found = found(BYTES_MAX / 4);
            kept.put(Uuid::from_u128(number), Known { asked_at: Instant::now(), found });
        }
        assert!(kept.bytes <= BYTES_MAX && kept.lists.len() == 3, "{}", kept.bytes);
        assert!(kept.lists.contains(&Uuid::from_u128(4)), "the last one stays");
        let found = found(1);
        kept.put(Uuid::from_u128(4), Known { asked_at: Instant::now(), found });
        assert!(kept.bytes < BYTES_MAX / 4 * 2 + 1_000, "what was replaced is not counted");
    }
}
