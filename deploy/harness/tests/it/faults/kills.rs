//! SIGKILL, without a warning, in the middle of work.

use std::time::Duration;

use agora_harness::stack::{Service, Shape};
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::sleep;

use super::{all_holds, load, stage};

#[tokio::test(flavor = "multi_thread")]
async fn i1_i2_esx_12_command_api_killed_under_load() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let running = load(&stack, &cast);
    let api = stack.of(Service::CommandApi)[0];
    for _ in 0..4 {
        running.advance(150).await;
        stack.kill(api);
        sleep(Duration::from_millis(200)).await;
        stack.run(api).expect("it starts again");
        stack.ready().await.expect("it is ready again");
    }
    running.advance(50).await;
    let history = running.finish().await;
    all_holds(&mut stack, &cast, history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_i4_projector_killed_in_mid_batch() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let running = load(&stack, &cast);
    let projectors = stack.of(Service::Projectors)[0];
    for _ in 0..3 {
        running.advance(100).await;
        // Its transaction stands in the middle, some tables written, when it dies.
        let mut blocker = PgConnection::connect(&stack.postgres.owner_url("agora")).await.unwrap();
        let lock = "BEGIN; LOCK TABLE read.post_votes IN SHARE MODE";
        blocker.execute(lock).await.unwrap();
        running.advance(50).await;
        stack.kill(projectors);
        blocker.execute("ROLLBACK").await.unwrap();
        stack.run(projectors).expect("it starts again");
        stack.ready().await.expect("it is ready again");
    }
    let history = running.finish().await;
    all_holds(&mut stack, &cast, history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_i4_two_command_apis_and_two_projectors_at_once() {
    let (mut stack, cast) =
        stage(Shape { command_apis: 2, projectors: 2, ..Shape::default() }).await;
    let running = load(&stack, &cast);
    running.advance(300).await;
    let [first, second] = stack.of(Service::Projectors)[..] else { unreachable!() };
    // Whichever leads, the other takes over.
    for projector in [first, second] {
        stack.kill(projector);
        running.advance(100).await;
        stack.run(projector).expect("it starts again");
        stack.ready().await.expect("it is ready again");
    }
    let api = stack.of(Service::CommandApi)[0];
    stack.kill(api);
    running.advance(100).await;
    stack.run(api).expect("it starts again");
    stack.ready().await.expect("it is ready again");
    running.advance(100).await;
    let history = running.finish().await;
    all_holds(&mut stack, &cast, history).await;
}
