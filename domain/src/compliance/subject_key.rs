//! The keys of one person's data (DDR-14). The stream is the subject under which values are sealed.
//!
//! Life cycle: written to whenever keys of the subject are destroyed, and never before. Every unit that
//! seals something for the subject guards this stream, so that none passes that was sealed with a key
//! which is gone by then.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Decide, aggregate, domain_event},
    ids::DeletionId,
    personal::{Category, Subject},
    refusal::{Refusal, RefusalKind},
};

/// How many erasures of one person are remembered: a person that goes on may ask again and again.
const REMEMBERED_MAX: usize = 50;

/// A subject's keys as the log tells it. `Default` is the one of which none was destroyed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubjectKey {
    destroyed: Vec<Category>,
    erasures: Vec<DeletionId>,
}

impl SubjectKey {
    /// The categories of which no key is ever made again.
    pub fn destroyed(&self) -> &[Category] {
        &self.destroyed
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum SubjectKeyCommand {
    Destroy(DestroySubjectKeys),
}

#[derive(Clone, Debug, PartialEq)]
pub struct DestroySubjectKeys {
    pub subject: Subject,
    pub deletion_id: DeletionId,
    pub categories: Vec<Category>,
    /// Another key takes the place of each: the person goes on.
    pub are_replaced: bool,
    /// They go after this: whoever holds them is to let go of them first.
    pub is_announced: bool,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SubjectKeyEvent {
    /// The whole state after it.
    SubjectKeyDestroyed {
        subject: Subject,
        deletion_id: DeletionId,
        /// Those of this erasure.
        categories: Vec<Category>,
        /// Those that can never be sealed for again.
        destroyed: Vec<Category>,
        /// Every erasure, the newest last; twice where it replaces keys.
        erasures: Vec<DeletionId>,
        destroyed_at: DateTime<Utc>,
    },
}

domain_event!(SubjectKeyEvent { SubjectKeyDestroyed => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SubjectKeyError {
    #[error("an erasure names at least one category")]
    NothingNamed,
}

impl Refusal for SubjectKeyError {
    fn rule(&self) -> &'static str {
        "DDR-14"
    }

    fn kind(&self) -> RefusalKind {
        RefusalKind::Invalid
    }
}

aggregate!(SubjectKey, "subject_key", SubjectKeyCommand, SubjectKeyEvent, SubjectKeyError);

impl Decide for SubjectKey {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(&self, command: SubjectKeyCommand) -> Result<Vec<SubjectKeyEvent>, SubjectKeyError> {
        let SubjectKeyCommand::Destroy(command) = command;
        destroy(self, command)
    }
}

fn destroy(
    keys: &SubjectKey,
    command: DestroySubjectKeys,
) -> Result<Vec<SubjectKeyEvent>, SubjectKeyError> {
    let DestroySubjectKeys {
        subject,
        deletion_id,
        mut categories,
        are_replaced,
        is_announced,
        now,
    } = command;
    categories.sort_unstable();
    categories.dedup();
    if categories.is_empty() {
        return Err(SubjectKeyError::NothingNamed);
    }
    // Where keys are replaced it is said before and after: whatever was sealed with an old one and comes
    // in after either is refused, and sealed anew.
    let times = if are_replaced && !is_announced { 2 } else { 1 };
    if keys.erasures.iter().filter(|said| **said == deletion_id).count() >= times {
        return Ok(Vec::new());
    }
    let mut destroyed = keys.destroyed.clone();
    if !are_replaced {
        destroyed.extend(&categories);
        destroyed.sort_unstable();
        destroyed.dedup();
    }
    let forgotten = (keys.erasures.len() + 1).saturating_sub(REMEMBERED_MAX);
    let mut erasures = keys.erasures[forgotten.min(keys.erasures.len())..].to_vec();
    erasures.push(deletion_id);
    Ok(vec![SubjectKeyEvent::SubjectKeyDestroyed {
        subject,
        deletion_id,
        categories,
        destroyed,
        erasures,
        destroyed_at: now,
    }])
}

impl SubjectKey {
    fn apply(&mut self, event: SubjectKeyEvent) {
        let SubjectKeyEvent::SubjectKeyDestroyed { destroyed, erasures, .. } = event;
        (self.destroyed, self.erasures) = (destroyed, erasures);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn destroy(keys: &mut SubjectKey, number: u128, of: &[Category], are_replaced: bool) -> usize {
        let command = DestroySubjectKeys {
            subject: Subject::from("s"),
            deletion_id: DeletionId(Uuid::from_u128(number)),
            categories: of.to_vec(),
            are_replaced,
            is_announced: false,
            now: DateTime::UNIX_EPOCH,
        };
        tell(keys, command)
    }

    fn tell(keys: &mut SubjectKey, command: DestroySubjectKeys) -> usize {
        let events = keys.decide(SubjectKeyCommand::Destroy(command)).unwrap();
        let count = events.len();
        for event in events {
            cqrs_es::Aggregate::apply(keys, event);
        }
        count
    }

    #[test]
    fn ddr_14_what_was_destroyed_stays_so_and_an_erasure_is_said_once() {
        use Category::{Content, Evidence, Network};
        let mut keys = SubjectKey::default();
        assert_eq!(destroy(&mut keys, 1, &[Content], true), 1);
        assert_eq!(keys.destroyed(), [], "another key took its place");
        assert_eq!(destroy(&mut keys, 2, &[Network, Content, Network], false), 1);
        assert_eq!(keys.destroyed(), [Content, Network]);
        assert_eq!(destroy(&mut keys, 2, &[Network, Content], false), 0);
        assert_eq!(destroy(&mut keys, 3, &[Evidence], false), 1);
        assert_eq!(keys.destroyed(), [Content, Network, Evidence]);
    }

    #[test]
    fn ddr_14_that_keys_are_replaced_is_said_before_and_after_each_once() {
        let mut keys = SubjectKey::default();
        let command = |is_announced| DestroySubjectKeys {
            subject: Subject::from("s"),
            deletion_id: DeletionId(Uuid::from_u128(1)),
            categories: vec![Category::Content],
            are_replaced: true,
            is_announced,
            now: DateTime::UNIX_EPOCH,
        };
        let told = [true, true, false, false, true].map(|it| tell(&mut keys, command(it)));
        assert_eq!(told, [1, 0, 1, 0, 0]);
        assert_eq!(keys.destroyed(), []);
    }

    #[test]
    fn ddr_14_the_stream_s_state_stays_small() {
        let mut keys = SubjectKey::default();
        for number in 0..200 {
            assert_eq!(destroy(&mut keys, number, &[Category::Content], true), 1);
        }
        assert_eq!(keys.erasures.len(), REMEMBERED_MAX);
        // What is replaced is said twice, and no third time.
        assert_eq!(destroy(&mut keys, 199, &[Category::Content], true), 1);
        assert_eq!(destroy(&mut keys, 199, &[Category::Content], true), 0);
    }
}
