//! A cache that lags costs a retry, never a wrong event.

use std::num::NonZeroUsize;

use crate::common::*;
use agora_domain::{
    Actor, Decide,
    content::{
        post_vote::{CastPostVote, PostVote, PostVoteCommand},
        vote::{Target, VoteState},
    },
    ids::{MemberId, PostId, PostVoteId},
};
use agora_event_store::{
    AppendError, Appended, EventLog, Loaded, Unit, log::Draft, testing::TestDatabase,
};
use uuid::Uuid;

const VOTER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));

fn stream_id() -> String {
    PostVote::stream_id(PostId(Uuid::from_u128(3)), VOTER)
}

async fn cast(
    log: &EventLog,
    loaded: &Loaded<PostVote>,
    vote_state: VoteState,
) -> Result<Appended, AppendError> {
    let events = loaded
        .state
        .decide(PostVoteCommand::Cast(CastPostVote {
            new_id: PostVoteId(id()),
            post_id: PostId(Uuid::from_u128(3)),
            voter: VOTER,
            vote_state,
            post: Target { author: Actor::member(MemberId(Uuid::from_u128(2))), is_deleted: false },
        }))
        .unwrap();
    let mut unit = Unit::default();
    let draft = Draft { loaded, events, event_ids: &mut id, metadata: "{}", client_address: None };
    log.draft(&mut unit, draft).await.unwrap();
    log.append(unit).await
}

#[tokio::test]
async fn a_stale_aggregate_is_refused_and_the_next_load_is_right() {
    let database = TestDatabase::new().await;
    let (a, b) = (database.log().await, database.log().await);
    let id = stream_id();
    position(&cast(&a, &a.load(&id).await.unwrap(), VoteState::Upvote).await);
    // B reads it, A changes it, B decides on what it has.
    let stale = b.load::<PostVote>(&id).await.unwrap();
    position(&cast(&a, &a.load(&id).await.unwrap(), VoteState::Downvote).await);
    let cached = b.load::<PostVote>(&id).await.unwrap();
    assert_eq!((cached.sequence, cached.state.vote_state), (1, VoteState::Upvote), "B cannot know");
    assert_eq!(cast(&b, &stale, VoteState::None).await, Err(AppendError::Moved));
    let fresh = b.load::<PostVote>(&id).await.unwrap();
    assert_eq!((fresh.sequence, fresh.state.vote_state), (2, VoteState::Downvote));
    position(&cast(&b, &fresh, VoteState::None).await);
    // As a guard it is no better.
    let stale = a.load::<PostVote>(&id).await.unwrap();
    let relying = Unit { guards: vec![stale.guard()], ..lone_unit() };
    assert_eq!(a.append(relying).await, Err(AppendError::Moved));
    let fresh = a.load::<PostVote>(&id).await.unwrap();
    let relying = Unit { guards: vec![fresh.guard()], ..lone_unit() };
    position(&a.append(relying).await);
}

#[tokio::test]
async fn catching_up_takes_in_what_others_wrote() {
    let database = TestDatabase::new().await;
    let (a, b) = (database.log().await, database.log().await);
    let id = stream_id();
    position(&cast(&a, &a.load(&id).await.unwrap(), VoteState::Upvote).await);
    b.load::<PostVote>(&id).await.unwrap();
    position(&cast(&a, &a.load(&id).await.unwrap(), VoteState::Downvote).await);
    b.catch_up().await;
    assert_eq!(*b.head().borrow(), 2);
    assert_eq!(b.load::<PostVote>(&id).await.unwrap().state.vote_state, VoteState::Downvote);
    assert_eq!(b.cached(), 1);
}

/// The cache of its own instance is exact, so its own changes need no second look at the log.
#[tokio::test]
async fn an_instance_finds_its_own_changes_in_the_cache_and_is_checked_all_the_same() {
    let database = TestDatabase::new().await;
    let log = database.log().await;
    let id = stream_id();
    let presumed = log.presume::<PostVote>(&id);
    assert!(presumed.presumed);
    position(&cast(&log, &presumed, VoteState::Upvote).await);
    let cached = log.presume::<PostVote>(&id);
    assert!(!cached.presumed);
    assert_eq!((cached.sequence, cached.state.vote_state), (1, VoteState::Upvote));
    // Twice the same decision, one after the other and in one batch.
    position(&cast(&log, &cached, VoteState::Downvote).await);
    assert_eq!(cast(&log, &cached, VoteState::Downvote).await, Err(AppendError::Moved));
    // Presumed to be new, though it is not.
    let elsewhere = database.log().await;
    let wrong = elsewhere.presume::<PostVote>(&id);
    assert_eq!(cast(&elsewhere, &wrong, VoteState::Upvote).await, Err(AppendError::Moved));
    assert_eq!(all(&database).await.len(), 2);
}

#[tokio::test]
async fn the_cache_is_bounded_and_what_it_dropped_is_loaded_again() {
    let database = TestDatabase::new().await;
    let log = open(&database, |mut config| {
        config.cache_entries_max = NonZeroUsize::new(4).unwrap();
        config
    })
    .await;
    let id = stream_id();
    position(&cast(&log, &log.presume(&id), VoteState::Upvote).await);
    for n in 0..10 {
        log.load::<PostVote>(&format!("other-{n}")).await.unwrap();
    }
    assert_eq!(log.cached(), 4);
    let loaded = log.load::<PostVote>(&id).await.unwrap();
    assert_eq!((loaded.sequence, loaded.state.vote_state), (1, VoteState::Upvote));
    position(&cast(&log, &loaded, VoteState::Downvote).await);
}
