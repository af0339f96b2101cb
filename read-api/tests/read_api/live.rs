//! Live streams, over HTTP: what is told to whom, and what ends a stream.

use std::{sync::Arc, time::Duration};

use agora_domain::{
    Personal, PersonalCategory, Subject,
    content::{
        moderation::ModerationAction,
        post::{Post, PostEvent},
        vote::VoteState,
    },
    identity::values::AdminScope,
    ids::CommunityId,
};
use agora_event_store::{Position, testing};
use agora_read_api::live::{BATCHES_KEPT, Limits, RESUMABLE_POSITIONS};
use agora_service::{client_address::TrustedProxies, http};
use axum::http::Request;
use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    listener::SOON,
    world::{User, World},
};

struct Place {
    world: World,
    author: User,
    community: CommunityId,
    post: agora_domain::ids::PostId,
    path: String,
}

async fn place() -> Place {
    place_with(Limits::default()).await
}

async fn place_with(limits: Limits) -> Place {
    let world = World::with(limits).await;
    world.with_broker().await;
    let author = world.member(Some("Ada")).await;
    let community = world.community_of(&author, "rustaceans").await;
    let post = world.post(&author, community, "A first post").await;
    world.project().await;
    let path = format!("/v1/live/posts/{post}");
    Place { world, author, community, post, path }
}

#[tokio::test]
async fn pvt_10_a_guest_hears_of_comments_and_votes_and_of_nobodys_name() {
    let Place { world, author, post, path, .. } = place().await;
    let mut guest = world.listen(None, &path, None).await;
    let voter = world.member(Some("Grace")).await;
    let comment = world.comment(&voter, post, None, "A comment of some length.").await;
    world.project_and_tell().await;
    let heard = guest.expect("CommentCreated").await;
    assert_eq!(heard.data["comment_id"], comment.to_string());
    assert_eq!(heard.data["post_id"], post.to_string());
    assert_eq!(heard.data["comment_count"], 1);
    assert_eq!(heard.id, heard.data["position"].as_u64());
    world.vote(&voter, post, VoteState::Upvote).await;
    world.vote_on_comment(&author, comment, VoteState::Downvote).await;
    world.project_and_tell().await;
    let post_vote = guest.expect("PostVoteCast").await;
    assert_eq!((&post_vote.data["score"], &post_vote.data["upvotes"]), (&1.into(), &1.into()));
    let comment_vote = guest.expect("CommentVoteCast").await;
    assert_eq!(comment_vote.data["score"], -1);
    for heard in [heard, post_vote, comment_vote] {
        let text = heard.data.to_string();
        for hidden in [voter.id().to_string(), author.id().to_string(), "sealed".to_owned()] {
            assert!(!text.contains(&hidden), "{text}");
        }
    }
}

