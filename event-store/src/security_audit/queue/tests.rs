use std::{
    collections::HashSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{super::entry::tests, *};

fn access(number: u64) -> Access {
    Access { request_bytes: number, ..tests::access(200, Vec::new()) }
}

fn queue(shards: usize) -> Queue {
    Queue::of_shards(shards, 1_000 * shards, 10 * shards)
}

fn take_all(queue: &Queue, taken: &mut Taken) -> Vec<u64> {
    queue.take(taken);
    std::iter::from_fn(|| taken.pop()).map(|access| access.request_bytes).collect()
}

/// Whether the task is woken, or would not begin to wait.
async fn is_told(told: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(Duration::from_millis(20), told).await.is_ok()
}

#[test]
fn sal_05_what_one_thread_puts_in_comes_out_in_its_order() {
    let (queue, mut taken) = (queue(3), Taken::default());
    assert!(queue.is_empty());
    for number in 0..5 {
        assert!(queue.push(access(number)));
    }
    assert!(!queue.is_empty() && taken.is_empty());
    queue.take(&mut taken);
    assert!(queue.is_empty() && !taken.is_empty());
    assert_eq!(taken.pop().map(|access| access.request_bytes), Some(0));
    assert!(queue.push(access(5)));
    assert_eq!(take_all(&queue, &mut taken), [1, 2, 3, 4, 5], "what was taken before is first");
    assert!(queue.is_empty() && taken.is_empty() && taken.pop().is_none());
}

#[test]
fn sal_05_several_threads_lose_nothing_and_nothing_comes_twice() {
    const EACH: u64 = 20_000;
    let queue = Arc::new(Queue::of_shards(3, usize::MAX, 1));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for number in 0..EACH {
                    assert!(queue.push(access(thread * EACH + number)));
                }
            })
        })
        .collect();
    let (mut taken, mut all) = (Taken::default(), Vec::new());
    while threads.iter().any(|thread| !thread.is_finished()) {
        all.extend(take_all(&queue, &mut taken));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    all.extend(take_all(&queue, &mut taken));
    assert_eq!(all.len() as u64, 4 * EACH);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    for thread in 0..4 {
        let of_one = all.iter().filter(|number| *number / EACH == thread);
        assert!(of_one.is_sorted(), "of one thread they are in its order");
    }
}

#[test]
fn sal_05_what_has_no_room_is_refused_and_the_door_has_less() {
    let (queue, mut taken) = (queue(1), Taken::default());
    for number in 0..1_000 {
        assert_eq!(queue.has_room_at_the_door(), number < 10);
        assert!(queue.push(access(number)));
    }
    assert!(!queue.push(access(1_000)), "there is no room");
    assert_eq!(take_all(&queue, &mut taken).len(), 1_000);
    assert!(queue.push(access(1_001)) && queue.has_room_at_the_door());
    let few = Queue::of_shards(64, 3, 2);
    assert!(few.push(access(1)), "there is always room for one");
}

/// However many shards there are: one thread alone may be the only one that has something to tell.
#[test]
fn sal_05_one_thread_has_all_the_room() {
    let queue = Queue::of_shards(16, 32_768, 8_192);
    assert_eq!((0..40_000).take_while(|number| queue.push(access(*number))).count(), 32_768);
    assert!(!queue.has_room_at_the_door());
    assert_eq!(take_all(&queue, &mut Taken::default()).len(), 32_768);
}

#[test]
fn a_buffer_is_used_again_unless_too_much_has_come() {
    let (queue, mut taken) = (Queue::of_shards(1, 10_000, 1), Taken::default());
    let mut buffers = HashSet::new();
    for number in 0..10 {
        (0..100).for_each(|_| assert!(queue.push(access(number))));
        let buffer: *const Access = held(&queue.shards[0]).as_slices().0.as_ptr();
        buffers.insert(buffer);
        assert_eq!(take_all(&queue, &mut taken).len(), 100);
    }
    assert_eq!((buffers.len(), taken.empty.len()), (2, 1), "two by turns");
    for _ in 0..2 {
        (0..5_000).for_each(|_| assert!(queue.push(access(1))));
        assert_eq!(take_all(&queue, &mut taken).len(), 5_000);
    }
    assert!(taken.empty.is_empty() && held(&queue.shards[0]).capacity() == 0);
}

#[tokio::test]
async fn the_first_wakes_the_task_and_half_of_the_room_hurries_it() {
    let (queue, mut taken) = (Arc::new(queue(1)), Taken::default());
    assert!(!is_told(queue.filled()).await);
    queue.push(access(0));
    assert!(is_told(queue.filled()).await, "what was put in before it waits");
    queue.push(access(1));
    assert!(!is_told(queue.filled()).await, "it has to take what it was told of first");
    take_all(&queue, &mut taken);
    let later = Arc::clone(&queue);
    let pushing = tokio::spawn(async move { later.push(access(2)) });
    assert!(is_told(queue.filled()).await, "what is put in while it waits");
    assert!(pushing.await.unwrap());
    take_all(&queue, &mut taken);
    (0..499).for_each(|number| assert!(queue.push(access(number))));
    assert!(!is_told(queue.hurried()).await);
    queue.push(access(499));
    assert!(is_told(queue.hurried()).await);
    queue.push(access(500));
    assert!(!is_told(queue.hurried()).await, "once is enough");
}

/// A task that waits whenever it finds nothing is always woken again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sal_05_nothing_is_slept_through() {
    const ALL: u64 = 20_000;
    let queue = Arc::new(queue(2));
    let pushing = thread::spawn({
        let queue = Arc::clone(&queue);
        move || {
            for number in 0..ALL {
                while !queue.push(access(number)) {
                    thread::yield_now();
                }
                if number % 7 == 0 {
                    thread::yield_now();
                }
            }
        }
    });
    let (mut taken, mut count) = (Taken::default(), 0);
    let until = Instant::now() + Duration::from_secs(30);
    while count < ALL {
        let told = tokio::time::timeout(Duration::from_secs(5), queue.filled()).await;
        assert!(told.is_ok() && Instant::now() < until, "{count} of {ALL}");
        count += take_all(&queue, &mut taken).len() as u64;
    }
    pushing.join().unwrap();
}
