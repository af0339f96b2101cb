//! Streams that are read whole stay short, and a test that loads a longer one fails.

use agora_domain::{
    changes::STREAM_MAX,
    content::post::{Post, PostEvent},
};
use agora_event_store::{EventLog, Unit, log::Draft, testing::TestDatabase};

use crate::common::{
    id,
    posts::{self, Written},
};

/// Appends so many events to a post, past every rule.
async fn toggle(log: &EventLog, post: &Written, count: usize) {
    let loaded = log.load::<Post>(&post.post).await.unwrap();
    let events = (0..count).map(|turn| match turn % 2 {
        0 => PostEvent::PostDeleted { deleted_by: post.author },
        _ => PostEvent::PostRestored { restored_by: post.author },
    });
    let draft = Draft {
        loaded: &loaded,
        events: events.collect(),
        event_ids: &mut id,
        metadata: "{}",
        client_address: None,
    };
    let mut unit = Unit::default();
    log.draft(&mut unit, draft).await.unwrap();
    log.append(unit).await.unwrap();
}

#[tokio::test]
async fn a_stream_of_more_than_200_events_that_is_read_whole_fails_its_test() {
    let database = TestDatabase::new().await;
    let log = database.log().await;
    let post = posts::create(&log).await;
    toggle(&log, &post, STREAM_MAX - 1).await;
    let whole = database.log().await.load::<Post>(&post.post).await.unwrap();
    assert_eq!(whole.sequence, STREAM_MAX as u64);
    toggle(&log, &post, 1).await;
    let fresh = database.log().await;
    let loading = tokio::spawn(async move { fresh.load::<Post>(&post.post).await.is_ok() });
    assert!(loading.await.unwrap_err().is_panic());
}
