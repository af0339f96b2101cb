//! A notice that a post or a comment is illegal or breaks the terms (DSA Art. 16, LAW-10). One person has
//! one notice about one thing: the stream is the notice, whose id follows from both.
//!
//! Life cycle: reported by anybody → decided once, by an admin who neither gave the notice nor wrote what
//! it is about. Acting on it is a command of its own, whose reason is what the author is told (Art. 17):
//! the decision says only what came of it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::moderation_appeal::ModeratedKind;
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    exports::export_values::words,
    ids::{CommunityId, ContentNoticeId},
    personal::Personal,
    refusal::{Refusal, RefusalKind, RuleBreak},
    values::{ModerationReason, NoticeText},
};
words! {
    /// What a thing is said to be.
    NoticeGround, "LAW-10" "must be ILLEGAL_CONTENT or BREAKS_TERMS" {
        IllegalContent => "ILLEGAL_CONTENT",
        BreaksTerms => "BREAKS_TERMS",
    }
    /// What came of a notice.
    NoticeOutcome, "LAW-10" "must be ACTION_TAKEN or NO_ACTION" {
        ActionTaken => "ACTION_TAKEN",
        NoAction => "NO_ACTION",
    }
}

/// What a notice is about, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeTarget {
    /// A post or a comment.
    pub kind: ModeratedKind,
    pub thing_id: Uuid,
    pub community_id: CommunityId,
    pub author: Actor,
}

/// A notice as the log tells it. `Default` is the notice that nobody gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentNotice {
    given: Option<(NoticeTarget, Actor)>,
    decided: Option<(Actor, NoticeOutcome)>,
}

impl ContentNotice {
    /// The one notice of somebody about a thing.
    pub fn id_of(thing_id: Uuid, notifier: Actor) -> ContentNoticeId {
        ContentNoticeId(Uuid::new_v5(&thing_id, notifier.to_string().as_bytes()))
    }

