//! `faults` in a test's name puts it into the group that runs one at a time.

mod broker;
mod bucket;
mod exports;
mod kills;
mod plain_text;
mod postgres;
mod reads;
mod tenants;

use std::sync::Arc;

use agora_harness::{
    observe,
    stack::{Service, Shape, Stack},
    workload::{self, Cast, History, Running},
};

const WRITERS: usize = 8;
const READERS: usize = 2;

/// A stack with members who have written something.
async fn stage(shape: Shape) -> (Stack, Arc<Cast>) {
    let stack = Stack::start(shape).await.expect("the stack starts");
    let cast = Cast::assemble(&stack.as_scene()).await.expect("members can work");
    (stack, Arc::new(cast))
}

fn load(stack: &Stack, cast: &Arc<Cast>) -> Running {
    let apis = stack.of(Service::CommandApi);
    let addresses = apis.iter().map(|index| stack.instances[*index].address.clone()).collect();
    workload::start(cast, addresses, stack.address(Service::ReadApi), WRITERS, READERS)
}

/// Every invariant holds, once the stack has healed by itself; and something was done at all.
async fn all_holds(stack: &mut Stack, cast: &Cast, history: History) {
    assert!(history.accepted() > 100, "only {} commands were accepted", history.accepted());
    assert!(!history.seen.is_empty(), "nothing was read");
    let violations = observe::verdict(stack, cast, history).await.expect("the log can be read");
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
