//! cqrs-es's own framework on the log, and older versions of events lifted on the way in.

use std::{collections::HashMap, sync::Arc};

use crate::common::{posts::*, *};
use agora_domain::{
    Actor, Decide, Personal, PersonalCategory,
    content::{
        post::{CreatePost, Post, PostCommand},
        post_vote::{CastPostVote, PostVote, PostVoteCommand, PostVoteError},
        vote::{Target, VoteState},
    },
    ids::{CommunityId, MemberId, PostId, PostVoteId},
};
use agora_event_store::{Guard, StreamName, Unit, log::Draft, unit::NewEvent};
use cqrs_es::{
    AggregateError, CqrsFramework, EventStore,
    persist::{EventUpcaster, SerializedEvent},
};
use uuid::Uuid;

const POST: PostId = PostId(Uuid::from_u128(3));
const VOTER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const AUTHOR: Actor = Actor::member(MemberId(Uuid::from_u128(2)));

fn vote(vote_state: VoteState) -> PostVoteCommand {
    PostVoteCommand::Cast(CastPostVote {
        new_id: PostVoteId(Uuid::from_u128(9)),
        post_id: POST,
        voter: VOTER,
        vote_state,
        post: Target { author: AUTHOR, is_deleted: false },
    })
}

#[tokio::test]
async fn the_framework_executes_commands_and_reads_their_events_back() {
    let (_database, log) = database_and_log().await;
    let id = PostVote::stream_id(POST, VOTER);
    let framework = CqrsFramework::new(log.store::<PostVote>(), Vec::new(), ());
    let metadata = HashMap::from([("actor".to_owned(), VOTER.to_string())]);
    framework.execute(&id, vote(VoteState::Upvote)).await.unwrap();
    framework
        .execute_with_metadata(&id, vote(VoteState::Downvote), metadata.clone())
        .await
        .unwrap();
    // The same again changes nothing and is no error.
    framework.execute(&id, vote(VoteState::Downvote)).await.unwrap();
    let events = log.store::<PostVote>().load_events(&id).await.unwrap();
    let seen: Vec<_> = events.iter().map(|event| (event.sequence, &event.metadata)).collect();
    assert_eq!(seen, [(1, &HashMap::new()), (2, &metadata)]);
    assert!(events.iter().all(|event| event.aggregate_id == id));
    let loaded = log.load::<PostVote>(&id).await.unwrap();
    assert_eq!((loaded.sequence, loaded.state.vote_state), (2, VoteState::Downvote));

    let own = PostVoteCommand::Cast(CastPostVote {
        post: Target { author: VOTER, is_deleted: false },
        ..match vote(VoteState::Upvote) {
            PostVoteCommand::Cast(cast) => cast,
        }
    });
    let refused = framework.execute(&id, own).await;
    assert!(matches!(refused, Err(AggregateError::UserError(PostVoteError::OwnPost))));
}

