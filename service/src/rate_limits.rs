//! How many requests a client may send in a minute: by address (of IPv6 by its /64, which is one
//! client's), by principal, and by what a route costs.
//!
//! Each limit is a bucket that refills evenly (GCRA, by `governor`): a client may spend a minute's
//! requests at once and then gets on at the minute's pace. Limits are kept in memory by each process,
//! bounded, and can be changed while it runs; 0 is no limit.

use std::{
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::{client_address::ClientAddress, problem::Problem};

mod policies;
pub use policies::{Class, POLICIES, Policy, Subject};

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a quota is for.
const WINDOW_SECONDS: u32 = 60;
/// Keys that one policy keeps. Where more clients than that are not idle, all begin anew: memory is
/// bounded, and whoever is honest is not refused for others' sake.
const KEYS_MAX: usize = 200_000;
/// How often too many keys are looked for, and how many times until idle ones go in any case.
const SWEPT_EVERY: Duration = Duration::from_secs(1);
const IDLE_EVERY: u32 = 60;

/// The limits of one process. Cheap to clone.
#[derive(Clone)]
pub struct RateLimits(Arc<RwLock<Buckets>>);

type Buckets = [Option<Arc<Bucket>>; POLICIES.len()];
type Keyed = RateLimiter<u128, DashMapStateStore<u128>, DefaultClock, StateInformationMiddleware>;

struct Bucket {
    policy: &'static Policy,
    quota: NonZeroU32,
    /// As `RateLimit-Policy` tells it.
    told: HeaderValue,
    keyed: Keyed,
    clock: DefaultClock,
}

/// What is left of a limit after a request.
#[derive(Clone, Debug)]
pub struct Reading {
    policy: &'static Policy,
    told: HeaderValue,
    remaining: u32,
    /// Until all of the quota is there again; of a request too many, until the next may come.
    seconds: u32,
    pub is_refused: bool,
}

impl Default for RateLimits {
    /// Without limits, until they are [set](Self::set).
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Buckets::default())))
    }
}

impl RateLimits {
    /// Takes the requests a minute of each policy; 0 is none. What does not change keeps its counts.
    pub fn set(&self, per_minute: impl Fn(&Policy) -> u32) {
        let mut buckets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (bucket, policy) in buckets.iter_mut().zip(&POLICIES) {
            let quota = NonZeroU32::new(per_minute(policy));
            if bucket.as_ref().map(|bucket| bucket.quota) != quota {
                *bucket = quota.map(|quota| Arc::new(Bucket::new(policy, quota)));
            }
        }
    }

    /// Counts a request of an address; none where there is no limit.
    pub fn of_address(&self, client: ClientAddress, class: Class) -> Option<Reading> {
        self.count(Subject::Address, class, client.network_bits())
    }

    /// Counts a request of a principal, by its id.
    pub fn of_principal(&self, id: u128, class: Class) -> Option<Reading> {
        self.count(Subject::Principal, class, id)
    }

    fn count(&self, subject: Subject, class: Class, key: u128) -> Option<Reading> {
        let place = POLICIES.iter().position(|it| it.subject == subject && it.class == class)?;
        let bucket = {
            let buckets = self.0.read().unwrap_or_else(PoisonError::into_inner);
            buckets[place].clone()?
        };
        Some(bucket.count(key))
    }

    /// Lets idle keys go, for ever.
    pub async fn sweep_for_ever(self) {
        let mut ticks = tokio::time::interval(SWEPT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = 0_u32;
        loop {
            ticks.tick().await;
            round = round.wrapping_add(1);
            self.sweep(KEYS_MAX, round.is_multiple_of(IDLE_EVERY));
        }
    }

    fn sweep(&self, keys_max: usize, idle_too: bool) {
        let buckets = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (place, bucket) in buckets.into_iter().enumerate() {
            let Some(bucket) = bucket else { continue };
            if bucket.keyed.len() > keys_max || idle_too {
                bucket.keyed.retain_recent();
                bucket.keyed.shrink_to_fit();
            }
            if bucket.keyed.len() > keys_max {
                metrics::counter!("agora_rate_limits_begun_anew_total").increment(1);
                let anew = Some(Arc::new(Bucket::new(bucket.policy, bucket.quota)));
                self.0.write().unwrap_or_else(PoisonError::into_inner)[place] = anew;
            }
        }
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        let buckets = self.0.read().unwrap();
        buckets.iter().flatten().map(|bucket| bucket.keyed.len()).sum()
    }
}

impl Bucket {
    fn new(policy: &'static Policy, quota: NonZeroU32) -> Self {
        let told = format!("\"{}\";q={quota};w={WINDOW_SECONDS}", policy.name);
        Self {
            policy,
            quota,
            told: HeaderValue::from_str(&told).expect("names are visible ASCII"),
            keyed: Keyed::new(
                Quota::per_minute(quota),
                DashMapStateStore::default(),
                DefaultClock::default(),
            ),
            clock: DefaultClock::default(),
        }
    }

    fn count(&self, key: u128) -> Reading {
        let (remaining, seconds, is_refused) = match self.keyed.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity().min(self.quota.get());
                let spent = u64::from(self.quota.get() - remaining);
                let seconds = (spent * u64::from(WINDOW_SECONDS)).div_ceil(self.quota.get().into());
                (remaining, u32::try_from(seconds).unwrap_or(WINDOW_SECONDS), false)
            }
            Err(not_yet) => {
                let wait = not_yet.wait_time_from(self.clock.now());
                let seconds = wait.as_millis().div_ceil(1_000).max(1);
                (0, u32::try_from(seconds).unwrap_or(WINDOW_SECONDS), true)
            }
        };
        Reading { policy: self.policy, told: self.told.clone(), remaining, seconds, is_refused }
    }
}

impl Reading {
    /// Tells it to the client.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let now = format!("\"{}\";r={};t={}", self.policy.name, self.remaining, self.seconds);
        headers.append(RATE_LIMIT_POLICY, self.told.clone());
        if let Ok(now) = HeaderValue::from_str(&now) {
            headers.append(RATE_LIMIT, now);
        }
        if self.is_refused {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.seconds));
        }
    }

    /// # Errors
    /// 429, where it was a request too many.
    pub fn permit(&self) -> Result<(), Problem> {
        if self.is_refused {
            return Err(Problem::too_many_requests(self.seconds));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
