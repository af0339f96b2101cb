//! Addresses that are refused, in memory: asked before anything else is done for a request, and good while
//! the database is away. It follows the read table of what is known of addresses; what ends by itself ends
//! here by the clock (IPR-08, IPR-11).
//!
//! The whitelist beats everything: an address that is on it, or whose network is, is served (IPR-10).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agora_domain::security::{ip_address::Listing, network::Network};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool, types::Json};
use uuid::Uuid;

use crate::{
    Opener,
    seal::SealedField,
    security::{Outcome, SecurityLog, SecurityRecord},
    vault::VaultError,
};

/// How often it asks what has changed: a block holds within a second.
const EVERY: Duration = Duration::from_millis(100);
/// How often it takes everything anew, in case the table was restored or rebuilt from less.
const ANEW_EVERY: u32 = 600;
/// How often refused requests are written down.
const WRITTEN_EVERY: u32 = 10;
/// Rows of one look.
const ROWS: i64 = 1_000;
/// Addresses whose refused requests are counted one by one within a second; those of more are counted as
/// one, without an address.
const COUNTED_MAX: usize = 10_000;

/// What holds for an address or a network.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    white: Option<Listing>,
    black: Option<Listing>,
    blocked_until: Option<DateTime<Utc>>,
}

impl Standing {
    fn is_nothing(&self) -> bool {
        self.white.is_none() && self.black.is_none() && self.blocked_until.is_none()
    }

    fn allows(&self, now: DateTime<Utc>) -> bool {
        self.white.is_some_and(|listing| listing.holds_at(now))
    }

    fn refuses(&self, now: DateTime<Utc>) -> bool {
        self.black.is_some_and(|listing| listing.holds_at(now))
            || self.blocked_until.is_some_and(|until| now < until)
    }
}

#[derive(Default)]
struct Lists {
    standings: HashMap<Network, Standing>,
    /// By which record each came, so that one whose key is gone is found, too.
    by_id: HashMap<Uuid, Network>,
}

impl Lists {
    fn set(&mut self, id: Uuid, entry: Option<(Network, Standing)>) {
        if let Some(network) = self.by_id.remove(&id) {
            self.standings.remove(&network);
        }
        if let Some((network, standing)) = entry {
            self.by_id.insert(id, network);
            self.standings.insert(network, standing);
        }
    }
}

/// The lists of one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Blocklist(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lists: RwLock<Lists>,
    /// So that while nobody is blocked, nothing is asked.
    in_use: AtomicBool,
    refused: Mutex<HashMap<Option<IpAddr>, u64>>,
}

impl Blocklist {
    /// A list of what is blocked until a time, which follows nothing.
    pub fn of_blocked(networks: impl IntoIterator<Item = Network>, until: DateTime<Utc>) -> Self {
        let list = Self::default();
        {
            let mut lists = list.0.lists.write().unwrap_or_else(PoisonError::into_inner);
            let standing = Standing { blocked_until: Some(until), ..Standing::default() };
            lists.standings.extend(networks.into_iter().map(|network| (network, standing)));
        }
        list.0.in_use.store(true, Ordering::Relaxed);
        list
    }

    /// Whether nothing of the address is served now; counted where it is so.
    pub fn refuses(&self, address: IpAddr, now: impl FnOnce() -> DateTime<Utc>) -> bool {
        if !self.0.in_use.load(Ordering::Relaxed) {
            return false;
        }
        let single = Network::of(address);
        if single.is_exempt() {
            return false;
        }
        let refused = {
            let lists = self.0.lists.read().unwrap_or_else(PoisonError::into_inner);
            let known = [single, Network::around(address)]
                .map(|network| lists.standings.get(&network).copied().unwrap_or_default());
            let now = now();
            !known.iter().any(|it| it.allows(now)) && known.iter().any(|it| it.refuses(now))
        };
        if refused {
            let mut counts = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
            let key = Some(address)
                .filter(|it| counts.len() < COUNTED_MAX || counts.contains_key(&Some(*it)));
            *counts.entry(key).or_default() += 1;
        }
        refused
    }

    /// Whether the address, or its network, is on the whitelist now: nothing automatic is done about it.
    pub fn allows(&self, address: IpAddr, now: impl FnOnce() -> DateTime<Utc>) -> bool {
        if !self.0.in_use.load(Ordering::Relaxed) {
            return false;
        }
        let lists = self.0.lists.read().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        [Network::of(address), Network::around(address)]
            .iter()
            .any(|network| lists.standings.get(network).is_some_and(|it| it.allows(now)))
    }

