//! What one person has asked for about itself (DXR-09). The stream is the person:
//! `{member|admin}:{uuid}`.
//!
//! Life cycle: a request opens it and its end closes it, each in the unit of the job's own change.
//! One request is open at a time, and one in 24 hours is free; one that failed or was taken back leaves
//! the person free to ask again at once.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::ExportJobId,
    refusal::{Refusal, RefusalKind},
};

/// One request is free in so long (DXR-09).
pub const FREE_EVERY: TimeDelta = TimeDelta::hours(24);

/// A person's requests as the log tells it. `Default` is who never asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubjectExports {
    open: Option<ExportJobId>,
    last_at: Option<DateTime<Utc>>,
}

impl SubjectExports {
    /// The id of the stream of one person's requests.
    pub fn stream_id(subject: Actor) -> String {
        subject.to_string()
    }

    pub fn open(&self) -> Option<ExportJobId> {
        self.open
    }

    /// When the person may ask again; none where it may now.
    pub fn waits_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.last_at.map(|last_at| last_at + FREE_EVERY).filter(|free_at| now < *free_at)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum SubjectExportsCommand {
    Open(OpenRequest),
    Close(CloseRequest),
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenRequest {
    pub subject: Actor,
    pub job_id: ExportJobId,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CloseRequest {
    pub subject: Actor,
    pub job_id: ExportJobId,
    /// It failed or was taken back: the person got nothing.
    pub without_file: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SubjectExportsEvent {
    /// The whole state after the change.
    SubjectExportsChanged {
        subject: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open: Option<ExportJobId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_at: Option<DateTime<Utc>>,
    },
}

domain_event!(SubjectExportsEvent { SubjectExportsChanged => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SubjectExportsError {
    #[error("a request is open already: one is at a time")]
    AlreadyOpen,
    #[error("one request is free in 24 hours")]
    TooSoon,
}

impl Refusal for SubjectExportsError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyOpen | Self::TooSoon => "DXR-09",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyOpen | Self::TooSoon => RefusalKind::Conflict,
        }
    }
}

aggregate!(
    SubjectExports,
    "subject_exports",
    SubjectExportsCommand,
    SubjectExportsEvent,
    SubjectExportsError
);

impl Decide for SubjectExports {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: SubjectExportsCommand,
    ) -> Result<Vec<SubjectExportsEvent>, SubjectExportsError> {
        match command {
            SubjectExportsCommand::Open(command) => open(self, command),
            SubjectExportsCommand::Close(command) => Ok(close(self, command)),
        }
    }
}

fn open(
    exports: &SubjectExports,
    command: OpenRequest,
) -> Result<Vec<SubjectExportsEvent>, SubjectExportsError> {
    let OpenRequest { subject, job_id, now } = command;
    if exports.open.is_some() {
        return Err(SubjectExportsError::AlreadyOpen);
    }
    if exports.waits_until(now).is_some() {
        return Err(SubjectExportsError::TooSoon);
    }
    let (open, last_at) = (Some(job_id), Some(now));
    Ok(vec![SubjectExportsEvent::SubjectExportsChanged { subject, open, last_at }])
}

fn close(exports: &SubjectExports, command: CloseRequest) -> Vec<SubjectExportsEvent> {
    let CloseRequest { subject, job_id, without_file } = command;
    if exports.open != Some(job_id) {
        return Vec::new();
    }
    let last_at = exports.last_at.filter(|_| !without_file);
    vec![SubjectExportsEvent::SubjectExportsChanged { subject, open: None, last_at }]
}

impl SubjectExports {
    fn apply(&mut self, event: SubjectExportsEvent) {
        let SubjectExportsEvent::SubjectExportsChanged { open, last_at, .. } = event;
        self.open = open;
        self.last_at = last_at;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::MemberId;

    const SUBJECT: Actor = Actor::member(MemberId(Uuid::from_u128(1)));

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn job(number: u128) -> ExportJobId {
        ExportJobId(Uuid::from_u128(number))
    }

    fn open(
        exports: &mut SubjectExports,
        number: u128,
        hours: i64,
    ) -> Result<(), SubjectExportsError> {
        let open = OpenRequest { subject: SUBJECT, job_id: job(number), now: at(hours) };
        for event in exports.decide(SubjectExportsCommand::Open(open))? {
            cqrs_es::Aggregate::apply(exports, event);
        }
        Ok(())
    }

    fn close(exports: &mut SubjectExports, number: u128, without_file: bool) -> usize {
        let close = CloseRequest { subject: SUBJECT, job_id: job(number), without_file };
        let events = exports.decide(SubjectExportsCommand::Close(close)).unwrap();
        let count = events.len();
        for event in events {
            cqrs_es::Aggregate::apply(exports, event);
        }
        count
    }

    #[test]
    fn dxr_09_one_request_is_open_at_a_time_and_one_a_day_is_free() {
        let mut exports = SubjectExports::default();
        assert_eq!(open(&mut exports, 1, 0), Ok(()));
        assert_eq!(open(&mut exports, 2, 48), Err(SubjectExportsError::AlreadyOpen));
        assert_eq!(close(&mut exports, 2, false), 0, "only the open one closes it");
        assert_eq!(close(&mut exports, 1, false), 1);
        assert_eq!(close(&mut exports, 1, false), 0);
        assert_eq!(open(&mut exports, 2, 23), Err(SubjectExportsError::TooSoon));
        assert_eq!(exports.waits_until(at(23)), Some(at(24)));
        assert_eq!(open(&mut exports, 2, 24), Ok(()));
    }

    #[test]
    fn dxr_09_who_got_nothing_may_ask_again_at_once() {
        let mut exports = SubjectExports::default();
        assert_eq!(open(&mut exports, 1, 0), Ok(()));
        close(&mut exports, 1, true);
        assert_eq!(open(&mut exports, 2, 1), Ok(()));
    }
}
