//! Every entity that there is, from its creation to what it was then, over HTTP and with real processes.
//!
//! An entity's way is the same for all (`walk::Way`): make it, read it, try what is forbidden, change
//! it, read it again, read its history, read it as of its creation. The two that are lists of what
//! happened elsewhere, E03 and E19, have ways of their own in `records`.

mod content;
mod exports;
mod people;
mod places;
mod records;
mod site;
mod walk;

use agora_harness::stack::{Shape, Stack};

use walk::Walk;

/// Each of them.
const ENTITIES: [&str; 22] = [
    "E01", "E02", "E03", "E04", "E05", "E06", "E07", "E08", "E09", "E10", "E11", "E12", "E13",
    "E14", "E15", "E16", "E17", "E18", "E19", "E20", "E21", "E23",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_esx_09_every_entity_from_creation_to_as_of() {
    let stack = Stack::start(Shape::default()).await.expect("the stack starts");
    let mut walk = Walk::begin(&stack).await;
    let category = site::walk(&mut walk).await;
    let people = people::walk(&mut walk).await;
    let place = places::walk(&mut walk, &people, &category).await;
    content::walk(&mut walk, &people, &place).await;
    records::walk(&mut walk, &people, &place).await;
    exports::walk(&mut walk, &people).await;
    assert!(walk.found.is_empty(), "{}", walk.found.join("\n"));
    let walked: Vec<_> = walk.walked.iter().copied().collect();
    assert_eq!(walked, ENTITIES);
}
