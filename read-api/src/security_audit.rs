//! Searches of the security audit log: day by day from the newest, a few days at a time, so that a search
//! plans for and looks at no more of the days than it needs.

mod leaves;
mod packs;

use std::{collections::HashMap, net::IpAddr, time::Duration};

use agora_domain::{
    PersonalCategory, Subject,
    security::audit::{AuditEventType, AuditResult, RetentionCategory, RiskScore},
};
use agora_event_store::{
    Vault,
    security_audit::{Row, fill_in, index_of_address, index_of_session, index_of_user},
    vault::{KeyName, SubjectKey, VaultError},
};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

pub use self::leaves::{Kind, Leaf};
use self::leaves::{LeafKinds, LeafRow};
use crate::{app::App, error::ReadError, rows::PlaceInTime};

/// How many days are looked at together, one step after the other; the last for all that follow.
const STEPS: [usize; 5] = [1, 6, 23, 60, 120];

/// To plan for dozens of partitions takes longer than to look into them, and nothing but their indexes in
/// order is ever right.
const PLANS: &str = "SELECT set_config('enable_bitmapscan', 'off', true),
                            set_config('max_parallel_workers_per_gather', '0', true)";

/// The track of an entry.
const TRACK: &str = "log.security_audit_track(user_key, ip_key, session_key)";

/// What has an entry found by its kind `k`: all kinds but the ordinary one are in an index of their own.
const OF_KIND: &str =
    " AND (event_type <> 'API_ACCESS' OR event_result <> 'SUCCESS' OR risk_score <> 0)
    AND event_type = k.of_type AND event_result = k.of_result AND risk_score = k.of_risk";

/// Tracks of one day that are looked through one by one, each for a few microseconds.
const TRACKS_MAX: usize = 1_000;

/// Searches at once.
const CONNECTIONS: u32 = 3;
/// As many of the newest days have been planned for on each before it is used.
const DAYS_KNOWN: usize = 30;

/// Connections for searches alone. To plan for dozens of partitions takes 30 to 60 ms on a connection that
/// does not know them yet, and 5 on one that does.
pub fn connections(reads: &PgPool) -> PgPool {
    PgPoolOptions::new()
        .min_connections(CONNECTIONS)
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                if let Err(error) = get_to_know(connection).await {
                    // The first search is slower.
                    tracing::debug!(%error, "the security audit log's partitions are not known");
                }
                Ok(())
            })
        })
        .connect_lazy_with(reads.connect_options().as_ref().clone())
}

/// Has a connection plan for the newest days.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn get_to_know(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let search = Search::default();
    let start = PlaceInTime::start();
    let leaves = search.leaves(connection, start.0).await?;
    let days = leaves.chunk_by(|a, b| a.name.day == b.name.day).take(DAYS_KNOWN);
    let leaves: Vec<Leaf> = days.flatten().cloned().collect();
    if leaves.is_empty() {
        return Ok(());
    }
    sqlx::query(&format!("EXPLAIN {}", search.statement(&leaves)))
        .persistent(false)
        .bind(search.from)
        .bind(search.to)
        .bind(start.0)
        .bind(start.1)
        .bind(1_i64)
        .bind(None::<i64>)
        .execute(connection)
        .await?;
    Ok(())
}