#[tokio::test]
async fn commands_at_once_are_one_success_and_conflicts() {
    let (database, log) = database_and_log().await;
    let other = database.log().await;
    for round in 0..20 {
        let id = format!("vote-{round}");
        let mut tasks = Vec::new();
        for n in 0..8 {
            let store = if n % 2 == 0 { log.store::<PostVote>() } else { other.store() };
            // All have read before the first of them writes.
            let context = store.load_aggregate(&id).await.unwrap();
            tasks.push((store, context));
        }
        let tasks = tasks.into_iter().map(|(store, context)| {
            tokio::spawn(async move {
                let events = PostVote::default().decide(vote(VoteState::Upvote)).unwrap();
                store.commit(events, context, HashMap::new()).await.map(|events| events.len())
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut successes = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(1) => successes += 1,
                Err(AggregateError::AggregateConflict) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(successes, 1);
    }
    assert_eq!(all(&database).await.len(), 20);
}

#[tokio::test]
async fn personal_values_pass_through_the_framework_sealed() {
    let (database, log) = database_and_log().await;
    let post = PostId(id());
    let create = PostCommand::Create(CreatePost {
        post_id: post,
        community_id: CommunityId(Uuid::from_u128(1)),
        author: AUTHOR,
        title: title(&AUTHOR.subject(), TITLE),
        body: body(&AUTHOR.subject(), BODY),
        author_display_name: None,
        community_open: true,
        author_may_post: true,
    });
    let framework = CqrsFramework::new(log.store::<Post>(), Vec::new(), ());
    framework.execute(&post.to_string(), create).await.unwrap();
    let stored = &stored(&database, &post.to_string()).await[0];
    assert!(!stored.payload.contains(TITLE) && stored.payload.contains("sealed:v1:content:"));
    let events = log.store::<Post>().load_events(&post.to_string()).await.unwrap();
    let agora_domain::content::post::PostEvent::PostCreated { title, .. } = &events[0].payload
    else {
        panic!("{:?}", events[0].payload)
    };
    assert_eq!(title.get().unwrap().as_str(), TITLE);
}

/// Version 0 of `PostCreated` had one text, `headline`, and knew no community: invented for this test.
struct FromHeadline;

impl EventUpcaster for FromHeadline {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        event_type == "PostCreated" && event_version == "0"
    }

    fn upcast(&self, mut event: SerializedEvent) -> SerializedEvent {
        let created = event.payload["PostCreated"].as_object_mut().unwrap();
        let headline = created.remove("headline").unwrap();
        // Unsealing came first: what an upcaster sees is the value.
        let text = headline["$personal"]["value"].as_str().unwrap();
        let mut body = headline.clone();
        body["$personal"]["value"] = format!("{text}, in full").into();
        created.insert("title".into(), headline);
        created.insert("body".into(), body);
        created.insert("community_id".into(), Uuid::from_u128(1).to_string().into());
        event.event_version = "1".into();
        event
    }
}

#[tokio::test]
async fn an_older_version_is_unsealed_and_then_lifted() {
    let (database, log) = database_and_log().await;
    // Sealed as a field `headline` of an old event would have been.
    let post = id().to_string();
    let sealed = {
        #[derive(serde::Serialize)]
        struct Old {
            headline: Personal<String>,
        }
        let value = Personal::new(AUTHOR.subject(), PersonalCategory::Content, TITLE.to_owned());
        let old = serde_json::json!({ "PostCreated": Old { headline: value } });
        agora_event_store::seal::seal_payload(log.vault(), "post", &post, 1, old.to_string())
            .await
            .unwrap()
            .0
    };
    let mut payload: serde_json::Value = serde_json::from_str(&sealed).unwrap();
    payload["PostCreated"]["post_id"] = post.clone().into();
    payload["PostCreated"]["author"] = serde_json::to_value(AUTHOR).unwrap();
    let old = NewEvent {
        event_id: id(),
        stream: StreamName::new("post", post.as_str()),
        sequence: 1,
        event_type: "PostCreated",
        event_version: "0",
        payload: payload.to_string(),
        metadata: "{}".into(),
    };
    let guards: Vec<Guard> = Vec::new();
    position(&log.append(Unit { events: vec![old], guards, ..Unit::default() }).await);

    let unaware = log.load::<Post>(&post).await.map(|loaded| loaded.sequence);
    assert!(unaware.unwrap_err().to_string().contains("PostCreated version 0"));
    let aware = open(&database, |mut config| {
        config.upcasters = vec![Box::new(FromHeadline)];
        config
    })
    .await;
    let loaded = aware.load::<Post>(&post).await.unwrap();
    assert_eq!(loaded.state.author(), Some(AUTHOR));
    let events = aware.store::<Post>().load_events(&post).await.unwrap();
    let agora_domain::content::post::PostEvent::PostCreated { title, body, .. } =
        &events[0].payload
    else {
        panic!("{:?}", events[0].payload)
    };
    assert_eq!(title.get().unwrap().as_str(), TITLE);
    assert_eq!(body.get().unwrap().as_str(), format!("{TITLE}, in full"));

    // Life goes on from there, in the present version.
    let edited = Arc::clone(&loaded.state)
        .decide(PostCommand::Edit(agora_domain::content::post::EditPost {
            editor: AUTHOR,
            title: None,
            body: Some(crate::common::posts::body(&AUTHOR.subject(), "A newer body")),
            reason: None,
        }))
        .unwrap();
    let mut unit = Unit::default();
    let draft = Draft {
        loaded: &loaded,
        events: edited,
        event_ids: &mut id,
        metadata: "{}",
        client_address: None,
    };
    aware.draft(&mut unit, draft).await.unwrap();
    position(&aware.append(unit).await);
    assert_eq!(stored(&database, &post).await[1].event_version, "1");
}