    /// Follows the read table and writes refused requests down, for ever.
    pub async fn follow(self, pool: PgPool, opener: Opener, security: SecurityLog) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut after, mut round) = (0, 0_u32);
        loop {
            ticks.tick().await;
            let anew = round.is_multiple_of(ANEW_EVERY);
            match self.look(&pool, &opener, if anew { 0 } else { after }, anew).await {
                Ok(position) => {
                    after = position;
                    round = round.wrapping_add(1);
                }
                // What is known holds on.
                Err(error) => tracing::warn!(%error, "cannot ask which addresses are blocked"),
            }
            if round.is_multiple_of(WRITTEN_EVERY) {
                self.write_down(&security).await;
            }
        }
    }

    /// Takes in what changed after a position; says how far it came.
    ///
    /// # Errors
    /// Where the database or the vault cannot be asked. Then nothing has changed.
    pub async fn look(
        &self,
        pool: &PgPool,
        opener: &Opener,
        after: i64,
        anew: bool,
    ) -> Result<i64, LookError> {
        let (mut after, mut changes) = (after, Vec::new());
        loop {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT id, record->>'address' AS address, record->'whitelist' AS white,
                        record->'blacklist' AS black,
                        (record->>'auto_block_until')::timestamptz AS blocked_until, position
                 FROM read.ip_reputation WHERE position > $1 ORDER BY position LIMIT $2",
            )
            .bind(after)
            .bind(ROWS)
            .fetch_all(pool)
            .await?;
            after = rows.last().map_or(after, |row| row.position);
            let last = i64::try_from(rows.len()).unwrap_or(ROWS) < ROWS;
            changes.extend(opened(opener, rows).await?);
            if last {
                break;
            }
        }
        if anew || !changes.is_empty() {
            let mut lists = self.0.lists.write().unwrap_or_else(PoisonError::into_inner);
            if anew {
                *lists = Lists::default();
            }
            for (id, entry) in changes {
                lists.set(id, entry);
            }
            self.0.in_use.store(!lists.standings.is_empty(), Ordering::Relaxed);
        }
        Ok(after)
    }

    /// Writes down how many requests of each address were refused since the last time.
    pub async fn write_down(&self, security: &SecurityLog) {
        let refused =
            std::mem::take(&mut *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner));
        for (address, times) in refused {
            metrics::counter!("agora_requests_blocked_total").increment(times);
            let record = SecurityRecord {
                kind: "blocked",
                outcome: Outcome::Blocked,
                actor: None,
                action: "any".to_owned(),
                rule: Some("IPR-08"),
                status: 403,
                client_address: address.map(|address| address.to_string()),
            };
            security.write_times(record, times).await;
        }
    }
}

/// Why the lists could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    address: String,
    white: Option<Json<Option<Listing>>>,
    black: Option<Json<Option<Listing>>>,
    blocked_until: Option<DateTime<Utc>>,
    position: i64,
}

impl Row {
    fn standing(&self) -> Standing {
        let listing = |it: &Option<Json<Option<Listing>>>| it.as_ref().and_then(|it| it.0);
        let blocked_until = self.blocked_until;
        Standing { white: listing(&self.white), black: listing(&self.black), blocked_until }
    }
}

type Change = (Uuid, Option<(Network, Standing)>);

/// The rows with their addresses in the clear; nothing is kept of what is on no list.
async fn opened(opener: &Opener, rows: Vec<Row>) -> Result<Vec<Change>, VaultError> {
    let listed: Vec<_> = rows.iter().filter(|row| !row.standing().is_nothing()).collect();
    let ids: Vec<_> = listed.iter().map(|row| row.id.to_string()).collect();
    let sealed: Vec<_> = listed
        .iter()
        .zip(&ids)
        .map(|(row, id)| SealedField {
            aggregate_type: "ip_address",
            aggregate_id: id,
            field: "record.address",
            sealed: &row.address,
        })
        .collect();
    let open = opener.open_many(&sealed).await?;
    let mut known: HashMap<Uuid, (Network, Standing)> = HashMap::new();
    for (row, address) in listed.iter().zip(open) {
        if let Some(network) = address.into_text().and_then(|text| text.parse().ok()) {
            known.insert(row.id, (network, row.standing()));
        }
    }
    Ok(rows.iter().map(|row| (row.id, known.remove(&row.id))).collect())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn hour(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(number)
    }

    fn for_hours(until: Option<i64>) -> Option<Listing> {
        Some(Listing { since: hour(0), until: until.map(hour) })
    }

    fn list(entries: &[(&str, Standing)]) -> Blocklist {
        let list = Blocklist::default();
        let mut lists = list.0.lists.write().unwrap();
        for (number, (network, standing)) in entries.iter().enumerate() {
            let id = Uuid::from_u128(number as u128);
            lists.set(id, Some((network.parse().unwrap(), *standing)));
        }
        drop(lists);
        list.0.in_use.store(true, Ordering::Relaxed);
        list
    }

    fn black(until: Option<i64>) -> Standing {
        Standing { black: for_hours(until), ..Standing::default() }
    }

    #[test]
    fn ipr_08_ipr_11_what_ends_by_itself_ends_by_the_clock() {
        let list = list(&[
            ("192.0.2.1", black(None)),
            ("192.0.2.2", black(Some(2))),
            ("192.0.2.3", Standing { blocked_until: Some(hour(2)), ..Standing::default() }),
        ]);
        let at = |address: &str, at| list.refuses(address.parse().unwrap(), || hour(at));
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            assert!(at(address, 1), "{address}");
        }
        assert!(at("192.0.2.1", 9));
        assert!(!at("192.0.2.2", 2) && !at("192.0.2.3", 2) && !at("192.0.2.4", 1));
    }

    #[test]
    fn ipr_10_ipr_12_the_whitelist_beats_blocks_of_the_address_and_of_its_network() {
        let white = Standing { white: for_hours(None), ..Standing::default() };
        let list = list(&[
            ("192.0.2.0/24", black(None)),
            ("192.0.2.7", white),
            ("2001:db8:1:2::/64", white),
            ("2001:db8:1:2::9", black(None)),
            ("127.0.0.1", black(None)),
        ]);
        let refuses = |address: &str| list.refuses(address.parse().unwrap(), || hour(1));
        assert!(refuses("192.0.2.8") && !refuses("192.0.2.7") && !refuses("192.0.3.8"));
        assert!(!refuses("2001:db8:1:2::9"), "a network on the whitelist covers its addresses");
        assert!(!refuses("127.0.0.1"), "the machine itself never");
        let allows = |address: &str| list.allows(address.parse().unwrap(), || hour(1));
        assert!(allows("192.0.2.7") && allows("2001:db8:1:2::9") && !allows("192.0.2.8"));
        let refused = list.0.refused.lock().unwrap();
        assert_eq!(refused.values().sum::<u64>(), 1, "and each refusal is counted");
    }
}
