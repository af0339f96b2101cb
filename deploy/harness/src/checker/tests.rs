//! The checker, tested with planted bugs: each must be caught, and nothing where there is none.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Value, json};

use super::*;
use crate::fold;

const POST: Uuid = Uuid::from_u128(1);

fn trace(number: i64) -> String {
    format!("00-{number:032x}-0000000000000001-01")
}

fn event(
    position: i64,
    stream: (&str, &str),
    sequence: i64,
    event_type: &str,
    fields: Value,
) -> Event {
    Event {
        position,
        event_id: Uuid::from_u128(1_000 + position as u128),
        aggregate_type: stream.0.to_owned(),
        aggregate_id: stream.1.to_owned(),
        sequence,
        event_type: event_type.to_owned(),
        fields,
        metadata: json!({ "traceparent": trace(position), "command": format!("c{position}") }),
        recorded_at: DateTime::from_timestamp_micros(1_000_000 + position).unwrap(),
    }
}

fn vote(position: i64, voter: u128, sequence: i64, state: &str, previous: &str) -> Event {
    let voter = Uuid::from_u128(voter);
    let fields = json!({
        "id": voter, "post_id": POST, "voter": { "kind": "member", "id": voter },
        "vote_state": state, "previous": previous,
    });
    event(
        position,
        ("post_vote", &format!("{POST}:member:{voter}")),
        sequence,
        "PostVoteCast",
        fields,
    )
}

/// A history in which everything holds: a post, three votes, one of them changed.
fn sound() -> Observed {
    let author = json!({ "kind": "member", "id": Uuid::from_u128(9) });
    let created = json!({
        "post_id": POST, "community_id": Uuid::from_u128(2), "author": author,
        "title": "sealed:v1:content:x", "body": "sealed:v1:content:y", "author_display_name": null,
    });
    let events = vec![
        event(1, ("post", &POST.to_string()), 1, "PostCreated", created),
        vote(2, 11, 1, "upvote", "none"),
        vote(3, 12, 1, "upvote", "none"),
        vote(4, 13, 1, "downvote", "none"),
        vote(5, 11, 2, "none", "upvote"),
    ];
    let accepted = |event: &Event| Sent {
        traceparent: trace(event.position),
        outcome: Outcome::Accepted(vec![Placed {
            event_id: event.event_id,
            position: event.position,
        }]),
    };
    let mut sent: Vec<Sent> = events.iter().map(accepted).collect();
    sent.push(Sent { traceparent: trace(90), outcome: Outcome::Refused });
    sent.push(Sent { traceparent: trace(91), outcome: Outcome::Unknown });
    let seen = |min_position, position, upvotes, downvotes| Seen {
        client: 1,
        min_position,
        position,
        post: POST,
        upvotes,
        downvotes,
    };
    Observed {
        tables: fold::fold(&events),
        checkpoints: vec![Checkpoint {
            name: "post_scores".to_owned(),
            position: 5,
            is_running: true,
        }],
        sent,
        seen: vec![seen(1, 1, 0, 0), seen(3, 3, 2, 0), seen(4, 5, 1, 1)],
        logs: vec![("command-api.log".to_owned(), "everything is well".to_owned())],
        secrets: vec!["ola@example.org".to_owned()],
        events,
        ..Observed::default()
    }
}

fn invariants(observed: &Observed) -> Vec<&'static str> {
    let mut found: Vec<_> = check(observed).iter().map(|violation| violation.invariant).collect();
    found.dedup();
    found
}

/// The history with a bug in it, and the invariant that must be found broken first.
fn caught(expected: &str, plant: impl FnOnce(&mut Observed)) {
    let mut observed = sound();
    plant(&mut observed);
    let found = invariants(&observed);
    assert!(found.contains(&expected), "{expected} was not caught; found {found:?}");
}

#[test]
fn a_sound_history_has_no_violation() {
    assert_eq!(check(&sound()), []);
}

#[test]
fn i1_an_acknowledged_command_that_is_lost_is_caught() {
    caught("I1", |it| drop(it.events.pop()));
    caught("I1", |it| it.events[4].metadata["traceparent"] = json!("another"));
}

#[test]
fn i1_an_acknowledged_command_that_is_there_twice_is_caught() {
    caught("I1", |it| {
        let mut again = vote(6, 14, 1, "upvote", "none");
        again.metadata["traceparent"] = json!(trace(4));
        it.events.push(again);
    });
}

