//! A walk through a list by rank, part by part: as of when, where it goes on, what it has shown.

use agora_service::{clock, problem::Problem};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::shown::Shown;
use crate::{app::App, paging::Page, rows::PlaceInTime};

/// What a thing's place in any list follows from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) upvotes: i64,
    pub(crate) downvotes: i64,
    pub(crate) at: PlaceInTime,
}

impl Standing {
    pub(crate) const fn score(&self) -> i64 {
        self.upvotes.saturating_sub(self.downvotes)
    }

    pub(crate) const fn id(&self) -> Uuid {
        self.at.1
    }
}

/// What a cursor holds: the last thing that was shown, as it stood then.
#[derive(Serialize, Deserialize)]
struct Place {
    as_of: DateTime<Utc>,
    last: Standing,
    shown: Shown,
}

pub(crate) struct Walk {
    list: String,
    as_of: DateTime<Utc>,
    asked_for_as_of: bool,
    last: Option<Standing>,
    shown: Shown,
}

impl Walk {
    /// Begins at the cursor's place, or now. `list` names the list with all that chooses and orders
    /// its items, but for `as_of`.
    ///
    /// # Errors
    /// 400 where the cursor was changed or belongs to another list.
    pub(crate) fn begin(
        app: &App,
        page: &Page,
        list: &str,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Self, Problem> {
        // Postgres knows no less than a microsecond, and the client is told what it counts with.
        let micros =
            |time: DateTime<Utc>| time.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(time);
        let list = format!("{list}/{}", as_of.map_or(0, |time| time.timestamp_micros()));
        let asked_for_as_of = as_of.is_some();
        let place: Option<Place> = page.place(app, &list, None)?;
        Ok(match place {
            Some(Place { as_of, last, shown }) => {
                Self { list, as_of, asked_for_as_of, last: Some(last), shown }
            }
            None => {
                let as_of = micros(as_of.unwrap_or_else(clock::now));
                Self { list, as_of, asked_for_as_of, last: None, shown: Shown::default() }
            }
        })
    }

    pub(crate) const fn as_of(&self) -> DateTime<Utc> {
        self.as_of
    }

    /// After what time nothing is shown. Where nobody asked for another time, what was written a
    /// moment ago is there, whatever the clocks of two machines say.
    pub(crate) fn until(&self) -> DateTime<Utc> {
        if self.asked_for_as_of { self.as_of } else { PlaceInTime::start().0 }
    }

    /// After what the part begins; none for the first.
    pub(crate) const fn last(&self) -> Option<Standing> {
        self.last
    }

    /// Time and id after which the part begins.
    pub(crate) fn at(&self) -> PlaceInTime {
        self.last.map_or_else(PlaceInTime::start, |last| last.at)
    }

    /// The part: what of the rows is shown, and where the walk goes on.
    ///
    /// `moves`: whether things change places, so that one may come twice.
    pub(crate) fn cut<R>(
        mut self,
        app: &App,
        page: &Page,
        mut rows: Vec<R>,
        moves: bool,
        standing: impl Fn(&R) -> Standing,
    ) -> (Vec<R>, Option<String>) {
        let goes_on = rows.len() > page.limit;
        rows.truncate(page.limit);
        let last = rows.last().filter(|_| goes_on).map(&standing);
        if moves {
            self.shown.keep_new(&mut rows, |row| standing(row).id());
        }
        let next = last.map(|last| {
            let place = Place { as_of: self.as_of, last, shown: self.shown };
            app.cursors.write(&self.list, &place)
        });
        (rows, next)
    }
}