#[tokio::test]
async fn a_community_tells_of_its_posts_and_an_account_of_what_concerns_it() {
    let Place { world, author, community, post, .. } = place().await;
    let admin = world.admin(&[AdminScope::Global]).await;
    let other = world.member(None).await;
    world.project().await;
    let mut of_community = world.listen(None, "/v1/live/communities/Rustaceans", None).await;
    let mut of_author = world.listen(Some(&author), "/v1/live/me", None).await;
    let mut of_other = world.listen(Some(&other), "/v1/live/me", None).await;
    let comment = world.comment(&other, post, None, "What do you mean?").await;
    // Nobody hears of what it wrote itself.
    let answer = world.comment(&author, post, Some((comment, 0)), "Just what I wrote.").await;
    world.comment(&author, post, None, "And this as well.").await;
    let second = world.post(&author, community, "A second post").await;
    let moderated = PostEvent::PostModerated {
        action: ModerationAction::Delete,
        moderator: admin.actor,
        reason: Personal::new(
            Subject::from(author.id()),
            PersonalCategory::Content,
            "Off topic here.".parse().unwrap(),
        ),
        community_id: Some(community),
        author: Some(author.actor),
    };
    let deleted = PostEvent::PostDeleted { deleted_by: admin.actor };
    world.append::<Post>(admin.actor, second, vec![deleted, moderated]).await;
    let again = world.log_in(author.actor).await;
    world.revoke(&again).await;
    world.project_and_tell().await;

    let heard = of_author.expect("CommentCreated").await;
    assert_eq!(heard.data["comment_id"], comment.to_string());
    assert!(heard.data.get("parent_comment_id").is_none());
    let heard = of_author.expect("PostModerated").await;
    assert_eq!(
        (&heard.data["action"], &heard.data["post_id"]),
        (&"delete".into(), &second.to_string().into())
    );
    assert!(!heard.data.to_string().contains("topic"), "the reason is read elsewhere");
    assert_eq!(
        of_author.expect("SessionIssued").await.data["session_id"],
        again.session.to_string()
    );
    let heard = of_author.expect("SessionRevoked").await;
    assert_eq!(
        (&heard.data["session_id"], &heard.data["cause"]),
        (&again.session.to_string().into(), &"logged_out".into())
    );

    let heard = of_other.expect("CommentCreated").await;
    assert_eq!(heard.data["comment_id"], answer.to_string());
    assert_eq!(heard.data["parent_comment_id"], comment.to_string());

    assert_eq!(of_community.expect("PostCreated").await.data["post_id"], second.to_string());
    of_community.expect("PostDeleted").await;
    world.delete_community(&author, community).await;
    world.project_and_tell().await;
    of_community.expect("CommunityDeleted").await;
    assert_eq!(of_community.end().await, "gone");
    let again = Request::get("/v1/live/communities/rustaceans");
    world.send(again).await.problem(404);
}

#[tokio::test]
async fn pst_15_a_deleted_post_is_told_once_and_only_its_author_hears_on() {
    let Place { world, author, post, path, .. } = place().await;
    let mut guest = world.listen(None, &path, None).await;
    let mut own = world.listen(Some(&author), &path, None).await;
    let before = world.head().await;
    world.delete_post(&author, post).await;
    world.project_and_tell().await;
    guest.expect("PostDeleted").await;
    assert_eq!(guest.end().await, "gone");
    own.expect("PostDeleted").await;
    world.get(&path).await.problem(404);
    let restored = PostEvent::PostRestored { restored_by: author.actor };
    world.append::<Post>(author.actor, post, vec![restored]).await;
    world.project_and_tell().await;
    own.expect("PostRestored").await;
    // What was undone before the client came back does not send it away again.
    let mut back = world.listen(None, &path, Some(before)).await;
    back.expect("PostDeleted").await;
    back.expect("PostRestored").await;
    world.edit_post(&author, post, "Another title").await;
    world.project_and_tell().await;
    back.expect("PostEdited").await;
    world.delete_community(&author, place_of(&world, &post.to_string()).await).await;
    world.project_and_tell().await;
    for mut listener in [back, own] {
        while listener.next().await.is_some_and(|heard| heard.event != "CommunityDeleted") {}
        assert_eq!(listener.end().await, "gone");
    }
}

async fn place_of(world: &World, post: &str) -> CommunityId {
    let statement = "SELECT community_platform_community_id FROM read.posts WHERE id = $1::uuid";
    CommunityId(
        sqlx::query_scalar(statement).bind(post).fetch_one(&world.database.pool).await.unwrap(),
    )
}

