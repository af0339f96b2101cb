//! What happens too often to be written down one by one: requests too many, and requests that look like an
//! attack. They are counted in memory, by whom and what, and written as security records a few times a
//! second: a flood is a handful of rows.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::security::{Outcome, SecurityLog, SecurityRecord};

/// How often they are written: detection is to see them within a second.
const WRITTEN_EVERY: Duration = Duration::from_millis(100);
/// What is counted apart in that time; of more, the address is left out.
const COUNTED_MAX: usize = 10_000;

/// Counts of one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Notices(Arc<Mutex<HashMap<Notice, u64>>>);

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// Of the record, as `suspicious`.
    pub kind: &'static str,
    /// Of the record, as what it looks like.
    pub action: &'static str,
    pub status: u16,
    pub address: Option<IpAddr>,
}

impl Notices {
    /// Counts it; waits for nothing.
    pub fn note(&self, notice: Notice) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = counts.len() >= COUNTED_MAX && !counts.contains_key(&notice);
        let notice = if whole { Notice { address: None, ..notice } } else { notice };
        *counts.entry(notice).or_default() += 1;
    }

    /// Writes down what was counted, for ever.
    pub async fn write_for_ever(self, security: SecurityLog) {
        let mut ticks = tokio::time::interval(WRITTEN_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.write(&security).await;
        }
    }

    /// Writes down what was counted since the last time.
    pub async fn write(&self, security: &SecurityLog) {
        let counted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // All at once: they end up in a group or two.
        let written = counted.into_iter().map(|(notice, times)| {
            let record = notice.record();
            async move { security.write_times(record, times).await }
        });
        futures::future::join_all(written).await;
    }
}

impl Notice {
    fn record(self) -> SecurityRecord {
        SecurityRecord {
            kind: self.kind,
            outcome: match self.status {
                401 | 403 | 429 => Outcome::Blocked,
                400.. => Outcome::Failure,
                _ => Outcome::Success,
            },
            actor: None,
            action: self.action.to_owned(),
            rule: Some("INC-12"),
            status: self.status,
            client_address: self.address.map(|address| address.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inc_12_what_is_counted_is_bounded_and_nothing_is_lost() {
        let notices = Notices::default();
        for number in 0..20_000_u32 {
            let address = Some(IpAddr::from(std::net::Ipv4Addr::from_bits(number)));
            notices.note(Notice { kind: "refusal", action: "any", status: 429, address });
        }
        let counts = notices.0.lock().unwrap();
        assert_eq!(counts.len(), COUNTED_MAX + 1);
        assert_eq!(counts.values().sum::<u64>(), 20_000);
    }
}
