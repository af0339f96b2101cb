//! Search records (E19): who searched for what, when and from where. Handed over without waiting, so
//! that no reply is later for them; written in groups, of which a crash loses the last.
//!
//! Without consent to ANALYTICS for the purpose `search_analytics` nobody is named: no user id is
//! stored, and of the address only its network (SRL-07). What remains is sealed under the day instead
//! of the person. Beside the records stand counts by day and query, from which the trends are read; a
//! query is known there by an HMAC.

use std::{collections::HashSet, net::IpAddr, path::PathBuf, time::Duration};

use agora_domain::{
    Actor, PersonalCategory, Subject,
    compliance::{
        consent::Consent,
        consent_gate::{GateAnswer, StoredGate},
        consent_values::{ConsentTerm, ConsentType},
        policy_series::PolicySeries,
        processing_limit::ProcessingLimit,
    },
};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    Vault,
    records::{Kind, Records, Sealer},
    vault::{Key, MasterKeys},
};

/// `aggregate_type` in the associated data of a record's sealed fields, whose names are the
/// columns'.
pub const RECORD: &str = "search_record";

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Communities,
    Posts,
    Comments,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Communities, Self::Posts, Self::Comments];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Communities => "communities",
            Self::Posts => "posts",
            Self::Comments => "comments",
        }
    }
}

/// A search, in the clear; sealed before it is written.
#[derive(Clone)]
pub struct Search {
    pub scope: Scope,
    pub query: String,
    pub actor: Option<Actor>,
    pub client_address: Option<IpAddr>,
    pub user_agent: Option<String>,
}

/// What an operator decides.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether somebody who has not been asked counts as having consented: of whoever has answered, that
    /// counts.
    pub default_consent: bool,
    pub retention_days: u16,
}

/// The way to the writing task. Cheap to clone.
#[derive(Clone)]
pub struct SearchLog(Records<Searches>);

impl SearchLog {
    /// Starts the writing task. `spill` is the file that keeps records while Postgres is away.
    pub fn start(pool: PgPool, vault: Vault, spill: Option<PathBuf>, settings: Settings) -> Self {
        let kind = Searches { keys: Keys::of(vault.masters()), settings, log: pool.clone() };
        Self(Records::start(kind, pool, vault, spill))
    }

    /// Notes a search that happens now. Does not wait.
    pub fn note(&self, search: Search) {
        #[expect(clippy::disallowed_methods, reason = "a search gets its time here")]
        self.0.note((search, Utc::now()));
    }

    /// Waits until everything that was noted before is stored.
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}

struct Searches {
    keys: Keys,
    settings: Settings,
    /// Where consents are asked for.
    log: PgPool,
}

/// Under what queries and searchers are known to the counts.
struct Keys {
    query: Key,
    searcher: Key,
}

impl Keys {
    fn of(masters: &MasterKeys) -> Self {
        Self {
            query: masters.derive("search-log/query"),
            searcher: masters.derive("search-log/searcher"),
        }
    }
}

/// A record as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    id: Uuid,
    created_at: DateTime<Utc>,
    member_user_id: Option<Uuid>,
    admin_user_id: Option<Uuid>,
    target_scope: String,
    search_query: Option<String>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    #[serde(with = "hex")]
    query_key: Vec<u8>,
    #[serde(with = "hex")]
    searcher_key: Vec<u8>,
}

impl Kind for Searches {
    type Record = (Search, DateTime<Utc>);
    type Row = Row;

    const NAME: &'static str = "search records";
    const SPILLED: &'static str = "agora_search_records_spilled";
    const LOST: &'static str = "agora_search_records_lost";
    const GATHER: Duration = Duration::from_millis(100);

    async fn rows(&self, group: Vec<Self::Record>, sealer: &Sealer) -> Vec<Row> {
        let mut rows = Vec::with_capacity(group.len());
        let consenting = self.consenting(&group).await;
        for (index, (search, at)) in group.into_iter().enumerate() {
            rows.push(self.row(search, at, consenting.contains(&index), sealer).await);
        }
        rows
    }