/// Eight write, projections go on, and a client whose connection breaks again and again hears of each
/// comment once and in order.
#[tokio::test]
async fn esx_06_a_client_that_comes_back_has_missed_nothing_and_hears_nothing_twice() {
    const WRITERS: usize = 8;
    const COMMENTS: usize = 40;
    let Place { world, author, post, path, .. } = place().await;
    let world = Arc::new(world);
    let start = world.head().await;
    let writing = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            join_all((0..WRITERS).map(|_| async {
                for _ in 0..COMMENTS {
                    world.comment(&author, post, None, "One of very many.").await;
                }
            }))
            .await;
        })
    };
    let projecting = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            while !writing.is_finished() {
                world.project_and_tell().await;
            }
            world.project_and_tell().await;
        })
    };
    let mut last = start;
    let mut heard = Vec::new();
    while heard.len() < WRITERS * COMMENTS {
        let mut listener = world.listen(None, &path, Some(last)).await;
        // The connection breaks after a while.
        for _ in 0..17.min(WRITERS * COMMENTS - heard.len()) {
            let comment = listener.expect("CommentCreated").await;
            last = comment.id.unwrap();
            heard.push(last);
        }
    }
    projecting.await.unwrap();
    let written: Vec<i64> = sqlx::query_scalar(
        "SELECT position FROM log.events
         WHERE event_type = 'CommentCreated' AND position > $1 ORDER BY position",
    )
    .bind(i64::try_from(start).unwrap())
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    let written: Vec<Position> = written.into_iter().map(|it| u64::try_from(it).unwrap()).collect();
    assert_eq!(heard, written);
}

#[tokio::test]
async fn a_client_that_missed_too_much_or_knows_a_future_is_told_to_read_anew() {
    let Place { world, author, post, path, .. } = place().await;
    let mut future = world.listen(None, &path, Some(u64::MAX)).await;
    let reset = future.expect("reset").await;
    assert_eq!(reset.data["reason"], "missed_too_much");
    assert_eq!((reset.id, reset.data["position"].as_u64()), (Some(world.head().await), reset.id));
    // The log grows by more than can be caught up with, of what nobody listens to.
    sqlx::query("UPDATE read.progress SET position = position + $1")
        .bind(i64::try_from(RESUMABLE_POSITIONS).unwrap() + 10)
        .execute(&world.database.pool)
        .await
        .unwrap();
    drop(future);
    let mut old = world.another_instance().listen(None, &path, Some(1)).await;
    assert_eq!(old.expect("reset").await.data["reason"], "missed_too_much");
    let _ = (author, post);
}

