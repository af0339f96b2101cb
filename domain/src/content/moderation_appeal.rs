//! An appeal against an act of moderation (MOD-08). The stream is the act: its id is the id of the event
//! that recorded it, so that each act has one appeal at most.
//!
//! Life cycle: lodged by whom the act restricts → decided once, by an admin who neither acted nor
//! appealed. What was removed and is overturned comes back in the same unit; what was edited stays
//! its author's to edit.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::moderation::ModerationAction;
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{CommunityId, ModerationId},
    personal::Personal,
    refusal::{Refusal, RefusalKind, RuleBreak},
    values::{AppealText, ModerationReason},
};

/// What kind of thing was moderated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModeratedKind {
    Post,
    Comment,
    Community,
}

/// An act of moderation, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moderation {
    pub moderation_id: ModerationId,
    pub kind: ModeratedKind,
    /// Of the post, the comment or the community.
    pub thing_id: Uuid,
    pub community_id: Option<CommunityId>,
    pub action: ModerationAction,
    pub moderator: Actor,
    /// Whom it restricts: the author, the owner.
    pub affected: Actor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppealOutcome {
    /// The act stands.
    Upheld,
    /// The act was wrong.
    Overturned,
}

impl AppealOutcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upheld => "upheld",
            Self::Overturned => "overturned",
        }
    }
}

impl FromStr for AppealOutcome {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        match text {
            "upheld" => Ok(Self::Upheld),
            "overturned" => Ok(Self::Overturned),
            _ => Err(RuleBreak::new("MOD-08", "must be upheld or overturned")),
        }
    }
}

/// An appeal as the log tells it. `Default` is the appeal that nobody has lodged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModerationAppeal {
    lodged: Option<Moderation>,
    decided: Option<(Actor, AppealOutcome)>,
}

impl ModerationAppeal {
    /// The act that it is against, once it is lodged.
    pub fn against(&self) -> Option<Moderation> {
        self.lodged
    }