    async fn insert(&self, pool: &PgPool, rows: &[Row]) -> Result<(), sqlx::Error> {
        insert(pool, rows).await
    }

    async fn keep_house(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT log.keep_search_records($1)")
            .bind(i32::from(self.settings.retention_days))
            .execute(pool)
            .await
            .map(|_| ())
    }
}

impl Searches {
    /// The places of those whose consent lets their searches be noted under their names, as it was when
    /// they searched. Where the log cannot be asked, nobody's does.
    async fn consenting(&self, group: &[(Search, DateTime<Utc>)]) -> HashSet<usize> {
        // Guests have no account, and nobody to name.
        let known = |search: &Search| search.actor.filter(|actor| actor.has_account());
        let asked: Vec<(usize, Actor, DateTime<Utc>)> = group
            .iter()
            .enumerate()
            .filter_map(|(index, (search, at))| Some((index, known(search)?, *at)))
            .collect();
        if asked.is_empty() {
            return HashSet::new();
        }
        let answers = consents(&self.log, &asked, self.settings.default_consent).await;
        answers.unwrap_or_else(|error| {
            tracing::warn!(%error, "consents cannot be asked for: searches are noted without names");
            HashSet::new()
        })
    }

    async fn row(
        &self,
        search: Search,
        created_at: DateTime<Utc>,
        consents: bool,
        sealer: &Sealer,
    ) -> Row {
        #[expect(clippy::disallowed_methods, reason = "records get their id here")]
        let id = Uuid::now_v7();
        let actor = search.actor.filter(|_| consents);
        let day = Subject::day(created_at.date_naive());
        let subject = actor.map_or(day, Actor::subject);
        let address = search.client_address.map(|address| match actor {
            Some(_) => address.to_canonical(),
            None => network(address),
        });
        let address = address.map(|address| address.to_string());
        let searcher = match (actor, &address) {
            (Some(actor), _) => actor.to_string(),
            (None, Some(address)) => address.clone(),
            (None, None) => String::new(),
        };
        let (place, network) = ((RECORD, id), (&subject, PersonalCategory::Network));
        let content = (&subject, PersonalCategory::Content);
        let ip_address = match &address {
            Some(address) => sealer.seal(place, "ip_address", network, address).await,
            None => None,
        };
        let user_agent = match &search.user_agent {
            Some(agent) => sealer.seal(place, "user_agent", network, agent).await,
            None => None,
        };
        Row {
            id,
            created_at,
            member_user_id: actor.and_then(Actor::as_member).map(|id| id.0),
            admin_user_id: actor.and_then(Actor::as_admin).map(|id| id.0),
            target_scope: search.scope.as_str().to_owned(),
            search_query: sealer.seal(place, "search_query", content, &search.query).await,
            ip_address,
            user_agent,
            query_key: keyed(&self.keys.query, &normalised(&search.query)),
            searcher_key: keyed(&self.keys.searcher, &searcher),
        }
    }
}

/// The last events, as of a search, of the consent, the policies, the objection and the restriction.
type Told = (Option<String>, Option<String>, Option<String>, Option<String>);

