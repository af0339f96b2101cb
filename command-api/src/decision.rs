//! A command's decision in the making: what it has read (guards) and what it will write.

use std::sync::Arc;

use agora_domain::{
    Actor, Decide, Personal, PersonalCategory, Subject,
    site::{configuration::Configuration, settings::Setting},
};
use agora_event_store::{
    Loaded, StreamName, Unit,
    log::Draft,
    unit::{Claim, Release},
};
use agora_service::problem::Problem;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    App,
    execute::Caller,
    refusal::{CommandError, refused},
};

/// What a decision made or changed, and what only its reply returns.
pub struct Done {
    pub aggregate_type: &'static str,
    pub aggregate_id: String,
    pub result: Value,
}

impl Done {
    pub fn of<A: Aggregate>(id: impl ToString) -> Self {
        Self {
            aggregate_type: A::TYPE,
            aggregate_id: id.to_string(),
            result: Value::Object(serde_json::Map::new()),
        }
    }

    #[must_use]
    pub fn with_result(self, result: Value) -> Self {
        Self { result, ..self }
    }
}

pub struct Decision<'a> {
    pub app: &'a App,
    pub caller: &'a Caller,
    /// The command's time: never before what it has read was written, as far as is known.
    pub now: DateTime<Utc>,
    pub(crate) unit: Unit,
    metadata: &'a str,
    /// Whose address it is, where the sender had no account until now.
    address_of: Option<Subject>,
    pub(crate) sent_by: Option<Actor>,
    if_match: Option<u64>,
    /// Some stream was taken to be new without looking.
    pub(crate) presumed: bool,
    /// Streams are not to be presumed new: the last attempt showed that one is not, or gave nothing.
    look: bool,
    derived: u32,
}

impl<'a> Decision<'a> {
    pub(crate) fn new(
        app: &'a App,
        caller: &'a Caller,
        now: DateTime<Utc>,
        metadata: &'a str,
        if_match: Option<u64>,
        look: bool,
    ) -> Self {
        let history = caller.principal.as_ref().and(caller.history).unwrap_or(app.log.history());
        let unit = Unit { guards: caller.guards(), history: Some(history), ..Unit::default() };
        Self {
            app,
            caller,
            now,
            unit,
            metadata,
            address_of: None,
            sent_by: None,
            if_match,
            presumed: false,
            look,
            derived: 0,
        }
    }

    /// Loads an aggregate and notes that the decision relies on it.
    pub async fn load<A: Decide>(
        &mut self,
        id: impl AsRef<str>,
    ) -> Result<Loaded<A>, CommandError> {
        let loaded = self.app.log.load::<A>(id.as_ref()).await?;
        self.unit.guards.push(loaded.guard());
        Ok(loaded)
    }

    /// Whether a flag of the configuration is set, now: a change of it makes the decision be taken
    /// again.
    pub async fn flag(&mut self, setting: &'static Setting) -> Result<bool, CommandError> {
        Ok(setting.flag(&self.load::<Configuration>(setting.key).await?.state))
    }

    /// The number that the configuration sets, where it does.
    pub async fn number(
        &mut self,
        setting: &'static Setting,
    ) -> Result<Option<usize>, CommandError> {
        let number = setting.number(&self.load::<Configuration>(setting.key).await?.state);
        Ok(number.and_then(|number| usize::try_from(number).ok()))
    }

    /// Refuses a text that is longer than the configuration allows.
    pub async fn fits(
        &mut self,
        setting: &'static Setting,
        text: &str,
        rule: &'static str,
    ) -> Result<(), CommandError> {
        match self.number(setting).await? {
            Some(most) if text.chars().count() > most => {
                let detail = format!("The text must be at most {most} characters.");
                Err(Problem::rule_broken(rule, detail).into())
            }
            _ => Ok(()),
        }
    }

    /// An aggregate that is most likely new: taken to be so without a query, unless it is cached.
    /// The log refuses the unit where it is not, and the decision is taken again after a look.
    pub async fn presume<A: Decide>(
        &mut self,
        id: impl AsRef<str>,
    ) -> Result<Loaded<A>, CommandError> {
        if self.look {
            return self.load(id).await;
        }
        let loaded = self.app.log.presume::<A>(id.as_ref());
        if loaded.presumed {
            self.presumed = true;
        } else {
            self.unit.guards.push(loaded.guard());
        }
        Ok(loaded)
    }