/// What is searched for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub user: Option<Uuid>,
    pub address: Option<IpAddr>,
    /// A session's hash.
    pub session: Option<String>,
    pub event_type: Option<AuditEventType>,
    pub result: Option<AuditResult>,
    pub retention: Option<RetentionCategory>,
    pub risk_min: Option<RiskScore>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Search {
    /// Whether it asks by what is under the keys of leaves.
    pub fn is_by_leaf(&self) -> bool {
        self.address.is_some() || self.session.is_some()
    }

    /// The entries before a place, the newest first.
    ///
    /// # Errors
    /// Where the database or the vault cannot be asked.
    pub async fn find(
        &self,
        app: &App,
        before: PlaceInTime,
        limit: i64,
    ) -> Result<Vec<Row>, ReadError> {
        match self.try_to_find(app, before, limit).await {
            // A partition was dropped while it was looked for: there is one less.
            Err(FindError::Database(sqlx::Error::Database(error)))
                if error.code().as_deref() == Some("42P01") =>
            {
                Ok(self.try_to_find(app, before, limit).await?)
            }
            other => Ok(other?),
        }
    }

    async fn try_to_find(
        &self,
        app: &App,
        before: PlaceInTime,
        limit: i64,
    ) -> Result<Vec<Row>, FindError> {
        let user_key = match self.user {
            None => None,
            Some(user) => {
                let name: KeyName = (Subject::from(user), PersonalCategory::Network);
                match app.opener.vault().find(std::slice::from_ref(&name)).await?.remove(&name) {
                    Some(SubjectKey::Present(key)) => Some(index_of_user(&key)),
                    // Nothing was ever written of it, or it was erased.
                    _ => return Ok(Vec::new()),
                }
            }
        };
        // As it is at one moment: what an entry is found by is written with it.
        let mut connection = app
            .audit_searches
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        sqlx::query(PLANS).execute(&mut *connection).await?;
        let leaves = self.leaves(&mut connection, before.0).await?;
        let days: Vec<&[Leaf]> = leaves.chunk_by(|a, b| a.name.day == b.name.day).collect();
        let (mut found, mut rest) = (Vec::new(), days.as_slice());
        let mut steps = STEPS.iter().copied().chain(std::iter::repeat(STEPS[STEPS.len() - 1]));
        while !rest.is_empty() && (found.len() as i64) < limit {
            let step = steps.next().unwrap_or(1).min(rest.len());
            let (now, later) = rest.split_at(step);
            rest = later;
            let mut leaves = self.keyed(app.opener.vault(), now.concat()).await?;
            if !leaves.is_empty() && (self.user.is_some() || self.is_by_leaf()) {
                leaves = tracked(&mut connection, leaves, user_key).await?;
            }
            if leaves.is_empty() {
                continue;
            }
            let missing = usize::try_from(limit).unwrap_or(0).saturating_sub(found.len());
            // First, as they are made and dropped first.
            let mut now = self.packed(&mut connection, &leaves, before, missing, user_key).await?;
            // Planned with its values each time, since it is another statement each day.
            let statement = self.statement(&leaves);
            let rows: Vec<Row> = sqlx::query_as(&statement)
                .persistent(false)
                .bind(self.from)
                .bind(self.to)
                .bind(before.0)
                .bind(before.1)
                .bind(limit - found.len() as i64)
                .bind(user_key)
                .fetch_all(&mut *connection)
                .await?;
            now.extend(rows);
            found.extend(packs::newest(now, missing));
        }
        fill_in(&mut connection, &mut found).await?;
        Ok(found)
    }

    /// The leaves that hold something of what is asked for, the newest day first.
    async fn leaves(
        &self,
        connection: &mut PgConnection,
        before: DateTime<Utc>,
    ) -> Result<Vec<Leaf>, sqlx::Error> {
        let last = self.to.map_or(before, |to| to.min(before)).date_naive();
        let first = self.from.map_or(NaiveDate::MIN, |from| from.date_naive());
        // Postgres' days begin and end within those of chrono.
        let bounded = |day: NaiveDate| {
            let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(day);
            let last = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or(day);
            day.clamp(first, last)
        };
        let (first, last) = (bounded(first), bounded(last));
        let retention = self.retention.map(RetentionCategory::as_str);
        if self.event_type.is_none() && self.result.is_none() && self.risk_min.is_none() {
            let leaves: Vec<LeafRow> = sqlx::query_as(
                "SELECT l.day, l.retention_category::text AS category
                 FROM log.security_audit_leaves l
                 WHERE l.dropped_at IS NULL AND l.day BETWEEN $1 AND $2
                   AND ($3::text IS NULL OR l.retention_category = $3::text::log.retention_category)
                   AND EXISTS (SELECT FROM log.security_audit_segments s
                               WHERE s.day = l.day AND s.retention_category = l.retention_category)
                 ORDER BY l.day DESC",
            )
            .bind(first)
            .bind(last)
            .bind(retention)
            .fetch_all(connection)
            .await?;
            return Ok(leaves.into_iter().filter_map(LeafRow::leaf).collect());
        }
        let leaves: Vec<LeafKinds> = sqlx::query_as(
            "SELECT day, retention_category::text AS category, array_agg(event_type::text) AS types,
                    array_agg(event_result::text) AS results, array_agg(risk_score) AS risks
             FROM log.security_audit_kinds k
             WHERE day BETWEEN $1 AND $2
               AND ($3::text IS NULL OR retention_category = $3::text::log.retention_category)
               AND ($4::text IS NULL OR event_type = $4::text::log.security_event_type)
               AND ($5::text IS NULL OR event_result = $5::text::log.security_event_result)
               AND risk_score >= $6
               AND EXISTS (SELECT FROM log.security_audit_leaves l
                           WHERE l.day = k.day AND l.retention_category = k.retention_category
                             AND l.dropped_at IS NULL)
             GROUP BY day, retention_category ORDER BY day DESC",
        )
        .bind(first)
        .bind(last)
        .bind(retention)
        .bind(self.event_type.map(AuditEventType::as_str))
        .bind(self.result.map(AuditResult::as_str))
        .bind(i16::from(self.risk_min.unwrap_or_default().get()))
        .fetch_all(connection)
        .await?;
        let leaves = leaves.into_iter().filter_map(|found| {
            let (row, kinds) = found.split();
            // By time where ordinary accesses are asked for, too: nearly all of a leaf that has some are.
            let by_kind = !kinds.iter().any(Kind::is_ordinary);
            Some(Leaf { kinds: by_kind.then_some(kinds), ..row.leaf()? })
        });
        Ok(leaves.collect())
    }

    /// The leaves with what entries are found by in each; without those whose keys are gone, where that
    /// is asked for.
    async fn keyed(&self, vault: &Vault, leaves: Vec<Leaf>) -> Result<Vec<Leaf>, VaultError> {
        if !self.is_by_leaf() {
            return Ok(leaves);
        }
        let names: Vec<KeyName> = leaves.iter().map(|leaf| leaf.name.key_name()).collect();
        let keys = vault.find(&names).await?;
        let keyed =
            leaves.into_iter().zip(&names).filter_map(|(leaf, name)| match keys.get(name) {
                Some(SubjectKey::Present(key)) => Some(Leaf {
                    address: self.address.map(|address| index_of_address(key, address)),
                    session: self.session.as_ref().map(|session| index_of_session(key, session)),
                    ..leaf
                }),
                _ => None,
            });
        Ok(keyed.collect())
    }

    /// Of every entry, with what [`Self::statement`] binds.
    fn conditions(&self) -> String {
        let by_user = match self.user {
            Some(_) => "user_key = $6",
            None => "$6::bigint IS NULL",
        };
        format!(
            "recorded_at <= $3 AND (recorded_at, log_id) < ($3, $4)
             AND ($1::timestamptz IS NULL OR recorded_at >= $1)
             AND ($2::timestamptz IS NULL OR recorded_at < $2) AND {by_user}"
        )
    }

    /// Of the kind of entries: words of closed lists, and numbers.
    fn kind(&self) -> String {
        let mut kind = String::new();
        if let Some(event_type) = self.event_type {
            kind.push_str(&format!(" AND event_type = '{}'", event_type.as_str()));
        }
        if let Some(result) = self.result {
            kind.push_str(&format!(" AND event_result = '{}'", result.as_str()));
        }
        // Every entry has a score of 0 or more.
        if let Some(risk_min) = self.risk_min.map(RiskScore::get).filter(|score| *score > 0) {
            kind.push_str(&format!(" AND risk_score >= {risk_min}"));
        }
        kind
    }

    /// `$1` and `$2` bound the time, `$3` and `$4` are the place before, `$5` is the number of rows, `$6`
    /// the user's key.
    pub fn statement(&self, leaves: &[Leaf]) -> String {
        let (conditions, kind) = (self.conditions(), self.kind());
        let columns = Row::COLUMNS;
        let order = "ORDER BY recorded_at DESC, log_id DESC LIMIT $5";
        let parts: Vec<String> = leaves
            .iter()
            .map(|leaf| {
                let keys = leaf.keys();
                let table = leaf.name.table();
                let all = |columns: &str, by: &str| {
                    format!(
                        "SELECT {columns} FROM {table}
                         WHERE {conditions}{keys}{by} {order}"
                    )
                };
                // The newest of each, in the order of an index, and the newest of these.
                let of_each = |ways: &str, by: &str| {
                    format!(
                        "(SELECT {columns} FROM {ways}
                          CROSS JOIN LATERAL ({}) e {order})",
                        all("*", by)
                    )
                };
                match (leaf.tracks.as_deref(), leaf.kinds.as_deref()) {
                    (None, None) => format!("({})", all(columns, &kind)),
                    (None, Some(kinds)) => of_each(&Kind::all(kinds), OF_KIND),
                    (Some([track]), _) => {
                        format!("({})", all(columns, &format!("{kind} AND {TRACK} = {track}")))
                    }
                    (Some(tracks), _) => {
                        let tracks: Vec<String> = tracks.iter().map(i64::to_string).collect();
                        of_each(
                            &format!("unnest('{{{}}}'::bigint[]) AS t (track)", tracks.join(",")),
                            &format!("{kind} AND {TRACK} = t.track"),
                        )
                    }
                }
            })
            .collect();
        format!("SELECT * FROM ({}) x {order}", parts.join(" UNION ALL "))
    }
}

