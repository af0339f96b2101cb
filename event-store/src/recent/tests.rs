use chrono::DateTime;
use uuid::Uuid;

use super::*;

fn event(position: Position, bytes: usize) -> RecordedEvent {
    RecordedEvent {
        position,
        event_id: Uuid::nil(),
        aggregate_type: "t".into(),
        aggregate_id: "i".into(),
        sequence: position,
        event_type: "E".into(),
        event_version: "1".into(),
        payload: "x".repeat(bytes),
        metadata: "{}".into(),
        recorded_at: DateTime::UNIX_EPOCH,
    }
}

fn after(recent: &Recent, position: Position, limit: usize) -> Vec<Position> {
    recent.after(position, limit).iter().map(|event| event.position).collect()
}

#[test]
fn it_gives_what_follows_directly_or_nothing() {
    let recent = Recent::default();
    assert_eq!(after(&recent, 0, 10), [0_u64; 0]);
    recent.push((5..9).map(|position| event(position, 1)));
    assert_eq!(after(&recent, 4, 10), [5, 6, 7, 8]);
    assert_eq!(after(&recent, 6, 1), [7]);
    assert_eq!(after(&recent, 3, 10), [0_u64; 0], "4 is not here: the log must be read");
    assert_eq!(after(&recent, 8, 10), [0_u64; 0]);
    assert_eq!(after(&recent, 100, 10), [0_u64; 0]);
}

#[test]
fn what_others_wrote_between_leaves_no_hole() {
    let recent = Recent::default();
    recent.push([event(1, 1), event(2, 1)]);
    recent.push([event(4, 1)]);
    assert_eq!(after(&recent, 0, 10), [0_u64; 0]);
    assert_eq!(after(&recent, 3, 10), [4]);
    recent.clear();
    assert_eq!(after(&recent, 3, 10), [0_u64; 0]);
}

#[test]
fn it_is_bounded_in_events_and_in_bytes() {
    let recent = Recent::default();
    recent.push((1..=20_000).map(|position| event(position, 1)));
    assert_eq!(recent.run.lock().unwrap().events.len(), EVENTS_MAX);
    recent.push((20_001..=20_040).map(|position| event(position, 1 << 20)));
    let run = recent.run.lock().unwrap();
    assert!(run.bytes <= BYTES_MAX && run.events.len() < 20);
    assert_eq!(run.bytes, run.events.iter().map(|event| event.bytes()).sum::<usize>());
}