    /// A stream that this command begins under an id of its own: nobody else can know it.
    pub fn begin<A: Decide>(&self, id: impl ToString) -> Loaded<A> {
        Loaded {
            stream: StreamName::new(A::TYPE, id.to_string()),
            state: std::sync::Arc::new(A::default()),
            sequence: 0,
            known: 0,
            presumed: false,
        }
    }

    /// Lets the aggregate decide, and puts its events into the unit.
    pub async fn decide<A: Decide>(
        &mut self,
        loaded: &Loaded<A>,
        command: A::Command,
    ) -> Result<(), CommandError> {
        let events = loaded.state.decide(command).map_err(refused)?;
        if events.is_empty() {
            return Ok(());
        }
        let cause = self.caller.cause;
        let derived = &mut self.derived;
        let mut event_ids = || match cause {
            None => agora_service::clock::new_id(),
            Some(cause) => {
                *derived += 1;
                Uuid::new_v5(&cause, &derived.to_be_bytes())
            }
        };
        let draft = Draft {
            loaded,
            events,
            event_ids: &mut event_ids,
            metadata: self.metadata,
            client_address: self
                .caller
                .sealed_address()
                .map(|(subject, address)| (self.address_of.as_ref().unwrap_or(subject), address)),
        };
        self.app.log.draft(&mut self.unit, draft).await?;
        Ok(())
    }

    /// As [`Self::decide`], on the thing that `If-Match` speaks of (ESX-03).
    pub async fn decide_on_target<A: Decide>(
        &mut self,
        loaded: &Loaded<A>,
        command: A::Command,
    ) -> Result<(), CommandError> {
        if self.if_match.is_some_and(|sequence| sequence != loaded.sequence) {
            let moved = "It has changed since the sequence in If-Match: read it again.";
            return Err(Problem::precondition_failed(moved).with_rule("ESX-03").into());
        }
        self.decide(loaded, command).await
    }

    /// What an aggregate is once this decision holds.
    pub fn after<A: Decide>(&self, loaded: &Loaded<A>) -> Arc<A> {
        let written = self.unit.after.iter().rev().find(|after| after.stream == loaded.stream);
        written
            .and_then(|after| after.state.clone().downcast().ok())
            .unwrap_or_else(|| loaded.state.clone())
    }

    /// Takes a natural key for an aggregate.
    pub fn take(&mut self, scope: &'static str, key: String, aggregate_id: impl ToString) {
        self.unit.takes.push(Claim { scope, key, aggregate_id: aggregate_id.to_string() });
    }

    /// Gives an aggregate's keys of a scope back.
    pub fn release(&mut self, scope: &'static str, aggregate_id: impl ToString) {
        self.unit.releases.push(Release { scope, aggregate_id: aggregate_id.to_string() });
    }

    /// Who sends the command. Only commands that guests may send have no actor.
    pub fn actor(&self) -> Result<Actor, CommandError> {
        self.caller.actor().ok_or_else(|| {
            CommandError::Refused(Problem::unauthenticated("Send a token of log-in."))
        })
    }

    /// The sender turns out to be (or becomes) this: its address is sealed under its own key from
    /// here on, and goes with it.
    pub fn is_sent_by(&mut self, actor: Actor) {
        self.address_of = Some(actor.subject());
        self.sent_by = Some(actor);
    }

    /// A personal value about the actor.
    pub fn personal<T>(&self, actor: Actor, category: PersonalCategory, value: T) -> Personal<T> {
        Personal::new(actor.subject(), category, value)
    }

    /// A personal value about somebody else.
    pub fn about<T>(&self, id: Uuid, category: PersonalCategory, value: T) -> Personal<T> {
        Personal::new(Subject::from(id), category, value)
    }

    /// A new id.
    pub fn new_id<T: From<Uuid>>(&self) -> T {
        agora_service::clock::new_id().into()
    }
}
