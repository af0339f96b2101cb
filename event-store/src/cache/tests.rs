use super::*;

fn cache(entries_max: usize, known: Position) -> Cache {
    Cache::new(NonZeroUsize::new(entries_max).unwrap(), known)
}

fn stream(id: &str) -> StreamName {
    StreamName::new("tally", id)
}

fn state(id: &str, sequence: u64) -> StateAfter {
    StateAfter { stream: stream(id), sequence, state: Arc::new(sequence) }
}

fn sequence(cache: &Cache, id: &str) -> Option<u64> {
    cache.get(&stream(id)).map(|hit| hit.sequence)
}

fn holds_to(cache: &Cache, id: &str, known: Position) -> Option<Position> {
    match cache.check(stream(id).key(), known) {
        Checked::HoldsTo(position) => Some(position),
        Checked::Moved => None,
    }
}

#[test]
fn it_keeps_the_entries_that_were_used_last_and_no_more() {
    let cache = cache(3, 0);
    for (position, id) in (1..).zip(["a", "b", "c"]) {
        cache.advance([(position, stream(id).key())], [state(id, 1)], position);
    }
    assert_eq!(sequence(&cache, "a"), Some(1));
    cache.advance([(4, stream("d").key())], [state("d", 1)], 4);
    assert_eq!(cache.len(), 3);
    assert_eq!(sequence(&cache, "b"), None, "the one that was not used");
    assert_eq!(sequence(&cache, "a"), Some(1));
}

#[test]
fn a_hit_is_known_up_to_where_the_cache_is() {
    let cache = cache(3, 10);
    cache.advance([(11, stream("a").key())], [state("a", 1)], 11);
    cache.advance([(12, stream("b").key())], [], 12);
    let hit = cache.get(&stream("a")).unwrap();
    assert_eq!((hit.known, hit.sequence), (12, 1));
    assert_eq!(*hit.state.downcast::<u64>().unwrap(), 1);
}

#[test]
fn what_others_wrote_is_forgotten() {
    let cache = cache(3, 0);
    cache.advance([(1, stream("a").key())], [state("a", 1)], 1);
    cache.advance([(2, stream("a").key())], [], 2);
    assert_eq!(sequence(&cache, "a"), None);
}

#[test]
fn what_was_loaded_is_not_put_in_where_the_stream_changed_meanwhile() {
    let cache = cache(3, 5);
    let ticket = cache.ticket();
    cache.advance([(6, stream("a").key())], [], 6);
    cache.put_loaded(ticket, state("a", 1));
    assert_eq!(sequence(&cache, "a"), None, "it may be from before the change");
    cache.put_loaded(ticket, state("b", 1));
    assert_eq!(sequence(&cache, "b"), Some(1), "another stream's change is none of its own");
    cache.put_loaded(cache.ticket(), state("a", 2));
    assert_eq!(sequence(&cache, "a"), Some(2));

    // Its own newer state is not overwritten either.
    let ticket = cache.ticket();
    cache.advance([(7, stream("a").key())], [state("a", 3)], 7);
    cache.put_loaded(ticket, state("a", 2));
    assert_eq!(sequence(&cache, "a"), Some(3));
}

#[test]
fn what_was_loaded_is_not_put_in_after_all_was_forgotten() {
    let cache = cache(3, 5);
    let ticket = cache.ticket();
    cache.forget(5);
    cache.put_loaded(ticket, state("a", 1));
    assert_eq!(sequence(&cache, "a"), None);
}

#[test]
fn a_ticket_older_than_the_window_of_changes_puts_nothing_in() {
    let cache = cache(3, 0);
    let ticket = cache.ticket();
    let changes = (1..).zip(vec![stream("x").key(); CHANGES_MAX + 1]);
    cache.advance(changes, [], CHANGES_MAX as u64 + 1);
    cache.put_loaded(ticket, state("a", 1));
    assert_eq!(sequence(&cache, "a"), None);
}

#[test]
fn guards_hold_up_to_the_known_position_unless_their_stream_moved() {
    let cache = cache(3, 0);
    cache.advance([(1, stream("a").key()), (2, stream("b").key()), (3, stream("a").key())], [], 4);
    assert_eq!(holds_to(&cache, "a", 2), None);
    assert_eq!(holds_to(&cache, "a", 3), Some(4));
    assert_eq!(holds_to(&cache, "b", 1), None);
    assert_eq!(holds_to(&cache, "b", 2), Some(4));
    assert_eq!(holds_to(&cache, "never", 0), Some(4));
    assert_eq!(holds_to(&cache, "a", 5), None, "known from a history that is lost");
}

#[test]
fn guards_older_than_the_window_hold_only_to_where_they_were_known() {
    let cache = cache(3, 0);
    let last = CHANGES_MAX as u64 + 10;
    let moved = stream("moved").key();
    let changes = (1..=last).map(|position| match position {
        3 => (position, moved),
        _ => (position, stream("x").key()),
    });
    cache.advance(changes, [], last);
    assert_eq!(holds_to(&cache, "still", 9), Some(9), "the database must look");
    assert_eq!(holds_to(&cache, "moved", 2), Some(2), "the database must look");
    assert_eq!(holds_to(&cache, "still", 10), Some(last), "the window reaches back so far");
    assert!(cache.lock().order.len() <= CHANGES_MAX && cache.lock().changed.len() <= CHANGES_MAX);
}

#[test]
fn forgetting_leaves_nothing_but_the_position() {
    let cache = cache(3, 0);
    cache.advance([(1, stream("a").key())], [state("a", 1)], 1);
    cache.forget(7);
    assert!(cache.is_empty());
    assert_eq!(cache.known(), 7);
    assert_eq!(holds_to(&cache, "a", 0), Some(0), "the database must look");
    assert_eq!(holds_to(&cache, "a", 7), Some(7));
}
