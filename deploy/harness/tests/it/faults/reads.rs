//! Readers who ask for what was just written.

use std::time::Duration;

use agora_harness::{
    stack::{Service, Shape},
    workload,
};
use tokio::time::sleep;

use super::{all_holds, stage};

#[tokio::test(flavor = "multi_thread")]
async fn esx_07_i5_min_position_is_kept_and_reads_never_go_backwards_under_load() {
    let (mut stack, cast) = stage(Shape::default()).await;
    let writes = vec![stack.address(Service::CommandApi).to_owned()];
    let running = workload::start(&cast, writes, stack.address(Service::ReadApi), 8, 8);
    sleep(Duration::from_secs(3)).await;
    // Also while the tables are built anew and swapped under the readers.
    stack.tool("projectors", &["rebuild", "--all", "--verify"]).expect("the rebuild is the same");
    sleep(Duration::from_secs(1)).await;
    let history = running.finish().await;
    assert!(history.seen.len() > 200, "only {} reads", history.seen.len());
    all_holds(&mut stack, &cast, history).await;
}
