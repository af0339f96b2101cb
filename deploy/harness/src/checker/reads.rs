//! I5: `min_position` is never answered with older data, and what one client reads never goes
//! backwards.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Findings, Observed};

/// Upvotes and downvotes of a post from a position on.
type States = HashMap<Uuid, Vec<(i64, i64, i64)>>;

pub(super) fn check(observed: &Observed, findings: &mut Findings) {
    let states = states(observed);
    let mut last: HashMap<usize, i64> = HashMap::new();
    for seen in &observed.seen {
        let (client, position) = (seen.client, seen.position);
        if position < seen.min_position {
            let wanted = seen.min_position;
            findings.add("I5", format!("client {client} asked for {wanted} and got {position}"));
        }
        let before = last.entry(client).or_default();
        if position < *before {
            findings.add("I5", format!("client {client} read at {before} and then at {position}"));
        }
        *before = position.max(*before);
        // What is shown is some state of the post that held at or after the position.
        let all = states.get(&seen.post).map(Vec::as_slice).unwrap_or_default();
        let until = |index: usize| all.get(index + 1).map_or(i64::MAX, |next| next.0);
        let held = all.iter().enumerate().any(|(index, (_, up, down))| {
            until(index) > position && (*up, *down) == (seen.upvotes, seen.downvotes)
        });
        if !held {
            let (up, down) = (seen.upvotes, seen.downvotes);
            let what = format!(
                "client {client} read {up} up, {down} down of post {} at {position}: older, or never so",
                seen.post
            );
            findings.add("I5", what);
        }
    }
}

fn states(observed: &Observed) -> States {
    let mut states = States::new();
    let mut votes: HashMap<&str, &str> = HashMap::new();
    for event in &observed.events {
        let post = event.fields["post_id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
        match (event.event_type.as_str(), post) {
            ("PostCreated", _) => {
                if let Ok(post) = event.aggregate_id.parse() {
                    states.entry(post).or_default().push((event.position, 0, 0));
                }
            }
            ("PostVoteCast", Some(post)) => {
                let after = event.fields["vote_state"].as_str().unwrap_or_default();
                let before = votes.insert(&event.aggregate_id, after).unwrap_or("none");
                let change = |word| i64::from(after == word) - i64::from(before == word);
                let all = states.entry(post).or_default();
                let (_, up, down) = all.last().copied().unwrap_or_default();
                all.push((event.position, up + change("upvote"), down + change("downvote")));
            }
            _ => {}
        }
    }
    states
}
