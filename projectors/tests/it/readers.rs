//! Reads during swaps, and what `served_position` promises.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agora_projectors::{projections, rebuild};
use indicatif::ProgressBar;
use sqlx::{ConnectOptions, Connection};

use crate::{
    scene::Scene,
    story::{member_registered, tell, vote, *},
};

#[tokio::test]
async fn a_prepared_statement_reads_through_swaps_without_an_error_or_an_empty_table() {
    let scene = Scene::with_story(40, 500).await;
    scene.project().await;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for number in 0..3 {
        let mut connection = scene.db.connect_as("agora_reader").connect().await.unwrap();
        let done = Arc::clone(&done);
        readers.push(tokio::spawn(async move {
            let (mut reads, mut newest) = (0_u64, 0);
            while !done.load(Ordering::Relaxed) {
                // Prepared once, then from sqlx's cache.
                let (served, posts, scores): (i64, i64, i64) = sqlx::query_as(
                    "SELECT read.served_position('posts'), count(p.id), count(s.post_id)
                     FROM read.posts p LEFT JOIN read.post_scores s ON s.post_id = p.id
                     WHERE $1::integer >= 0",
                )
                .bind(number)
                .fetch_one(&mut connection)
                .await
                .expect("no error during a swap");
                assert!(posts > 30 && scores == posts, "{posts} posts, {scores} scores");
                assert!(served >= newest, "never back");
                newest = served;
                reads += 1;
            }
            connection.close().await.expect("closed");
            reads
        }));
    }
    for _ in 0..5 {
        let chosen =
            [projections::find("posts").unwrap(), projections::find("post_scores").unwrap()];
        let bar = ProgressBar::hidden();
        for one in rebuild::run(&scene.connect(), &chosen, true, &bar).await.unwrap() {
            one.result.unwrap();
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 10);
    }
}

#[tokio::test]
async fn a_swap_waits_for_a_long_reader_without_holding_up_the_others() {
    let scene = Scene::with_story(41, 200).await;
    scene.project().await;
    let mut long = scene.db.connect_as("agora_reader").connect().await.unwrap();
    sqlx::query("BEGIN").execute(&mut long).await.unwrap();
    sqlx::query("SELECT count(*) FROM read.posts").execute(&mut long).await.unwrap();
    let connect = scene.connect();
    let rebuilding = tokio::spawn(async move {
        let chosen = [projections::find("posts").unwrap()];
        rebuild::run(&connect, &chosen, false, &ProgressBar::hidden()).await
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let began = tokio::time::Instant::now();
        sqlx::query("SELECT count(*) FROM read.posts").execute(&scene.db.pool).await.unwrap();
        slowest = slowest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(slowest < Duration::from_millis(1_000), "{slowest:?}");
    assert!(!rebuilding.is_finished(), "it waits for the reader");
    sqlx::query("COMMIT").execute(&mut long).await.unwrap();
    let rebuilt = rebuilding.await.unwrap().unwrap();
    assert_eq!(rebuilt[0].result.as_ref().unwrap().generation, 2);
}

#[tokio::test]
async fn esx_07_a_projection_that_a_batch_does_not_touch_is_served_up_to_it_at_once() {
    let mut scene = Scene::new().await;
    scene.append([member_registered(0)]).await;
    let mut applier = scene.applier().await;
    let origin = agora_projectors::runner::applier::Origin::Log;
    let events = applier.read_log(10).await.unwrap();
    applier.apply(&events, origin).await.unwrap();
    // Without a flush: posts' own checkpoint is behind.
    let own = scene.row("SELECT position FROM read.checkpoints WHERE projection = 'posts'").await;
    assert_eq!(own["position"], 0);
    assert_eq!(scene.served("posts").await, 1);
    applier.flush().await.unwrap();
    let own = scene.row("SELECT position FROM read.checkpoints WHERE projection = 'posts'").await;
    assert_eq!(own["position"], 1);
    let unknown: Option<i64> = sqlx::query_scalar("SELECT read.served_position('nobody')")
        .fetch_one(&scene.db.pool)
        .await
        .unwrap();
    assert_eq!(unknown, None);
}

#[tokio::test]
async fn feeds_are_read_from_indexes() {
    let mut scene = Scene::new().await;
    scene.append(tell(42, 3)).await;
    let posts = (0..3_000).map(|n| post_created(n, id(COMMUNITY, n % 100), id(MEMBER, n % 50)));
    scene.append(posts).await;
    let votes = (0..3_000).map(|n| vote(id(POST, n), id(MEMBER, n % 97), "upvote", "none"));
    scene.append(votes).await;
    scene.project().await;
    sqlx::query("ANALYZE").execute(&scene.db.pool).await.unwrap();
    for (index, query) in [
        (
            "posts_by_age",
            "SELECT id FROM read.posts
             WHERE community_platform_community_id = $1 AND deleted_at IS NULL
             ORDER BY created_at DESC, id DESC LIMIT 20",
        ),
        (
            "post_ranks_pkey",
            "SELECT post_id FROM read.post_ranks
             WHERE community_id = $1 AND ranking = 1 AND level = 1
             ORDER BY created_at DESC, post_id DESC LIMIT 20",
        ),
        (
            "post_votes_by_member",
            "SELECT id FROM read.post_votes WHERE voter_memberuser_id = $1
             ORDER BY id DESC LIMIT 20",
        ),
    ] {
        // So small a table is sorted for less; what counts is that no sorting is needed.
        let mut tx = scene.db.pool.begin().await.unwrap();
        sqlx::query("SET LOCAL enable_sort = off").execute(&mut *tx).await.unwrap();
        let plan: Vec<String> = sqlx::query_scalar(&format!("EXPLAIN {query}"))
            .bind(id(COMMUNITY, 1))
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(&format!("using {index}")), "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    }
}
