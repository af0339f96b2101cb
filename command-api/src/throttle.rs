//! Counting failures by key in a fixed window, in memory and bounded.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use tokio::time::Instant;

const KEYS_MAX: usize = 100_000;

/// How many failures a key may have in a window before it has to wait.
pub struct Throttle {
    failures_max: u32,
    window: Duration,
    counts: Mutex<LruCache<String, (Instant, u32)>>,
}

impl Throttle {
    pub fn new(failures_max: u32, window: Duration) -> Self {
        let size = NonZeroUsize::new(KEYS_MAX).expect("the constant is not zero");
        Self { failures_max, window, counts: Mutex::new(LruCache::new(size)) }
    }

    /// How long the key still has to wait.
    pub fn wait(&self, key: &str) -> Option<Duration> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, failures) = counts.get(key)?;
        let left = self.window.checked_sub(since.elapsed())?;
        (*failures >= self.failures_max).then_some(left)
    }

    /// Counts an attempt before it is made, so that many at once do not all pass; says how long to
    /// wait where there were too many. A success forgives, [`Self::undo`] takes it back.
    pub fn begin(&self, key: &str) -> Result<(), Duration> {
        if let Some(wait) = self.wait(key) {
            return Err(wait);
        }
        self.failed(key);
        Ok(())
    }

    /// The attempt came to nothing, neither right nor wrong.
    pub fn undo(&self, key: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, failures)) = counts.get_mut(key) {
            *failures = failures.saturating_sub(1);
        }
    }

    pub fn failed(&self, key: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match counts.get_mut(key) {
            Some((since, failures)) if since.elapsed() < self.window => *failures += 1,
            _ => {
                counts.put(key.to_owned(), (now, 1));
            }
        }
    }

    /// A success forgives.
    pub fn succeeded(&self, key: &str) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).pop(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn crd_12_attempts_count_before_they_are_made() {
        let throttle = Throttle::new(2, Duration::from_secs(60));
        assert!(throttle.begin("a").is_ok() && throttle.begin("a").is_ok());
        assert!(throttle.begin("a").is_err());
        throttle.undo("a");
        assert!(throttle.begin("a").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn crd_12_a_key_waits_after_its_failures_and_is_forgiven_in_time() {
        let throttle = Throttle::new(2, Duration::from_secs(60));
        throttle.failed("a");
        assert!(throttle.wait("a").is_none());
        throttle.failed("a");
        assert!(throttle.wait("a").is_some());
        assert!(throttle.wait("b").is_none());
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(throttle.wait("a").is_none());
        throttle.failed("a");
        throttle.failed("a");
        throttle.succeeded("a");
        assert!(throttle.wait("a").is_none());
    }
}