/// Those that have entries of a user, and of the leaf's own address and session, with these entries' tracks:
/// the combinations of user, address and session that they have.
async fn tracked(
    connection: &mut PgConnection,
    leaves: Vec<Leaf>,
    user_key: Option<i64>,
) -> Result<Vec<Leaf>, sqlx::Error> {
    let days: Vec<NaiveDate> = leaves.iter().map(|leaf| leaf.name.day).collect();
    let categories: Vec<&str> = leaves.iter().map(|leaf| leaf.name.category.as_str()).collect();
    let addresses: Vec<Option<i64>> = leaves.iter().map(|leaf| leaf.address).collect();
    let sessions: Vec<Option<i64>> = leaves.iter().map(|leaf| leaf.session).collect();
    // A leaf's keys of addresses and sessions are of no other leaf.
    let conditions: Vec<&str> = [
        ("t.user_key = $5", user_key.is_some()),
        ("t.ip_key = l.ip_key", addresses.iter().any(Option::is_some)),
        ("t.session_key = l.session_key", sessions.iter().any(Option::is_some)),
    ]
    .into_iter()
    .filter_map(|(condition, is_asked)| is_asked.then_some(condition))
    .collect();
    let conditions = conditions.join(" AND ");
    // By a key first and by the day afterwards, whatever there are statistics of: of a day there may be a
    // million tracks.
    let statement = format!(
        "SELECT l.place, array_agg(DISTINCT t.track) AS tracks
         FROM unnest($1::date[], $2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
              AS l (day, category, ip_key, session_key, place)
         CROSS JOIN LATERAL (
             SELECT t.day, t.retention_category,
                    log.security_audit_track(t.user_key, t.ip_key, t.session_key) AS track
             FROM log.security_audit_tracks t WHERE {conditions} OFFSET 0) t
         WHERE t.day = l.day AND t.retention_category = l.category::log.retention_category
         GROUP BY l.place"
    );
    let found: Vec<(i64, Vec<i64>)> = sqlx::query_as(&statement)
        .persistent(false)
        .bind(days)
        .bind(categories)
        .bind(addresses)
        .bind(sessions)
        .bind(user_key)
        .fetch_all(connection)
        .await?;
    let mut tracks: HashMap<i64, Vec<i64>> = found.into_iter().collect();
    let leaves = (1..).zip(leaves).filter_map(|(place, leaf)| {
        let tracks = tracks.remove(&place)?;
        // Who has so many has entries all over the day: by time, a page of them is found soon.
        Some(Leaf { tracks: (tracks.len() <= TRACKS_MAX).then_some(tracks), ..leaf })
    });
    Ok(leaves.collect())
}

#[derive(Debug, thiserror::Error)]
enum FindError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<FindError> for ReadError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Database(error) => error.into(),
            FindError::Vault(error) => error.into(),
        }
    }
}

/// An entry by its id. An id that was made here tells its time; that of an event's entry is the event's.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn by_id(pool: &PgPool, log_id: Uuid) -> Result<Option<Row>, sqlx::Error> {
    let of_event: Option<DateTime<Utc>> =
        sqlx::query_scalar("SELECT recorded_at FROM log.events WHERE event_id = $1")
            .bind(log_id)
            .fetch_optional(pool)
            .await?;
    let made_at = log_id.get_timestamp().and_then(|time| {
        let (seconds, nanos) = time.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    });
    let Some(at) = of_event.or(made_at) else { return Ok(None) };
    let statement = packs::by_id();
    // Once it has looked into a partition, that is there until it ends.
    let mut transaction = pool.begin().await?;
    let mut found: Vec<Row> = sqlx::query_as(&statement)
        .persistent(false)
        .bind(at)
        .bind(log_id)
        .bind(at.date_naive())
        .fetch_all(&mut *transaction)
        .await?;
    fill_in(&mut transaction, &mut found).await?;
    transaction.commit().await?;
    Ok(found.pop())
}