    pub fn is_decided(&self) -> bool {
        self.decided.is_some()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ModerationAppealCommand {
    Lodge(LodgeAppeal),
    Decide(DecideAppeal),
}

#[derive(Clone, Debug, PartialEq)]
pub struct LodgeAppeal {
    pub against: Moderation,
    pub appellant: Actor,
    pub text: Personal<AppealText>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DecideAppeal {
    pub decided_by: Actor,
    pub outcome: AppealOutcome,
    /// What the appellant is told.
    pub reason: Personal<ModerationReason>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ModerationAppealEvent {
    /// With what the act was, so that nobody needs to look it up.
    ModerationAppealLodged { against: Moderation, appellant: Actor, text: Personal<AppealText> },
    ModerationAppealDecided {
        decided_by: Actor,
        outcome: AppealOutcome,
        reason: Personal<ModerationReason>,
    },
}

domain_event!(ModerationAppealEvent {
    ModerationAppealLodged => "1",
    ModerationAppealDecided => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModerationAppealError {
    #[error("only whoever wrote or owns what was moderated may appeal")]
    NotAffected,
    #[error("a restoration restricts nobody, so there is nothing to appeal")]
    NothingToAppeal,
    #[error("there is an appeal against this act already: each has one")]
    AlreadyLodged,
    #[error("there is no such appeal")]
    NotFound,
    #[error("an admin who neither acted nor appealed has to decide")]
    OwnCause,
    #[error("the appeal is decided")]
    AlreadyDecided,
}

impl Refusal for ModerationAppealError {
    fn rule(&self) -> &'static str {
        match self {
            Self::NotFound => "REL-10",
            _ => "MOD-08",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotAffected | Self::OwnCause => RefusalKind::Forbidden,
            Self::NothingToAppeal => RefusalKind::Invalid,
            Self::AlreadyLodged | Self::AlreadyDecided => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
        }
    }
}

aggregate!(
    ModerationAppeal,
    "moderation_appeal",
    ModerationAppealCommand,
    ModerationAppealEvent,
    ModerationAppealError
);

impl Decide for ModerationAppeal {
    fn decide(
        &self,
        command: ModerationAppealCommand,
    ) -> Result<Vec<ModerationAppealEvent>, ModerationAppealError> {
        match command {
            ModerationAppealCommand::Lodge(command) => lodge(self, command),
            ModerationAppealCommand::Decide(command) => decide(self, command),
        }
    }
}

fn lodge(
    appeal: &ModerationAppeal,
    command: LodgeAppeal,
) -> Result<Vec<ModerationAppealEvent>, ModerationAppealError> {
    let LodgeAppeal { against, appellant, text } = command;
    if appellant != against.affected {
        return Err(ModerationAppealError::NotAffected);
    }
    if against.action == ModerationAction::Restore {
        return Err(ModerationAppealError::NothingToAppeal);
    }
    if appeal.lodged.is_some() {
        return Err(ModerationAppealError::AlreadyLodged);
    }
    Ok(vec![ModerationAppealEvent::ModerationAppealLodged { against, appellant, text }])
}

fn decide(
    appeal: &ModerationAppeal,
    command: DecideAppeal,
) -> Result<Vec<ModerationAppealEvent>, ModerationAppealError> {
    let against = appeal.lodged.ok_or(ModerationAppealError::NotFound)?;
    let DecideAppeal { decided_by, outcome, reason } = command;
    if [against.moderator, against.affected].contains(&decided_by) {
        return Err(ModerationAppealError::OwnCause);
    }
    match appeal.decided {
        Some(decided) if decided == (decided_by, outcome) => Ok(Vec::new()),
        Some(_) => Err(ModerationAppealError::AlreadyDecided),
        None => {
            Ok(vec![ModerationAppealEvent::ModerationAppealDecided { decided_by, outcome, reason }])
        }
    }
}

impl ModerationAppeal {
    fn apply(&mut self, event: ModerationAppealEvent) {
        match event {
            ModerationAppealEvent::ModerationAppealLodged { against, .. } => {
                self.lodged = Some(against);
            }
            ModerationAppealEvent::ModerationAppealDecided { decided_by, outcome, .. } => {
                self.decided = Some((decided_by, outcome));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate;

    use super::*;
    use crate::{
        ids::{AdminId, MemberId},
        personal::{Category, Subject},
    };

    const AUTHOR: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
    const MODERATOR: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));
    const OTHER: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));

    fn personal<T: FromStr<Err = RuleBreak>>(text: &str) -> Personal<T> {
        Personal::new(Subject::from(AUTHOR.id), Category::Content, text.parse().unwrap())
    }

    fn lodged_by(appellant: Actor, action: ModerationAction) -> ModerationAppealCommand {
        let against = Moderation {
            moderation_id: ModerationId(Uuid::from_u128(9)),
            kind: ModeratedKind::Post,
            thing_id: Uuid::from_u128(8),
            community_id: None,
            action,
            moderator: MODERATOR,
            affected: AUTHOR,
        };
        let text = personal("It was not off topic.");
        ModerationAppealCommand::Lodge(LodgeAppeal { against, appellant, text })
    }

    fn decided_by(decided_by: Actor, outcome: AppealOutcome) -> ModerationAppealCommand {
        let reason = personal("It was.");
        ModerationAppealCommand::Decide(DecideAppeal { decided_by, outcome, reason })
    }

    fn given(commands: impl IntoIterator<Item = ModerationAppealCommand>) -> ModerationAppeal {
        let mut appeal = ModerationAppeal::default();
        for command in commands {
            for event in appeal.decide(command).unwrap() {
                Aggregate::apply(&mut appeal, event);
            }
        }
        appeal
    }

    #[test]
    fn mod_08_each_act_has_one_appeal_by_whom_it_restricts() {
        let none = ModerationAppeal::default();
        let delete = ModerationAction::Delete;
        assert_eq!(none.decide(lodged_by(OTHER, delete)), Err(ModerationAppealError::NotAffected));
        let restored = none.decide(lodged_by(AUTHOR, ModerationAction::Restore));
        assert_eq!(restored, Err(ModerationAppealError::NothingToAppeal));
        assert_eq!(none.decide(lodged_by(AUTHOR, delete)).unwrap().len(), 1);
        let lodged = given([lodged_by(AUTHOR, delete)]);
        let again = lodged.decide(lodged_by(AUTHOR, delete));
        assert_eq!(again, Err(ModerationAppealError::AlreadyLodged));
    }

    #[test]
    fn mod_08_an_appeal_is_decided_once_by_somebody_else() {
        use AppealOutcome::{Overturned, Upheld};
        let none = ModerationAppeal::default();
        assert_eq!(none.decide(decided_by(OTHER, Upheld)), Err(ModerationAppealError::NotFound));
        let mut appeal = given([lodged_by(AUTHOR, ModerationAction::Delete)]);
        let own = appeal.decide(decided_by(MODERATOR, Upheld));
        assert_eq!(own, Err(ModerationAppealError::OwnCause));
        for event in appeal.decide(decided_by(OTHER, Overturned)).unwrap() {
            Aggregate::apply(&mut appeal, event);
        }
        assert!(appeal.is_decided());
        assert_eq!(appeal.decide(decided_by(OTHER, Overturned)), Ok(Vec::new()));
        let other = appeal.decide(decided_by(OTHER, Upheld));
        assert_eq!(other, Err(ModerationAppealError::AlreadyDecided));
    }
}
