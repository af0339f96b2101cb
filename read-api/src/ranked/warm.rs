//! The hottest posts of communities as they were a moment ago, for home feeds.
//!
//! A home feed is of many communities, and to find the hottest of all of them costs a look at each
//! level of each. Many readers share communities. So what was found of one for a reader is kept for
//! [`AGE_MAX`] and serves the next, who then reads no more than the posts of one part. These are ranked
//! by what they are at that moment; only which ones come into question is as old as that.
//!
//! A community that is rarely asked for is not kept: to find it apart costs more than with the others.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agora_domain::content::ranking::HOT_GRAVITY;
use agora_event_store::{Position, read::from_db};
use chrono::{DateTime, Utc};
use lru::LruCache;
use sqlx::PgPool;
use uuid::Uuid;

use super::Things;
use crate::rows::PlaceInTime;

/// For so long what was found is used.
const AGE_MAX: Duration = Duration::from_secs(1);
/// A community that is asked for again within this time is worth keeping.
const SOON: Duration = Duration::from_secs(2);
/// Found of each community: more than a part of a feed shows, since others cool down more slowly.
const EACH: usize = 32;
/// At most so many communities are found anew for one request; with more, all are found together.
const ANEW_MAX: usize = 6;
/// Communities that are known at once: some 6 MB.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("more than none");

pub struct WarmLists(Mutex<LruCache<Uuid, Known>>);

impl Default for WarmLists {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KNOWN_MAX)))
    }
}

/// What is known of a community.
struct Known {
    asked_at: Instant,
    found: Option<Arc<Hottest>>,
}

/// The hottest of a community, the hottest first.
struct Hottest {
    found_at: Instant,
    as_of: DateTime<Utc>,
    position: Position,
    posts: Vec<Candidate>,
}

#[derive(Clone, Copy)]
struct Candidate {
    heat: f64,
    at: PlaceInTime,
}

impl Candidate {
    /// Heat falls with age alone as long as nobody votes.
    fn cooled(self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        let age = |as_of: DateTime<Utc>| {
            let micros = (as_of - self.at.0).num_microseconds().unwrap_or(i64::MAX);
            (micros as f64 / 3_600_000_000.0).max(0.0) + 2.0
        };
        Self { heat: self.heat * (age(from) / age(to)).powf(HOT_GRAVITY), ..self }
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |it: &Self| (it.at.0, it.at.1);
        other.heat.total_cmp(&self.heat).then_with(|| key(other).cmp(&key(self)))
    }
}

/// What comes into question for the first part of a feed.
pub(crate) struct Candidates {
    /// Up to which position each community was looked at.
    pub(crate) position: Position,
    pub(crate) ids: Vec<Uuid>,
}

impl WarmLists {
    /// What comes into question for the `rows` hottest of these communities, twice as many as that;
    /// none where too much would have to be found for it.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub(crate) async fn candidates(
        &self,
        pool: &PgPool,
        things: &Things,
        communities: &[Uuid],
        (rows, as_of, min_position): (usize, DateTime<Utc>, Position),
    ) -> Result<Option<Candidates>, sqlx::Error> {
        if rows >= EACH {
            return Ok(None);
        }
        let (mut lists, missing) = self.known(communities, min_position);
        let few = lists.len() + ANEW_MAX >= communities.len();
        let anew = missing.len().min(ANEW_MAX);
        if anew > 0 {
            lists.extend(self.find(pool, things, &missing[..anew], as_of).await?);
        }
        Ok(if few { merged(&lists, communities.len(), rows, as_of) } else { None })
    }

    /// The lists that are good enough, and those communities that are worth to be found.
    fn known(
        &self,
        communities: &[Uuid],
        min_position: Position,
    ) -> (Vec<Arc<Hottest>>, Vec<Uuid>) {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut lists, mut missing) = (Vec::with_capacity(communities.len()), Vec::new());
        for community in communities {
            let Some(it) = known.get_mut(community) else {
                known.put(*community, Known { asked_at: now, found: None });
                continue;
            };
            let asked_before = std::mem::replace(&mut it.asked_at, now);
            match &it.found {
                Some(list) if now - list.found_at < AGE_MAX && list.position >= min_position => {
                    lists.push(Arc::clone(list));
                }
                _ if now - asked_before < SOON => missing.push(*community),
                _ => it.found = None,
            }
        }
        (lists, missing)
    }

    async fn find(
        &self,
        pool: &PgPool,
        things: &Things,
        communities: &[Uuid],
        as_of: DateTime<Utc>,
    ) -> Result<Vec<Arc<Hottest>>, sqlx::Error> {
        let statement = format!(
            "SELECT c.id, p.position, r.id, r.created_at, r.value
             FROM unnest($1::uuid[]) AS c (id)
             CROSS JOIN (SELECT least(coalesce(read.served_position('posts'), 0),
                                      coalesce(read.served_position('post_scores'), 0))
                                AS position OFFSET 0) p
             LEFT JOIN LATERAL (
                 WITH RECURSIVE places AS MATERIALIZED (SELECT c.id), {hot}
                 SELECT * FROM ranked
             ) r ON true
             ORDER BY c.id, r.value DESC, r.created_at DESC, r.id DESC",
            hot = things.hot(),
        );
        let found_at = Instant::now();
        let start = PlaceInTime::start();
        type Row = (Uuid, i64, Option<Uuid>, Option<DateTime<Utc>>, Option<f64>);
        let rows: Vec<Row> = sqlx::query_as(&statement)
            .bind(communities)
            .bind(i64::try_from(EACH).unwrap_or(i64::MAX))
            .bind(start.0)
            .bind(start.1)
            .bind(as_of)
            .bind(start.0)
            .bind(None::<i64>)
            .fetch_all(pool)
            .await?;
        let mut lists = Vec::with_capacity(communities.len());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for rows in rows.chunk_by(|one, next| one.0 == next.0) {
            let (community, position, ..) = rows[0];
            let posts = rows.iter().filter_map(|(_, _, id, created_at, heat)| {
                Some(Candidate { heat: (*heat)?, at: PlaceInTime((*created_at)?, (*id)?) })
            });
            let posts = posts.collect();
            let list = Arc::new(Hottest { found_at, as_of, position: from_db(position), posts });
            known.put(community, Known { asked_at: found_at, found: Some(Arc::clone(&list)) });
            lists.push(list);
        }
        Ok(lists)
    }
}

