//! What one person has asked to be erased (DDR-18). The stream is the person: `{member|admin}:{uuid}`.
//!
//! Life cycle: a request opens it and its end closes it, each in the unit of the request's own change.
//! One request is open at a time. Once the account itself is erased and nothing
//! of it stayed there is nothing left to ask for.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::DeletionId,
    refusal::{Refusal, RefusalKind},
};

/// A person's requests as the log tells it. `Default` is who never asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubjectErasures {
    open: Option<DeletionId>,
    is_erased: bool,
}

impl SubjectErasures {
    /// The id of the stream of one person's requests.
    pub fn stream_id(subject: Actor) -> String {
        subject.to_string()
    }

    pub fn open(&self) -> Option<DeletionId> {
        self.open
    }

    pub fn is_erased(&self) -> bool {
        self.is_erased
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum SubjectErasuresCommand {
    Open(OpenErasure),
    Close(CloseErasure),
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenErasure {
    pub subject: Actor,
    pub deletion_id: DeletionId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CloseErasure {
    pub subject: Actor,
    pub deletion_id: DeletionId,
    /// The account is no more, and nothing of it stayed by an exception.
    pub is_erased: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SubjectErasuresEvent {
    /// The whole state after the change.
    SubjectErasuresChanged {
        subject: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open: Option<DeletionId>,
        is_erased: bool,
    },
}

domain_event!(SubjectErasuresEvent { SubjectErasuresChanged => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SubjectErasuresError {
    #[error("a request of this person is open already: one is at a time")]
    AlreadyOpen,
    #[error("the person is erased: there is nothing left to erase")]
    AlreadyErased,
}

impl Refusal for SubjectErasuresError {
    fn rule(&self) -> &'static str {
        "DDR-18"
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyOpen => RefusalKind::Conflict,
            Self::AlreadyErased => RefusalKind::Gone,
        }
    }
}

aggregate!(
    SubjectErasures,
    "subject_erasures",
    SubjectErasuresCommand,
    SubjectErasuresEvent,
    SubjectErasuresError
);

impl Decide for SubjectErasures {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: SubjectErasuresCommand,
    ) -> Result<Vec<SubjectErasuresEvent>, SubjectErasuresError> {
        match command {
            SubjectErasuresCommand::Open(command) => open(self, command),
            SubjectErasuresCommand::Close(command) => Ok(close(self, command)),
        }
    }
}

fn open(
    erasures: &SubjectErasures,
    command: OpenErasure,
) -> Result<Vec<SubjectErasuresEvent>, SubjectErasuresError> {
    if erasures.is_erased {
        return Err(SubjectErasuresError::AlreadyErased);
    }
    if erasures.open.is_some() {
        return Err(SubjectErasuresError::AlreadyOpen);
    }
    let OpenErasure { subject, deletion_id } = command;
    Ok(vec![changed(subject, Some(deletion_id), false)])
}

fn close(erasures: &SubjectErasures, command: CloseErasure) -> Vec<SubjectErasuresEvent> {
    if erasures.open != Some(command.deletion_id) {
        return Vec::new();
    }
    vec![changed(command.subject, None, command.is_erased)]
}

fn changed(subject: Actor, open: Option<DeletionId>, is_erased: bool) -> SubjectErasuresEvent {
    SubjectErasuresEvent::SubjectErasuresChanged { subject, open, is_erased }
}

impl SubjectErasures {
    fn apply(&mut self, event: SubjectErasuresEvent) {
        let SubjectErasuresEvent::SubjectErasuresChanged { open, is_erased, .. } = event;
        (self.open, self.is_erased) = (open, is_erased);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::MemberId;

    const SUBJECT: Actor = Actor::member(MemberId(Uuid::from_u128(1)));

    fn id(number: u128) -> DeletionId {
        DeletionId(Uuid::from_u128(number))
    }

    fn open(erasures: &mut SubjectErasures, number: u128) -> Result<(), SubjectErasuresError> {
        let open = OpenErasure { subject: SUBJECT, deletion_id: id(number) };
        for event in erasures.decide(SubjectErasuresCommand::Open(open))? {
            cqrs_es::Aggregate::apply(erasures, event);
        }
        Ok(())
    }

    fn close(erasures: &mut SubjectErasures, number: u128, is_erased: bool) -> usize {
        let close = CloseErasure { subject: SUBJECT, deletion_id: id(number), is_erased };
        let events = erasures.decide(SubjectErasuresCommand::Close(close)).unwrap();
        let count = events.len();
        for event in events {
            cqrs_es::Aggregate::apply(erasures, event);
        }
        count
    }

    #[test]
    fn ddr_18_one_request_is_open_at_a_time_and_none_after_the_erasure() {
        let mut erasures = SubjectErasures::default();
        assert_eq!(open(&mut erasures, 1), Ok(()));
        assert_eq!(open(&mut erasures, 2), Err(SubjectErasuresError::AlreadyOpen));
        assert_eq!(close(&mut erasures, 2, true), 0, "only the open one closes it");
        assert_eq!(close(&mut erasures, 1, false), 1);
        assert_eq!(open(&mut erasures, 3), Ok(()));
        assert_eq!(close(&mut erasures, 3, true), 1);
        assert_eq!(open(&mut erasures, 4), Err(SubjectErasuresError::AlreadyErased));
    }
}
