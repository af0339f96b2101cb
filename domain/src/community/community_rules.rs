//! The rules of a community (E12): an ordered list of at most ten, set as a whole by its owner, or by
//! an admin once the owner's account is deleted (COM-16).
//!
//! Life cycle: every change writes the whole list anew, so that the places are 1..n without gaps
//! (RUL-06). A rule keeps its id for as long as its text stays in the list; another text is another
//! rule. Deleting the community clears the list (COM-10).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::{CommunityId, CommunityRuleId, MemberId},
    refusal::{Refusal, RefusalKind},
    values::RuleText,
};

/// The most rules that a community may have (RUL-01).
pub const RULES_MAX: usize = 10;

/// A rule; its index is its place in the list, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityRule {
    pub id: CommunityRuleId,
    pub rule_text: RuleText,
    pub created_at: DateTime<Utc>,
}

/// The list as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommunityRules {
    rules: Vec<CommunityRule>,
}

impl CommunityRules {
    pub fn rules(&self) -> &[CommunityRule] {
        &self.rules
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum CommunityRulesCommand {
    Set(SetCommunityRules),
    Clear(ClearCommunityRules),
}

#[derive(Clone, Debug, PartialEq)]
pub struct SetCommunityRules {
    pub community_id: CommunityId,
    pub actor: Actor,
    /// Each with the id that it gets if its text is new.
    pub rules: Vec<(CommunityRuleId, RuleText)>,
    pub now: DateTime<Utc>,
    /// What the decision needs to know of the community.
    pub owner: MemberId,
    /// Whether the owner's account is deleted (COM-16).
    pub owner_is_gone: bool,
    pub community_open: bool,
}

/// With the deletion of the community, whoever deletes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClearCommunityRules {
    pub community_id: CommunityId,
    pub actor: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CommunityRulesEvent {
    /// The whole list after the change.
    CommunityRulesSet {
        community_id: CommunityId,
        set_by: Actor,
        rules: Vec<CommunityRule>,
    },
    CommunityRulesCleared {
        community_id: CommunityId,
        cleared_by: Actor,
    },
}

domain_event!(CommunityRulesEvent {
    CommunityRulesSet => "1",
    CommunityRulesCleared => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommunityRulesError {
    #[error("the community does not exist or is deleted")]
    CommunityClosed,
    #[error("only the community's owner sets its rules")]
    NotTheOwner,
    #[error("the community has an owner, who alone sets its rules")]
    HasAnOwner,
    #[error("a community has at most 10 rules")]
    TooMany,
    #[error("the same rule stands in the list twice")]
    Twice,
}

impl Refusal for CommunityRulesError {
    fn rule(&self) -> &'static str {
        match self {
            Self::CommunityClosed => "REL-10",
            Self::NotTheOwner => "RUL-04",
            Self::HasAnOwner => "COM-07",
            Self::TooMany => "RUL-01",
            Self::Twice => "RUL-02",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::CommunityClosed => RefusalKind::NotFound,
            Self::NotTheOwner | Self::HasAnOwner => RefusalKind::Forbidden,
            Self::TooMany | Self::Twice => RefusalKind::Invalid,
        }
    }
}

aggregate!(
    CommunityRules,
    "community_rules",
    CommunityRulesCommand,
    CommunityRulesEvent,
    CommunityRulesError
);

impl Decide for CommunityRules {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: CommunityRulesCommand,
    ) -> Result<Vec<CommunityRulesEvent>, CommunityRulesError> {
        match command {
            CommunityRulesCommand::Set(command) => set(self, command),
            CommunityRulesCommand::Clear(command) => Ok(clear(self, command)),
        }
    }
}

fn set(
    current: &CommunityRules,
    command: SetCommunityRules,
) -> Result<Vec<CommunityRulesEvent>, CommunityRulesError> {
    if !command.community_open {
        return Err(CommunityRulesError::CommunityClosed);
    }
    match command.actor {
        actor if actor == Actor::member(command.owner) => {}
        actor if !actor.is_admin() => return Err(CommunityRulesError::NotTheOwner),
        _ if !command.owner_is_gone => return Err(CommunityRulesError::HasAnOwner),
        _ => {}
    }
    if command.rules.len() > RULES_MAX {
        return Err(CommunityRulesError::TooMany);
    }
    let mut rules: Vec<CommunityRule> = Vec::with_capacity(command.rules.len());
    for (new_id, rule_text) in command.rules {
        if rules.iter().any(|rule| rule.rule_text == rule_text) {
            return Err(CommunityRulesError::Twice);
        }
        let known = current.rules.iter().find(|rule| rule.rule_text == rule_text).cloned();
        let new = CommunityRule { id: new_id, rule_text, created_at: command.now };
        rules.push(known.unwrap_or(new));
    }
    if rules == current.rules {
        return Ok(Vec::new());
    }
    let (community_id, set_by) = (command.community_id, command.actor);
    Ok(vec![CommunityRulesEvent::CommunityRulesSet { community_id, set_by, rules }])
}

fn clear(current: &CommunityRules, command: ClearCommunityRules) -> Vec<CommunityRulesEvent> {
    if current.rules.is_empty() {
        return Vec::new();
    }
    let (community_id, cleared_by) = (command.community_id, command.actor);
    vec![CommunityRulesEvent::CommunityRulesCleared { community_id, cleared_by }]
}

impl CommunityRules {
    fn apply(&mut self, event: CommunityRulesEvent) {
        self.rules = match event {
            CommunityRulesEvent::CommunityRulesSet { rules, .. } => rules,
            CommunityRulesEvent::CommunityRulesCleared { .. } => Vec::new(),
        };
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate;
    use uuid::Uuid;

    use super::*;
    use crate::ids::AdminId;

    const OWNER: MemberId = MemberId(Uuid::from_u128(1));
    const COMMUNITY: CommunityId = CommunityId(Uuid::from_u128(2));

    fn set_to(texts: &[&str], first_id: u128) -> SetCommunityRules {
        let rules = (first_id..)
            .zip(texts)
            .map(|(id, text)| (CommunityRuleId(Uuid::from_u128(id)), text.parse().unwrap()));
        SetCommunityRules {
            community_id: COMMUNITY,
            actor: Actor::member(OWNER),
            rules: rules.collect(),
            now: DateTime::UNIX_EPOCH,
            owner: OWNER,
            owner_is_gone: false,
            community_open: true,
        }
    }

    fn set_by(
        actor: Actor,
        owner_is_gone: bool,
    ) -> Result<Vec<CommunityRulesEvent>, CommunityRulesError> {
        let command = SetCommunityRules { actor, owner_is_gone, ..set_to(&["Be kind"], 10) };
        CommunityRules::default().decide(CommunityRulesCommand::Set(command))
    }

    fn after(rules: &CommunityRules, command: CommunityRulesCommand) -> CommunityRules {
        let mut after = rules.clone();
        for event in rules.decide(command).unwrap() {
            Aggregate::apply(&mut after, event);
        }
        after
    }

    fn listed(rules: &CommunityRules) -> Vec<(u128, &str)> {
        let entry = |rule: &CommunityRule| rule.id.0.as_u128();
        rules.rules().iter().map(|rule| (entry(rule), rule.rule_text.as_str())).collect()
    }

    #[test]
    fn rul_01_a_community_has_at_most_ten_rules() {
        let texts: Vec<String> = (0..11).map(|number| format!("Rule {number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let decide = |texts: &[&str]| {
            CommunityRules::default().decide(CommunityRulesCommand::Set(set_to(texts, 10)))
        };
        assert_eq!(decide(&texts), Err(CommunityRulesError::TooMany));
        assert_eq!(decide(&texts[..10]).unwrap().len(), 1);
    }

    #[test]
    fn rul_02_rul_06_a_rule_keeps_its_id_and_the_places_have_no_gap() {
        let first = CommunityRulesCommand::Set(set_to(&["Be kind", "No spam", "On topic"], 10));
        let rules = after(&CommunityRules::default(), first);
        let second = CommunityRulesCommand::Set(set_to(&["On topic", "Be kind!", "Be kind"], 20));
        let rules = after(&rules, second);
        assert_eq!(listed(&rules), [(12, "On topic"), (21, "Be kind!"), (10, "Be kind")]);
        let same = CommunityRulesCommand::Set(set_to(&["On topic", "Be kind!", "Be kind"], 30));
        assert_eq!(rules.decide(same), Ok(vec![]));
        let twice = CommunityRulesCommand::Set(set_to(&["Be kind", "Be kind"], 40));
        assert_eq!(rules.decide(twice), Err(CommunityRulesError::Twice));
    }

    #[test]
    fn rul_04_only_the_owner_sets_them() {
        let stranger = Actor::member(MemberId(Uuid::from_u128(9)));
        assert_eq!(set_by(stranger, false), Err(CommunityRulesError::NotTheOwner));
        assert_eq!(set_by(Actor::SYSTEM, false), Err(CommunityRulesError::NotTheOwner));
        assert_eq!(set_by(Actor::member(OWNER), false).unwrap().len(), 1);
    }

    #[test]
    fn com_07_com_16_an_admin_sets_them_only_once_the_owner_is_gone() {
        let admin = Actor::admin(AdminId(OWNER.0));
        let refused = set_by(admin, false).unwrap_err();
        assert_eq!((refused.rule(), refused.kind()), ("COM-07", RefusalKind::Forbidden));
        assert_eq!(set_by(admin, true).unwrap().len(), 1);
        let stranger = Actor::member(MemberId(Uuid::from_u128(9)));
        assert_eq!(set_by(stranger, true), Err(CommunityRulesError::NotTheOwner));
    }

    #[test]
    fn rul_05_com_10_clearing_takes_all_away_once() {
        let clear = || {
            let actor = Actor::SYSTEM;
            CommunityRulesCommand::Clear(ClearCommunityRules { community_id: COMMUNITY, actor })
        };
        let set = CommunityRulesCommand::Set(set_to(&["Be kind"], 10));
        let rules = after(&CommunityRules::default(), set);
        let cleared = after(&rules, clear());
        assert!(cleared.rules().is_empty());
        assert_eq!(cleared.decide(clear()), Ok(vec![]));
    }
}
