//! Older versions of events, lifted to the current one when they are read.
//!
//! Unsealing comes first, so an upcaster sees values, not ciphertext. A new version of an event adds one
//! line here and a stored fixture.

use cqrs_es::persist::{EventUpcaster, SemanticVersionEventUpcaster};
use serde_json::Value;

/// Every upcaster, oldest version first.
pub fn upcasters() -> Vec<Box<dyn EventUpcaster>> {
    vec![
        with_field("SessionIssued", "2", "era", Value::from(0)),
        with_field("SessionIssued", "3", "organization_id", Value::Null),
    ]
}

/// Lifts an event to the version that has a field more, of the value that stands for none.
fn with_field(
    event_type: &'static str,
    version: &'static str,
    field: &'static str,
    value: Value,
) -> Box<dyn EventUpcaster> {
    let lift = move |mut payload: Value| {
        if let Some(fields) = payload.get_mut(event_type).and_then(Value::as_object_mut) {
            fields.entry(field).or_insert_with(|| value.clone());
        }
        payload
    };
    Box::new(SemanticVersionEventUpcaster::new(event_type, version, Box::new(lift)))
}

#[cfg(test)]
mod tests {
    use cqrs_es::persist::SerializedEvent;
    use serde_json::json;

    use super::*;

    fn lifted(version: &str, payload: Value) -> SerializedEvent {
        let event = SerializedEvent::new(
            "s".to_owned(),
            1,
            "session".to_owned(),
            "SessionIssued".to_owned(),
            version.to_owned(),
            payload,
            json!({}),
        );
        upcasters().iter().fold(event, |event, upcaster| {
            let lifts = upcaster.can_upcast(&event.event_type, &event.event_version);
            if lifts { upcaster.upcast(event) } else { event }
        })
    }

    #[test]
    fn esx_13_a_session_of_an_older_version_is_of_no_organization() {
        let first = lifted("1", json!({"SessionIssued": {"session_id": "a"}}));
        let wanted = json!({"session_id": "a", "era": 0, "organization_id": null});
        assert_eq!(first.payload["SessionIssued"], wanted);
        let second = lifted("2", json!({"SessionIssued": {"session_id": "a", "era": 7}}));
        assert_eq!(second.payload["SessionIssued"]["era"], 7);
        assert_eq!(second.payload["SessionIssued"]["organization_id"], Value::Null);
        let third = json!({"SessionIssued": {"era": 7, "organization_id": "b"}});
        assert_eq!(lifted("3", third.clone()).payload, third);
    }
}
