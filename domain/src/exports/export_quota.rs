//! How many exports somebody has asked for of late (BUF-10). The stream is an organization
//! (`{uuid}`) for statutory exports, and a principal (`{member|admin}:{uuid}`) for the platform's data.
//!
//! Life cycle: each export that there is room for writes the times of all that count anew, in the
//! unit of its request. One stream is what makes the limit exact where fifty come at once, to two
//! instances (BUF-12). Those that there is no room for write nothing, so they do not count (BUF-11).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::OrganizationId,
    refusal::{Refusal, RefusalKind},
};

/// So many in [`WINDOW`].
pub const EXPORTS_MAX: usize = 5;
/// The hour rolls: it is the sixty minutes before a request (BUF-11).
pub const WINDOW: TimeDelta = TimeDelta::minutes(60);

/// The quota as the log tells it. `Default` is whoever has asked for nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExportQuota {
    accepted: Vec<DateTime<Utc>>,
}

impl ExportQuota {
    /// The id of the stream of an organization's.
    pub fn of_organization(organization_id: OrganizationId) -> String {
        organization_id.to_string()
    }

    /// The id of the stream of a principal's.
    pub fn of_principal(principal: Actor) -> String {
        principal.to_string()
    }

    /// The accepted requests that count at a time, the oldest first (O8).
    pub fn counted(&self, now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        self.accepted.iter().copied().filter(move |accepted| *accepted + WINDOW > now)
    }

    /// When there is room again; none where there is now.
    pub fn full_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let counted: Vec<_> = self.counted(now).collect();
        let excess = counted.len().checked_sub(EXPORTS_MAX)?;
        counted.get(excess).map(|oldest| *oldest + WINDOW)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExportQuotaCommand {
    Accept(AcceptExport),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AcceptExport {
    pub triggered_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExportQuotaEvent {
    /// The times of all that count, this one included, in order.
    ExportQuotaUsed { accepted: Vec<DateTime<Utc>> },
}

domain_event!(ExportQuotaEvent { ExportQuotaUsed => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExportQuotaError {
    #[error("no more than 5 exports can be asked for in one hour")]
    Full,
}

impl Refusal for ExportQuotaError {
    fn rule(&self) -> &'static str {
        match self {
            Self::Full => "BUF-10",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::Full => RefusalKind::Conflict,
        }
    }
}

aggregate!(ExportQuota, "export_quota", ExportQuotaCommand, ExportQuotaEvent, ExportQuotaError);

impl Decide for ExportQuota {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: ExportQuotaCommand,
    ) -> Result<Vec<ExportQuotaEvent>, ExportQuotaError> {
        let ExportQuotaCommand::Accept(command) = command;
        accept(self, command)
    }
}

fn accept(
    quota: &ExportQuota,
    command: AcceptExport,
) -> Result<Vec<ExportQuotaEvent>, ExportQuotaError> {
    let now = command.triggered_at;
    if quota.full_until(now).is_some() {
        return Err(ExportQuotaError::Full);
    }
    let mut accepted: Vec<_> = quota.counted(now).chain([now]).collect();
    // Two instances' clocks need not agree.
    accepted.sort_unstable();
    Ok(vec![ExportQuotaEvent::ExportQuotaUsed { accepted }])
}

impl ExportQuota {
    fn apply(&mut self, event: ExportQuotaEvent) {
        let ExportQuotaEvent::ExportQuotaUsed { accepted } = event;
        self.accepted = accepted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn accept(quota: &mut ExportQuota, seconds: i64) -> Result<(), ExportQuotaError> {
        let command = ExportQuotaCommand::Accept(AcceptExport { triggered_at: at(seconds) });
        for event in quota.decide(command)? {
            cqrs_es::Aggregate::apply(quota, event);
        }
        Ok(())
    }

    #[test]
    fn buf_10_the_sixth_of_an_hour_has_no_room() {
        let mut quota = ExportQuota::default();
        for seconds in 0..5 {
            assert_eq!(accept(&mut quota, seconds), Ok(()));
        }
        assert_eq!(accept(&mut quota, 5), Err(ExportQuotaError::Full));
        assert_eq!(quota.full_until(at(5)), Some(at(3_600)));
    }

    #[test]
    fn buf_11_the_hour_rolls_and_the_refused_do_not_count() {
        let mut quota = ExportQuota::default();
        for seconds in [0, 600, 1_200, 1_800, 2_400] {
            assert_eq!(accept(&mut quota, seconds), Ok(()));
        }
        for seconds in [2_500, 3_000, 3_599] {
            assert_eq!(accept(&mut quota, seconds), Err(ExportQuotaError::Full));
        }
        // To the second: at sixty minutes the first no longer counts.
        assert_eq!(accept(&mut quota, 3_600), Ok(()));
        assert_eq!(quota.counted(at(3_600)).count(), 5);
        assert_eq!(quota.full_until(at(3_601)), Some(at(4_200)));
        assert_eq!(accept(&mut quota, 4_199), Err(ExportQuotaError::Full));
        assert_eq!(accept(&mut quota, 4_200), Ok(()));
    }

    #[test]
    fn buf_11_a_clock_that_is_behind_opens_no_room() {
        let mut quota = ExportQuota::default();
        for seconds in [100, 101, 102, 103, 104] {
            assert_eq!(accept(&mut quota, seconds), Ok(()));
        }
        assert_eq!(accept(&mut quota, 90), Err(ExportQuotaError::Full));
    }
}