#[tokio::test]
async fn another_history_of_the_log_resets_every_client() {
    let Place { world, author, post, path, .. } = place().await;
    let mut guest = world.listen(None, &path, None).await;
    sqlx::query("SELECT log.begin_epoch((SELECT epoch FROM log.epochs ORDER BY number DESC LIMIT 1), 'a test')")
        .execute(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(guest.expect("reset").await.data["reason"], "history_changed");
    world.edit_post(&author, post, "Another title").await;
    world.project_and_tell().await;
    guest.expect("PostEdited").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_and_others_hear_on() {
    let Place { world, author, post, path, .. } = place().await;
    let mut slow = world.listen(None, &path, None).await;
    let mut quick = world.listen(None, &path, None).await;
    for number in 0..=BATCHES_KEPT {
        world.edit_post(&author, post, &format!("Title number {number}")).await;
        world.project_and_tell().await;
        quick.expect("PostEdited").await;
    }
    let mut heard = 0;
    let reason = loop {
        let event = slow.next().await.unwrap();
        if event.event == "end" {
            break event.data["reason"].as_str().unwrap().to_owned();
        }
        heard += 1;
    };
    assert_eq!((reason.as_str(), heard), ("too_slow", 0), "what is left of its place is not told");
    world.edit_post(&author, post, "The last title").await;
    world.project_and_tell().await;
    quick.expect("PostEdited").await;
}

#[tokio::test]
async fn ses_04_a_stream_ends_with_its_session() {
    let Place { world, path, .. } = place().await;
    let ada = world.member(None).await;
    let other = world.log_in(ada.actor).await;
    world.project().await;
    let mut revoked = world.listen(Some(&ada), "/v1/live/me", None).await;
    let mut of_post = world.listen(Some(&ada), &path, None).await;
    let mut stays = world.listen(Some(&other), "/v1/live/me", None).await;
    world.revoke(&ada).await;
    let started = std::time::Instant::now();
    assert_eq!(revoked.end().await, "session_ended");
    assert_eq!(of_post.end().await, "session_ended");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    world.project_and_tell().await;
    stays.expect("SessionRevoked").await;
}

#[tokio::test]
async fn ses_12_everybody_is_told_that_all_sessions_ended() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let ada = world.member(None).await;
    world.project().await;
    let mut kept = world.listen(Some(&admin), "/v1/live/me", None).await;
    let before = world.head().await;
    world.revoke_everybodys(admin.actor, Some(admin.session)).await;
    world.project_and_tell().await;
    let told = kept.expect("AllSessionsRevoked").await.data;
    assert!(told["session_id"].is_null() && told["cause"].is_null(), "{told}");
    // Whoever comes back is told what it missed.
    let again = world.log_in(ada.actor).await;
    world.project_and_tell().await;
    let mut back = world.listen(Some(&again), "/v1/live/me", Some(before)).await;
    back.expect("AllSessionsRevoked").await;
    back.expect("SessionIssued").await;
}

#[tokio::test]
async fn a_forged_message_tells_nothing_and_without_a_broker_the_log_is_read() {
    let world = World::new().await;
    let author = world.member(Some("Ada")).await;
    let community = world.community_of(&author, "rustaceans").await;
    let post = world.post(&author, community, "A first post").await;
    world.project().await;
    // This one hears nothing of the projectors: there is no broker for it.
    let path = format!("/v1/live/posts/{post}");
    let mut alone = world.listen(None, &path, None).await;
    let with_broker = world.another_instance();
    with_broker.with_broker().await;
    let mut guest = with_broker.listen(None, &path, None).await;
    let broker = testing::broker().await;
    for forged in ["999999999", "-1", "a PostDeleted", ""] {
        broker.publish("agora.projected", forged.into()).await.unwrap();
    }
    broker.publish("events.post.PostDeleted", "{\"PostDeleted\":{}}".into()).await.unwrap();
    broker.flush().await.unwrap();
    world.edit_post(&author, post, "Another title").await;
    let edited = world.project().await;
    for listener in [&mut alone, &mut guest] {
        assert_eq!(listener.expect("PostEdited").await.id, Some(edited));
    }
}

#[tokio::test]
async fn streams_are_bounded_and_a_place_is_free_again() {
    let Place { world, author, path, .. } = place_with(Limits { all: 3, per_client: 2 }).await;
    let first = world.listen(None, &path, None).await;
    let _second = world.listen(None, &path, None).await;
    let reply = world.get(&path).await;
    reply.problem(429);
    assert_eq!(reply.header("retry-after"), "5");
    let _own = world.listen(Some(&author), &path, None).await;
    let reply = world.get_as(&author, &path).await;
    reply.problem(503);
    assert_eq!(reply.header("retry-after"), "5");
    drop(first);
    world.listen(Some(&author), &path, None).await;
    let wrong = Request::get(&path).header("last-event-id", "soon");
    let problem = world.send(wrong).await.problem(400);
    assert_eq!(problem["errors"][0]["pointer"], "/header/Last-Event-ID");
}

/// Over a real connection: shutdown tells the client, and the server does not wait for it.
#[tokio::test]
async fn shutdown_ends_every_stream() {
    let Place { world, path, .. } = place().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let proxies = TrustedProxies::default();
    let serving = tokio::spawn(http::serve_on(
        listener,
        world.routes.clone(),
        proxies,
        world.shutdown.clone(),
    ));
    let mut client = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: agora\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains("event: ready") {
        let mut bytes = [0; 4_096];
        let read = client.read(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "{text}");
        text += std::str::from_utf8(&bytes[..read]).unwrap();
    }
    world.shutdown.cancel();
    timeout(SOON, client.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.contains("\"reason\":\"shutdown\""), "{text}");
    timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
}
