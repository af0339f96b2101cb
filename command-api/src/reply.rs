//! What an accepted command is answered.

use agora_domain::Actor;
use agora_event_store::{Position, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The reply without positions, which only the log knows. This is what a receipt keeps; a reply
/// that holds a secret has no receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    command_id: Uuid,
    aggregate_type: String,
    aggregate_id: String,
    events: Vec<DraftEvent>,
    result: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DraftEvent {
    event_id: Uuid,
    r#type: String,
    aggregate_type: String,
    aggregate_id: String,
    sequence: u64,
}

/// The reply to an accepted command.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reply {
    pub command_id: Uuid,
    /// What the command made or changed.
    #[schema(example = "post")]
    pub aggregate_type: String,
    #[schema(example = "01970000-0000-7000-8000-000000000001")]
    pub aggregate_id: String,
    /// Where the log stands with this command done: give it to a read as `min_position`.
    #[schema(example = 4711)]
    pub position: Position,
    /// What was appended; empty where the command changes nothing.
    pub events: Vec<ReplyEvent>,
    /// What only this command returns.
    #[schema(value_type = Object)]
    pub result: Value,
    /// Who the sender turned out to be, for the log of accesses.
    #[serde(skip)]
    pub(crate) sent_by: Option<Actor>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReplyEvent {
    pub event_id: Uuid,
    #[schema(example = "PostCreated")]
    pub r#type: String,
    #[schema(example = "post")]
    pub aggregate_type: String,
    pub aggregate_id: String,
    /// The event's place on its stream: for `If-Match`.
    #[schema(example = 1)]
    pub sequence: u64,
    #[schema(example = 4711)]
    pub position: Position,
}

impl Draft {
    pub fn new(
        command_id: Uuid,
        aggregate_type: &str,
        aggregate_id: String,
        unit: &Unit,
        result: Value,
    ) -> Self {
        let events = unit
            .events
            .iter()
            .map(|event| DraftEvent {
                event_id: event.event_id,
                r#type: event.event_type.to_owned(),
                aggregate_type: event.stream.aggregate_type.to_owned(),
                aggregate_id: event.stream.aggregate_id.as_ref().to_owned(),
                sequence: event.sequence,
            })
            .collect();
        let aggregate_type = aggregate_type.to_owned();
        Self { command_id, aggregate_type, aggregate_id, events, result }
    }

    /// The reply of a unit whose first event came to stand here; of a unit without events, the
    /// head under which it was checked.
    pub fn placed(self, first_position: Position) -> Reply {
        let last = (self.events.len() as u64).saturating_sub(1);
        Reply {
            command_id: self.command_id,
            aggregate_type: self.aggregate_type,
            aggregate_id: self.aggregate_id,
            position: first_position + last,
            events: self
                .events
                .into_iter()
                .zip(first_position..)
                .map(|(event, position)| ReplyEvent {
                    event_id: event.event_id,
                    r#type: event.r#type,
                    aggregate_type: event.aggregate_type,
                    aggregate_id: event.aggregate_id,
                    sequence: event.sequence,
                    position,
                })
                .collect(),
            result: self.result,
            sent_by: None,
        }
    }

    /// As [`Self::placed`], from a receipt: for a unit without events the log keeps the position
    /// after the head.
    pub fn placed_before(self, first_position: Position) -> Reply {
        let position = first_position - u64::from(self.events.is_empty());
        self.placed(position)
    }
}