    /// Who gave it, once it is given.
    pub fn notifier(&self) -> Option<Actor> {
        self.given.map(|(_, notifier)| notifier)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ContentNoticeCommand {
    Report(ReportContent),
    Decide(DecideNotice),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReportContent {
    pub notice_id: ContentNoticeId,
    pub about: NoticeTarget,
    pub notifier: Actor,
    pub ground: NoticeGround,
    pub explanation: Personal<NoticeText>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DecideNotice {
    pub decided_by: Actor,
    pub outcome: NoticeOutcome,
    /// What whoever gave the notice is told.
    pub reason: Personal<ModerationReason>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ContentNoticeEvent {
    ContentReported {
        notice_id: ContentNoticeId,
        about: NoticeTarget,
        notifier: Actor,
        ground: NoticeGround,
        explanation: Personal<NoticeText>,
    },
    ContentNoticeDecided {
        decided_by: Actor,
        outcome: NoticeOutcome,
        reason: Personal<ModerationReason>,
    },
}

domain_event!(ContentNoticeEvent { ContentReported => "1", ContentNoticeDecided => "1" });

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ContentNoticeError {
    #[error("there is no such notice")]
    NotFound,
    #[error("an admin who neither gave the notice nor wrote what it is about has to decide")]
    OwnCause,
    #[error("the notice is decided")]
    AlreadyDecided,
}

impl Refusal for ContentNoticeError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "REL-10",
            Self::OwnCause | Self::AlreadyDecided => "LAW-10",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::OwnCause => RefusalKind::Forbidden,
            Self::AlreadyDecided => RefusalKind::Conflict,
        }
    }
}

aggregate!(
    ContentNotice,
    "content_notice",
    ContentNoticeCommand,
    ContentNoticeEvent,
    ContentNoticeError
);

type Decided = Result<Vec<ContentNoticeEvent>, ContentNoticeError>;

impl Decide for ContentNotice {
    fn decide(&self, command: ContentNoticeCommand) -> Decided {
        match command {
            ContentNoticeCommand::Report(command) => report(self, command),
            ContentNoticeCommand::Decide(command) => decide(self, command),
        }
    }
}

/// Who says it again while it waits changes nothing.
fn report(notice: &ContentNotice, command: ReportContent) -> Decided {
    let ReportContent { notice_id, about, notifier, ground, explanation } = command;
    match (notice.given, notice.decided) {
        (Some(_), Some(_)) => Err(ContentNoticeError::AlreadyDecided),
        (Some(_), None) => Ok(Vec::new()),
        (None, _) => Ok(vec![ContentNoticeEvent::ContentReported {
            notice_id,
            about,
            notifier,
            ground,
            explanation,
        }]),
    }
}

fn decide(notice: &ContentNotice, command: DecideNotice) -> Decided {
    let (about, notifier) = notice.given.ok_or(ContentNoticeError::NotFound)?;
    let DecideNotice { decided_by, outcome, reason } = command;
    if [about.author, notifier].contains(&decided_by) {
        return Err(ContentNoticeError::OwnCause);
    }
    match notice.decided {
        Some(decided) if decided == (decided_by, outcome) => Ok(Vec::new()),
        Some(_) => Err(ContentNoticeError::AlreadyDecided),
        None => Ok(vec![ContentNoticeEvent::ContentNoticeDecided { decided_by, outcome, reason }]),
    }
}

impl ContentNotice {
    fn apply(&mut self, event: ContentNoticeEvent) {
        match event {
            ContentNoticeEvent::ContentReported { about, notifier, .. } => {
                self.given = Some((about, notifier));
            }
            ContentNoticeEvent::ContentNoticeDecided { decided_by, outcome, .. } => {
                self.decided = Some((decided_by, outcome));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{AdminId, MemberId},
        personal::{Category, Subject},
    };

    const AUTHOR: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
    const NOTIFIER: Actor = Actor::member(MemberId(Uuid::from_u128(2)));
    const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));

    fn personal<T: FromStr<Err = RuleBreak>>(text: &str) -> Personal<T> {
        Personal::new(Subject::from(NOTIFIER.id), Category::Content, text.parse().unwrap())
    }

    fn report() -> ContentNoticeCommand {
        let thing_id = Uuid::from_u128(8);
        let about = NoticeTarget {
            kind: ModeratedKind::Post,
            thing_id,
            community_id: CommunityId(Uuid::from_u128(7)),
            author: AUTHOR,
        };
        ContentNoticeCommand::Report(ReportContent {
            notice_id: ContentNotice::id_of(thing_id, NOTIFIER),
            about,
            notifier: NOTIFIER,
            ground: NoticeGround::IllegalContent,
            explanation: personal("It sells what may not be sold."),
        })
    }

    fn decided(decided_by: Actor, outcome: NoticeOutcome) -> ContentNoticeCommand {
        let reason = personal("It was removed.");
        ContentNoticeCommand::Decide(DecideNotice { decided_by, outcome, reason })
    }

    fn tell(
        notice: &mut ContentNotice,
        command: ContentNoticeCommand,
    ) -> Result<usize, ContentNoticeError> {
        let events = notice.decide(command)?;
        let count = events.len();
        events.into_iter().for_each(|event| cqrs_es::Aggregate::apply(notice, event));
        Ok(count)
    }

    #[test]
    fn law_10_a_notice_is_given_once_and_decided_once_by_somebody_else() {
        use NoticeOutcome::{ActionTaken, NoAction};
        let mut notice = ContentNotice::default();
        assert_eq!(tell(&mut notice, decided(ADMIN, NoAction)), Err(ContentNoticeError::NotFound));
        assert_eq!(tell(&mut notice, report()), Ok(1));
        assert_eq!(tell(&mut notice, report()), Ok(0), "the same again");
        for own in [AUTHOR, NOTIFIER] {
            let refused = tell(&mut notice, decided(own, NoAction));
            assert_eq!(refused, Err(ContentNoticeError::OwnCause));
        }
        assert_eq!(tell(&mut notice, decided(ADMIN, ActionTaken)), Ok(1));
        assert_eq!(tell(&mut notice, decided(ADMIN, ActionTaken)), Ok(0));
        let again = Err(ContentNoticeError::AlreadyDecided);
        assert_eq!(tell(&mut notice, decided(ADMIN, NoAction)), again);
        assert_eq!(tell(&mut notice, report()), again);
        assert_eq!(notice.notifier(), Some(NOTIFIER));
    }

    #[test]
    fn law_10_the_words_of_a_notice() {
        for ground in NoticeGround::ALL {
            assert_eq!(ground.as_str().parse(), Ok(*ground));
        }
        for outcome in NoticeOutcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(*outcome));
        }
        assert_eq!("RUDE".parse::<NoticeGround>().unwrap_err().rule, Some("LAW-10"));
    }
}
