//! Compares new tables with the live ones, both at one position.

use std::{cmp::Ordering, collections::BTreeMap, fmt};

use agora_event_store::read::from_db;
use futures::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use super::{RebuildError, build::Build};
use crate::checkpoints;

/// A row that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    /// The primary key's columns, separated by commas.
    pub key: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    OnlyLive,
    OnlyRebuilt,
    /// The columns that differ.
    Columns(Vec<String>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.table, self.key)?;
        match &self.kind {
            Kind::OnlyLive => f.write_str("only in the live table"),
            Kind::OnlyRebuilt => f.write_str("only in the rebuilt table"),
            Kind::Columns(columns) => write!(f, "differs in {}", columns.join(", ")),
        }
    }
}

pub(super) struct Verified {
    /// Of the live tables.
    pub(super) rows: u64,
    pub(super) differences: Vec<Difference>,
}

/// A table's content as one value: the same rows give the same, in whatever order they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHash {
    pub rows: u64,
    pub sum: String,
}

/// The hash of a table's content, in the connection's search path.
///
/// # Errors
/// Where there is no such table.
pub async fn content_hash(
    table: &str,
    connection: &mut PgConnection,
) -> Result<ContentHash, sqlx::Error> {
    let (rows, sum): (i64, String) = sqlx::query_as(&format!(
        "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text
         FROM {table} t"
    ))
    .fetch_one(connection)
    .await?;
    Ok(ContentHash { rows: from_db(rows), sum })
}

/// Freezes the live tables in a snapshot, brings the new ones to its position, and compares. The
/// projectors go on meanwhile.
pub(super) async fn against_live(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
    build: &mut Build,
) -> Result<Verified, RebuildError> {
    // The snapshot waits while the new tables catch up with it.
    let patient =
        checkpoints::live(connect.clone()).options([("idle_in_transaction_session_timeout", "0")]);
    let mut live = patient.connect().await?;
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut live).await?;
    // Tables that have seen more than the log holds (it was put back) are compared at its head.
    let served: i64 = sqlx::query_scalar(
        "SELECT least(read.served_position($1), (SELECT coalesce(max(position), 0) FROM log.events))",
    )
        .bind(build.projection.name)
        .fetch_one(&mut live)
        .await?;
    build.catch_up(from_db(served), connection).await?;
    let mut verified = Verified { rows: 0, differences: Vec::new() };
    for table in build.projection.tables.iter().copied() {
        let is = content_hash(table, &mut live).await?;
        verified.rows += is.rows;
        if is != content_hash(table, connection).await? {
            verified.differences.extend(differences(table, &mut live, connection).await?);
        }
    }
    live.close().await?;
    Ok(verified)
}

async fn differences(
    table: &'static str,
    live: &mut PgConnection,
    rebuilt: &mut PgConnection,
) -> Result<Vec<Difference>, sqlx::Error> {
    let key = key_expression(table, live).await?;
    let mut found = Vec::new();
    let mut both = Vec::new();
    {
        let rows = format!(
            "SELECT {key} AS key, md5(t::text) FROM {table} t ORDER BY ({key}) COLLATE \"C\""
        );
        let mut live_rows = sqlx::query_as::<_, (String, String)>(&rows).fetch(&mut *live);
        let mut rebuilt_rows = sqlx::query_as::<_, (String, String)>(&rows).fetch(&mut *rebuilt);
        let mut left = live_rows.try_next().await?;
        let mut right = rebuilt_rows.try_next().await?;
        loop {
            let order = match (&left, &right) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((left, _)), Some((right, _))) => left.cmp(right),
            };
            if order == Ordering::Equal && left != right {
                both.extend(left.as_ref().map(|(key, _)| key.clone()));
            }
            if order.is_le() {
                let row = std::mem::replace(&mut left, live_rows.try_next().await?);
                if let (true, Some((key, _))) = (order.is_lt(), row) {
                    found.push(Difference { table, key, kind: Kind::OnlyLive });
                }
            }
            if order.is_ge() {
                let row = std::mem::replace(&mut right, rebuilt_rows.try_next().await?);
                if let (true, Some((key, _))) = (order.is_gt(), row) {
                    found.push(Difference { table, key, kind: Kind::OnlyRebuilt });
                }
            }
        }
    }
    for keys in both.chunks(1_000) {
        let left = rows_of(table, &key, keys, live).await?;
        let right = rows_of(table, &key, keys, rebuilt).await?;
        for key in keys {
            let (Some(left), Some(right)) = (left.get(key), right.get(key)) else { continue };
            let columns = left
                .iter()
                .filter(|(column, value)| right.get(*column) != Some(value))
                .map(|(column, _)| column.clone())
                .collect();
            found.push(Difference { table, key: key.clone(), kind: Kind::Columns(columns) });
        }
    }
    Ok(found)
}

/// The primary key of a row as text.
async fn key_expression(table: &str, live: &mut PgConnection) -> Result<String, sqlx::Error> {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(a.attname)
         FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indrelid = $1::regclass AND i.indisprimary
         ORDER BY array_position(i.indkey::smallint[], a.attnum)",
    )
    .bind(table)
    .fetch_all(live)
    .await?;
    Ok(format!("concat_ws(',', t.{})", columns.join(", t.")))
}

async fn rows_of(
    table: &str,
    key: &str,
    keys: &[String],
    connection: &mut PgConnection,
) -> Result<BTreeMap<String, Map<String, Value>>, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(&format!(
        "SELECT {key}, to_jsonb(t)::text FROM {table} t WHERE {key} = ANY ($1)"
    ))
    .bind(keys)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(key, row)| Some((key, serde_json::from_str(&row).ok()?)))
        .collect())
}