/// None where a list is missing, or ends before it is known that nothing of the rest comes into
/// question.
fn merged(
    lists: &[Arc<Hottest>],
    communities: usize,
    rows: usize,
    as_of: DateTime<Utc>,
) -> Option<Candidates> {
    if lists.len() < communities {
        return None;
    }
    let cooled = |list: &Hottest, it: &Candidate| it.cooled(list.as_of, as_of);
    let mut all: Vec<Candidate> = Vec::with_capacity(EACH * lists.len());
    for list in lists {
        all.extend(list.posts.iter().map(|it| cooled(list, it)));
    }
    all.sort_unstable_by(Candidate::order);
    if let Some(last_shown) = all.get(rows - 1) {
        let mut ends = lists.iter().filter(|list| list.posts.len() == EACH);
        let goes_on = |list: &Arc<Hottest>| {
            list.posts.last().is_some_and(|end| cooled(list, end).order(last_shown).is_lt())
        };
        if ends.any(goes_on) {
            return None;
        }
    } else if lists.iter().any(|list| list.posts.len() == EACH) {
        return None;
    }
    all.truncate(2 * rows);
    let position = lists.iter().map(|list| list.position).min().unwrap_or(Position::MAX);
    Some(Candidates { position, ids: all.into_iter().map(|it| it.at.1).collect() })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn list(of: u128, heats: &[f64]) -> Arc<Hottest> {
        let posts = heats.iter().enumerate().map(|(index, heat)| {
            let at = PlaceInTime(DateTime::UNIX_EPOCH, Uuid::from_u128(of + index as u128));
            Candidate { heat: *heat, at }
        });
        let as_of = DateTime::UNIX_EPOCH + TimeDelta::hours(8);
        let position = Position::try_from(of).unwrap();
        Arc::new(Hottest { found_at: Instant::now(), as_of, position, posts: posts.collect() })
    }

    fn ids(lists: &[Arc<Hottest>], communities: usize) -> Option<Vec<u128>> {
        let as_of = DateTime::UNIX_EPOCH + TimeDelta::hours(8);
        let candidates = merged(lists, communities, 2, as_of)?;
        Some(candidates.ids.iter().map(Uuid::as_u128).collect())
    }

    #[test]
    fn msh_06_lists_are_merged_by_heat_and_twice_as_many_come_into_question() {
        let lists = [list(100, &[9.0, 5.0, 1.0]), list(200, &[7.0, 6.0, 0.5])];
        assert_eq!(ids(&lists, 2), Some(vec![100, 200, 201, 101]));
        assert_eq!(ids(&lists, 3), None, "of a community nothing is known");
        assert_eq!(merged(&lists, 2, 2, lists[0].as_of).map(|it| it.position), Some(100));
    }

    #[test]
    fn msh_06_a_list_that_may_go_on_above_the_last_that_is_shown_is_not_enough() {
        let hot = list(1_000, &[8.0; EACH]);
        assert_eq!(ids(&[hot.clone(), list(1, &[5.0])], 2), None);
        let enough = [hot, list(1, &[9.0, 8.5])];
        assert!(ids(&enough, 2).is_some());
        assert_eq!(ids(&[list(1, &[1.0])], 1), Some(vec![1]), "fewer than a part");
    }

    #[test]
    fn pst_14_what_was_found_cools_by_its_age() {
        let created_at = DateTime::UNIX_EPOCH;
        let at = PlaceInTime(created_at, Uuid::nil());
        let hours = |hours| created_at + TimeDelta::hours(hours);
        let heat = |age| agora_domain::content::ranking::heat(40, age);
        let cooled = Candidate { heat: heat(3.0), at }.cooled(hours(3), hours(10));
        assert!((cooled.heat - heat(10.0)).abs() < 1e-12, "{}", cooled.heat);
    }
}
