//! Postgres goes down as in a crash, and recovers from its WAL.

use std::time::Duration;

use agora_harness::stack::{Shape, Stop};
use tokio::time::sleep;

use super::{all_holds, load, stage};

#[tokio::test(flavor = "multi_thread")]
async fn i1_i2_i9_postgres_stopped_immediately_under_load() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let running = load(&stack, &cast);
    for _ in 0..3 {
        running.advance(150).await;
        stack.postgres.stop(Stop::Immediate).expect("it stops");
        sleep(Duration::from_millis(300)).await;
        stack.postgres.start().expect("it recovers");
    }
    running.advance(100).await;
    let history = running.finish().await;
    all_holds(&mut stack, &cast, history).await;
}