/// Which of these consent: the gate says it, and the default where nobody was asked.
async fn consents(
    log: &PgPool,
    asked: &[(usize, Actor, DateTime<Utc>)],
    default_consent: bool,
) -> Result<HashSet<usize>, sqlx::Error> {
    let stream = |actor: &Actor| {
        Consent::stream_id(*actor, ConsentType::Analytics, &ConsentTerm::search_analytics())
    };
    let everything = |actor: &Actor| ProcessingLimit::restriction_stream_id(*actor);
    let rows: Vec<Told> = sqlx::query_as(
        "SELECT (SELECT payload::text FROM log.stream('consent', a.stream)
                 WHERE recorded_at <= a.at ORDER BY sequence DESC LIMIT 1),
                (SELECT payload::text FROM log.stream('policy_series', $3)
                 WHERE recorded_at <= a.at ORDER BY sequence DESC LIMIT 1),
                (SELECT payload::text FROM log.stream('processing_limit', a.stream)
                 WHERE recorded_at <= a.at ORDER BY sequence DESC LIMIT 1),
                (SELECT payload::text FROM log.stream('processing_limit', a.everything)
                 WHERE recorded_at <= a.at ORDER BY sequence DESC LIMIT 1)
         FROM unnest($1::text[], $2::timestamptz[], $4::text[])
             WITH ORDINALITY AS a (stream, at, everything, number)
         ORDER BY a.number",
    )
    .bind(asked.iter().map(|(_, actor, _)| stream(actor)).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, _, at)| *at).collect::<Vec<_>>())
    .bind(PolicySeries::STREAM_ID)
    .bind(asked.iter().map(|(_, actor, _)| everything(actor)).collect::<Vec<_>>())
    .fetch_all(log)
    .await?;
    let consents = asked.iter().zip(rows).filter_map(|((index, _, at), told)| {
        let (consent, series, objection, restriction) = told;
        // What cannot be read is no consent.
        let consents = match (StoredGate { consent, series, objection, restriction }).answer(*at) {
            Some(GateAnswer::NotAsked) => default_consent,
            Some(answer) => answer.allows(),
            None => false,
        };
        consents.then_some(*index)
    });
    Ok(consents.collect())
}

/// A query as the trends count it: upper and lower case and the number of spaces make no difference.
pub fn normalised(query: &str) -> String {
    query.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first address of the network that a client is in: /24, or /48 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4((u32::from(address) & (u32::MAX << 8)).into()),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 80)).into()),
    }
}

fn keyed(key: &Key, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes()[..16].to_vec()
}

/// Records that are there already are not counted again.
async fn insert(pool: &PgPool, rows: &[Row]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH fresh AS (
             INSERT INTO log.search_records (id, created_at, member_user_id, admin_user_id,
                 target_scope, search_query, ip_address, user_agent, query_key, searcher_key)
             SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[],
                 $6::text[], $7::text[], $8::text[], $9::bytea[], $10::bytea[])
             ON CONFLICT DO NOTHING
             RETURNING id, created_at, target_scope, query_key, searcher_key, search_query
         ), counted AS (
             SELECT (created_at AT TIME ZONE 'UTC')::date AS day, target_scope, query_key,
                    count(*) AS searches,
                    (array_agg(DISTINCT searcher_key))[1:log.search_trend_searchers()] AS searchers,
                    (array_agg(id ORDER BY created_at DESC, id))[1] AS sample_id,
                    (array_agg(search_query ORDER BY created_at DESC, id))[1] AS sample
             FROM fresh GROUP BY 1, 2, 3
         )
         INSERT INTO log.search_trends AS t (day, target_scope, query_key, searches, searchers,
             sample_id, sample)
         SELECT day, target_scope, query_key, searches, searchers, sample_id, sample
         FROM counted ORDER BY day, target_scope, query_key
         ON CONFLICT (day, target_scope, query_key) DO UPDATE SET
             searches = t.searches + excluded.searches,
             searchers = (SELECT (array_agg(DISTINCT k))[1:log.search_trend_searchers()]
                          FROM unnest(t.searchers || excluded.searchers) AS k),
             sample_id = excluded.sample_id, sample = excluded.sample",
    )
    .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.member_user_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.admin_user_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.target_scope.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.search_query.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.ip_address.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.user_agent.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.query_key.as_slice()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.searcher_key.as_slice()).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srl_07_of_an_address_without_consent_only_its_network_is_kept() {
        for (address, kept) in [
            ("203.0.113.77", "203.0.113.0"),
            ("::ffff:203.0.113.77", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ] {
            assert_eq!(network(address.parse().unwrap()).to_string(), kept);
        }
    }

    #[test]
    fn queries_that_differ_by_case_and_spaces_are_one_trend() {
        assert_eq!(normalised("  Sourdough  BREAD "), "sourdough bread");
    }
}
