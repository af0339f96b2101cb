//! What the projections of votes on posts and on comments share: each voter's last word, and the sums.

use std::collections::HashMap;

use agora_domain::{Actor, content::vote::VoteState};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::projection::ApplyError;

/// A vote after a batch: as it is, and when it was first and last changed in it.
struct Vote {
    target: Uuid,
    voter: Actor,
    state: VoteState,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

/// Who votes on a kind of thing: guests on comments only (PVT-03).
#[derive(Clone, Copy)]
pub enum Voters {
    WithAccounts,
    AlsoGuests,
}

/// The votes that a batch changes, one row each however often they are toggled (PVT-02, CVT-02).
#[derive(Default)]
pub struct Votes(HashMap<Uuid, Vote>);

impl Votes {
    pub fn cast(
        &mut self,
        id: Uuid,
        target: Uuid,
        voter: Actor,
        state: VoteState,
        at: DateTime<Utc>,
    ) {
        let new = Vote { target, voter, state, first_at: at, last_at: at };
        let vote = self.0.entry(id).or_insert(new);
        vote.state = state;
        vote.last_at = at;
    }

    /// Runs a statement that takes arrays of ids, targets, members, admins, states, first and last
    /// times, and, on comments, of guests, in the order of the ids: then index pages are touched once.
    pub async fn write(
        self,
        voters: Voters,
        statement: &str,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        let mut votes: Vec<_> = self.0.into_iter().collect();
        votes.sort_unstable_by_key(|(id, _)| *id);
        let of = |vote: &Vote| (vote.voter.as_member(), vote.voter.as_admin());
        let guest = |vote: &Vote| vote.voter.as_guest().map(|id| id.0);
        let query = sqlx::query(statement)
            .bind(votes.iter().map(|(id, _)| *id).collect::<Vec<_>>())
            .bind(votes.iter().map(|(_, vote)| vote.target).collect::<Vec<_>>())
            .bind(votes.iter().map(|(_, vote)| of(vote).0.map(|id| id.0)).collect::<Vec<_>>())
            .bind(votes.iter().map(|(_, vote)| of(vote).1.map(|id| id.0)).collect::<Vec<_>>())
            .bind(votes.iter().map(|(_, vote)| vote.state.as_str()).collect::<Vec<_>>())
            .bind(votes.iter().map(|(_, vote)| vote.first_at).collect::<Vec<_>>())
            .bind(votes.iter().map(|(_, vote)| vote.last_at).collect::<Vec<_>>());
        let query = match voters {
            Voters::WithAccounts => query,
            Voters::AlsoGuests => {
                query.bind(votes.iter().map(|(_, vote)| guest(vote)).collect::<Vec<_>>())
            }
        };
        query.execute(connection).await?;
        Ok(())
    }
}

/// What a batch changes of one target's score.
#[derive(Default)]
struct Change {
    /// Where the target stands (a post's community, what a comment answers) and since when; told
    /// once, with it.
    opened: Option<(Uuid, DateTime<Utc>)>,
    upvotes: i64,
    downvotes: i64,
    updated_at: DateTime<Utc>,
}

/// The scores that a batch changes (PVT-04, CVT-04).
#[derive(Default)]
pub struct Scores(HashMap<Uuid, Change>);

/// A score as it stands in its table.
#[derive(FromRow)]
pub struct Score {
    pub id: Uuid,
    /// None only where the log does not hold the target.
    pub place: Option<Uuid>,
    pub created_at: Option<DateTime<Utc>>,
    pub upvotes: i64,
    pub downvotes: i64,
}

/// A score that a batch has changed.
pub struct Changed {
    pub score: Score,
    /// Upvotes and downvotes before the batch; none where the target is new.
    pub before: Option<(i64, i64)>,
}

impl Scores {
    /// A new target, with the score 0.
    pub fn open(&mut self, target: Uuid, place: Uuid, at: DateTime<Utc>) {
        let change = self.0.entry(target).or_default();
        change.opened = Some((place, at));
        change.updated_at = at;
    }

    pub fn move_by(
        &mut self,
        target: Uuid,
        state: VoteState,
        previous: VoteState,
        at: DateTime<Utc>,
    ) {
        let change = self.0.entry(target).or_default();
        let one = |is: VoteState| i64::from(state == is) - i64::from(previous == is);
        change.upvotes += one(VoteState::Upvote);
        change.downvotes += one(VoteState::Downvote);
        change.updated_at = at;
    }

    /// Runs a statement that takes arrays of targets, places, times of creation, upvotes, downvotes
    /// and times of change, in the order of the key: then index pages are touched once, and rows
    /// locked in one order. It returns each [`Score`].
    pub async fn write(
        self,
        statement: &str,
        connection: &mut PgConnection,
    ) -> Result<Vec<Changed>, ApplyError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut changes: Vec<_> = self.0.iter().collect();
        changes.sort_unstable_by_key(|(target, _)| **target);
        let place = |change: &Change| change.opened.map(|(place, _)| place);
        let since = |change: &Change| change.opened.map(|(_, at)| at);
        let scores: Vec<Score> = sqlx::query_as(statement)
            .bind(changes.iter().map(|(target, _)| **target).collect::<Vec<_>>())
            .bind(changes.iter().map(|(_, change)| place(change)).collect::<Vec<_>>())
            .bind(changes.iter().map(|(_, change)| since(change)).collect::<Vec<_>>())
            .bind(changes.iter().map(|(_, change)| change.upvotes).collect::<Vec<_>>())
            .bind(changes.iter().map(|(_, change)| change.downvotes).collect::<Vec<_>>())
            .bind(changes.iter().map(|(_, change)| change.updated_at).collect::<Vec<_>>())
            .fetch_all(connection)
            .await?;
        let changed = scores.into_iter().map(|score| {
            let change = self.0.get(&score.id).filter(|change| change.opened.is_none());
            let before = change
                .map(|change| (score.upvotes - change.upvotes, score.downvotes - change.downvotes));
            Changed { score, before }
        });
        Ok(changed.collect())
    }
}
