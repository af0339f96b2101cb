//! One unit's bad data costs that unit alone.

use crate::common::*;
use agora_event_store::{AppendError, Unit};

/// A NUL is refused when the call is bound, bad JSON when it is cast, a long id by a constraint: each
/// fails the whole call, which is then halved until the bad unit is alone.
#[tokio::test]
async fn a_bad_byte_among_255_good_neighbours_fails_alone() {
    let (database, log) = database_and_log().await;
    let mut written = 0;
    for (name, state, spoil) in [
        ("a NUL", "22021", (|unit: &mut Unit| unit.events[0].payload.push('\0')) as fn(&mut Unit)),
        ("invalid JSON", "22P02", |unit| unit.events[0].payload.push('}')),
        ("invalid metadata", "22P02", |unit| unit.events[0].metadata.clear()),
        ("an id of 513 bytes", "23514", |unit| unit.events[0].stream = stream(&"x".repeat(513))),
        ("a sequence below one", "23514", |unit| {
            let sequenced = unit.events[0].clone();
            unit.events.push(agora_event_store::unit::NewEvent {
                sequence: 0,
                event_id: id(),
                ..sequenced
            });
        }),
    ] {
        let units = (0..256)
            .map(|n| {
                let mut unit = lone_unit();
                if n == 77 {
                    spoil(&mut unit);
                }
                unit
            })
            .collect();
        let outcomes = append_together(&database, &log, units).await;
        for (n, outcome) in outcomes.iter().enumerate() {
            if n == 77 {
                assert_eq!(outcome, &Err(AppendError::Data(state.into())), "{name}");
            } else {
                assert!(outcome.is_ok(), "{name}: unit {n}: {outcome:?}");
            }
        }
        written += 256;
        assert_eq!(all(&database).await.len(), written, "{name}: 255 and the plug");
    }
    assert_dense(&all(&database).await);
}

#[tokio::test]
async fn two_events_of_one_id_in_one_batch_fail_only_the_second() {
    let (database, log) = database_and_log().await;
    let mut units: Vec<_> = (0..10).map(|_| lone_unit()).collect();
    let twice = units[3].events[0].event_id;
    units[6].events[0].event_id = twice;
    let outcomes = append_together(&database, &log, units).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        if n != 6 {
            position(outcome);
        }
    }
    // Its id is found as written: by its neighbour, as it would be by itself.
    assert_eq!(outcomes[6], Ok(agora_event_store::Appended::Before(position(&outcomes[3]))));
    let mut alone =
        Unit { events: vec![event(&stream("x"), 1), event(&stream("y"), 1)], ..Unit::default() };
    alone.events[1].event_id = alone.events[0].event_id;
    assert_eq!(log.append(alone).await, Err(AppendError::Data("23505".into())));
    assert_eq!(all(&database).await.len(), 10);
}
