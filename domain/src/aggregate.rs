//! What Agora adds to cqrs-es's `Aggregate`: a decision is a pure, synchronous function.

use cqrs_es::Aggregate;

use crate::refusal::Refusal;

/// An event's type and version without an allocation, as they are stored.
pub trait StoredName {
    fn stored_type(&self) -> &'static str;
    fn stored_version(&self) -> &'static str;
}

/// An aggregate that decides without waiting for anything.
///
/// `Aggregate::handle` only forwards to [`Decide::decide`]; the command API calls `decide` itself,
/// so that one decision can be part of a unit with others.
pub trait Decide:
    Aggregate<Services = (), Error: Refusal, Event: StoredName + 'static> + Clone + 'static
{
    /// True where every event carries the full resulting state, so that only the last is loaded:
    /// streams that live long stay cheap (design: streams stay short).
    const LAST_EVENT_IS_STATE: bool = false;

    /// What follows from the command: the events to append, none where nothing would change.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;
}

/// Implements `Aggregate` for a [`Decide`]: `handle` is the same for all of them.
macro_rules! aggregate {
    ($state:ty, $name:literal, $command:ty, $event:ty, $error:ty) => {
        impl cqrs_es::Aggregate for $state {
            const TYPE: &'static str = $name;
            type Command = $command;
            type Event = $event;
            type Error = $error;
            type Services = ();

            async fn handle(
                &mut self,
                command: $command,
                _: &(),
                sink: &cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), $error> {
                for event in $crate::Decide::decide(self, command)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: $event) {
                <$state>::apply(self, event);
            }
        }
    };
}
pub(crate) use aggregate;

/// Implements `DomainEvent` for an event enum: the name and the version of each variant, as stored.
/// A stored name or version never changes; a new shape is a new version with an upcaster.
macro_rules! domain_event {
    ($event:ident { $($variant:ident => $version:literal),+ $(,)? }) => {
        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                $crate::aggregate::StoredName::stored_type(self).to_owned()
            }

            fn event_version(&self) -> String {
                $crate::aggregate::StoredName::stored_version(self).to_owned()
            }
        }

        impl $crate::aggregate::StoredName for $event {
            fn stored_type(&self) -> &'static str {
                match self { $(Self::$variant { .. } => stringify!($variant)),+ }
            }

            fn stored_version(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $version),+ }
            }
        }

        impl $event {
            /// Every type of event of this aggregate with its current version.
            pub const TYPES: &'static [(&'static str, &'static str)] =
                &[$((stringify!($variant), $version)),+];
        }
    };
}
pub(crate) use domain_event;