#[test]
fn i1_a_refused_command_that_is_there_is_caught() {
    caught("I1", |it| it.sent[4].outcome = Outcome::Refused);
}

#[test]
fn i1_a_command_of_unknown_outcome_may_be_there_once_but_not_twice() {
    let mut once = sound();
    once.sent[4].outcome = Outcome::Unknown;
    assert_eq!(check(&once), []);
    caught("I1", |it| {
        it.sent[4].outcome = Outcome::Unknown;
        let mut again = vote(6, 14, 1, "upvote", "none");
        again.metadata["traceparent"] = json!(trace(5));
        it.events.push(again);
    });
}

#[test]
fn i1_a_reply_with_a_wrong_position_is_caught() {
    caught("I1", |it| {
        let Outcome::Accepted(placed) = &mut it.sent[2].outcome else { unreachable!() };
        placed[0].position = 4;
    });
}

#[test]
fn i2_a_gap_in_the_order_is_caught() {
    caught("I2", |it| drop(it.events.remove(2)));
    caught("I2", |it| it.events.iter_mut().skip(3).for_each(|event| event.position += 1));
}

#[test]
fn i2_a_gap_in_a_stream_and_a_doubled_event_are_caught() {
    caught("I2", |it| it.events[4].sequence = 3);
    caught("I2", |it| it.events[3].event_id = it.events[2].event_id);
}

#[test]
fn i2_times_that_go_backwards_are_caught() {
    caught("I2", |it| it.events[3].recorded_at = DateTime::from_timestamp_micros(5).unwrap());
}

#[test]
fn i3_a_wrong_score_a_missing_row_and_one_too_many_are_caught() {
    let score = |it: &mut Observed, value: i64| {
        let scores = it.tables.get_mut("post_scores").unwrap();
        scores.get_mut(&POST.to_string()).unwrap()["score"] = json!(value);
    };
    caught("I3", |it| score(it, 1));
    caught("I3", |it| it.tables.get_mut("post_votes").unwrap().clear());
    caught("I3", |it| {
        it.tables.get_mut("members").unwrap().insert("ghost".to_owned(), json!({ "id": "ghost" }));
    });
    caught("I3", |it| it.tables = BTreeMap::new());
}

#[test]
fn i3_a_vote_that_a_projector_applied_twice_is_caught() {
    caught("I3", |it| {
        let twice: Vec<Event> = it.events.iter().chain([&it.events[2]]).cloned().collect();
        let mut doubled = fold::fold(&twice);
        // As a projector does that adds up what events say was before.
        let score = doubled.get_mut("post_scores").unwrap().get_mut(&POST.to_string()).unwrap();
        score["upvotes"] = json!(2);
        score["score"] = json!(1);
        it.tables = doubled;
    });
}

#[test]
fn i3_i4_a_checkpoint_beyond_the_head_behind_it_or_stopped_is_caught() {
    caught("I3", |it| it.checkpoints[0].position = 6);
    caught("I4", |it| it.checkpoints[0].position = 4);
    caught("I4", |it| it.checkpoints[0].is_running = false);
}

#[test]
fn i4_an_event_that_never_reached_a_process_is_caught() {
    caught("I4", |it| {
        it.wake_ups.insert(Uuid::from_u128(77));
    });
    caught("I4", |it| {
        let session = Uuid::from_u128(78).to_string();
        it.events.push(event(6, ("session", &session), 1, "SessionIssued", json!({})));
    });
}

#[test]
fn i5_older_data_than_asked_for_is_caught() {
    caught("I5", |it| it.seen[1].position = 2);
    // The position is right, the rows are not.
    caught("I5", |it| (it.seen[1].upvotes, it.seen[1].downvotes) = (1, 0));
}

#[test]
fn i5_reading_backwards_is_caught() {
    caught("I5", |it| it.seen.swap(1, 2));
}

#[test]
fn i6_a_changed_event_is_caught() {
    caught("I6", |it| it.wrong_hashes.push(3));
}

#[test]
fn i8_panics_personal_data_and_bare_errors_are_caught() {
    caught("I8", |it| it.logs[0].1 = "thread 'main' panicked at src/main.rs:1".to_owned());
    caught("I8", |it| it.logs[0].1 = "cannot log in ola@example.org".to_owned());
    caught("I8", |it| it.bad_errors.push("500 text/plain".to_owned()));
}

#[test]
fn i9_what_does_not_heal_is_caught() {
    caught("I9", |it| it.not_healed = Some("the lag stays at 5".to_owned()));
}
