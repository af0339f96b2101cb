//! The lists by rank (PST-14, CMT-11): which rows a batch of changed scores moves. Few, since a row
//! stands on a level that most votes do not change (docs/ranking.md).

use agora_domain::content::ranking::Ranking;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyError,
    votes::{Changed, Score},
};

/// The key of a row but its level.
struct Row {
    place: Uuid,
    ranking: Ranking,
    created_at: DateTime<Utc>,
    id: Uuid,
}

/// What a batch changes of a table of ranks.
pub struct Ranks {
    table: Table,
    leaving: Vec<(Row, i32)>,
    moving: Vec<(Row, i32, i32)>,
    entering: Vec<(Row, i32)>,
}

/// A table of ranks.
#[derive(Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    /// The columns of where a thing stands and of the thing.
    pub place: &'static str,
    pub id: &'static str,
    pub rankings: &'static [Ranking],
}

impl Ranks {
    pub fn of(table: Table) -> Self {
        Self { table, leaving: Vec::new(), moving: Vec::new(), entering: Vec::new() }
    }

    /// Follows a changed score. `shown`: whether the batch showed or hid the thing last; a hidden one
    /// has no rank.
    pub fn follow(&mut self, changed: &Changed, shown: Option<bool>) {
        let Score { id, place: Some(place), created_at: Some(created_at), upvotes, downvotes } =
            changed.score
        else {
            return;
        };
        for ranking in self.table.rankings.iter().copied() {
            let row = || Row { place, ranking, created_at, id };
            let after = ranking.level(upvotes, downvotes);
            let before = changed.before.map(|(up, down)| ranking.level(up, down));
            match (before, shown) {
                // Moves only where it is: a vote does not bring back what is hidden.
                (Some(before), None) if before != after => self.moving.push((row(), before, after)),
                (Some(_), None) => {}
                (before, shown) => {
                    if let Some(before) = before {
                        self.leaving.push((row(), before));
                    }
                    if shown.unwrap_or(true) {
                        self.entering.push((row(), after));
                    }
                }
            }
        }
    }

    pub async fn write(mut self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let Table { name, place, id, .. } = self.table;
        if !self.leaving.is_empty() {
            let statement = format!(
                "DELETE FROM {name} r
                 USING unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::uuid[], $5::integer[])
                       AS u(place, ranking, created_at, id, level)
                 WHERE r.{place} = u.place AND r.ranking = u.ranking AND r.level = u.level
                   AND r.created_at = u.created_at AND r.{id} = u.id"
            );
            let levels = self.leaving.iter().map(|(_, level)| *level).collect::<Vec<_>>();
            let rows = self.leaving.iter().map(|(row, _)| row).collect();
            keys(&statement, rows).bind(levels).execute(&mut *connection).await?;
        }
        if !self.moving.is_empty() {
            // In the order of the key, so that index pages are touched once.
            self.moving.sort_unstable_by_key(|(row, before, _)| {
                (row.place, row.ranking, *before, row.created_at, row.id)
            });
            let statement = format!(
                "UPDATE {name} r SET level = u.after
                 FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::uuid[],
                             $5::integer[], $6::integer[])
                      AS u(place, ranking, created_at, id, before, after)
                 WHERE r.{place} = u.place AND r.ranking = u.ranking AND r.level = u.before
                   AND r.created_at = u.created_at AND r.{id} = u.id"
            );
            let before = self.moving.iter().map(|(_, before, _)| *before).collect::<Vec<_>>();
            let after = self.moving.iter().map(|(.., after)| *after).collect::<Vec<_>>();
            let rows = self.moving.iter().map(|(row, ..)| row).collect();
            keys(&statement, rows).bind(before).bind(after).execute(&mut *connection).await?;
        }
        if !self.entering.is_empty() {
            self.entering.sort_unstable_by_key(|(row, level)| {
                (row.place, row.ranking, *level, row.created_at, row.id)
            });
            let statement = format!(
                "INSERT INTO {name} ({place}, ranking, created_at, {id}, level)
                 SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::uuid[],
                                      $5::integer[])"
            );
            let levels = self.entering.iter().map(|(_, level)| *level).collect::<Vec<_>>();
            let rows = self.entering.iter().map(|(row, _)| row).collect();
            keys(&statement, rows).bind(levels).execute(connection).await?;
        }
        Ok(())
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// A statement with the rows' keys bound, their levels not.
fn keys<'q>(statement: &'q str, rows: Vec<&Row>) -> Query<'q> {
    sqlx::query(statement)
        .bind(rows.iter().map(|row| row.place).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.ranking.number()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
}
