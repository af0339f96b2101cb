use agora_domain::security::audit::{AuditEventType, AuditResult};
use agora_service::http::access::Access;

use super::{super::entry::tests, *};

fn access(number: usize) -> Access {
    Access { request_bytes: number as u64, ..tests::access(200, Vec::new()) }
}

fn gathering() -> (Arc<Queue>, mpsc::Sender<Message>, mpsc::Receiver<Group>) {
    // Room for all, whichever shard they come to.
    let queue = Arc::new(Queue::new(1 << 20, 1));
    let ((messages, received), (groups, gathered)) = (mpsc::channel(8), mpsc::channel(8));
    let (taken, routes) = (Taken::default(), Routes::default());
    let intake =
        Intake { messages: received, queue: Arc::clone(&queue), taken, flush: None, routes };
    tokio::spawn(gather(intake, groups, Files::new(VecDeque::new())));
    (queue, messages, gathered)
}

fn numbers(group: &Group) -> impl Iterator<Item = usize> {
    group.entries.iter().map(|entry| entry.request_size_bytes.unwrap_or_default() as usize)
}

#[tokio::test]
async fn sal_05_a_flush_is_acknowledged_with_the_last_of_what_was_there_before() {
    let (queue, messages, mut gathered) = gathering();
    let mut all = Vec::new();
    for round in 0..2 {
        // More than two groups take, and what comes after it does not matter.
        (0..4_500).for_each(|number| assert!(queue.push(access(round * 4_500 + number))));
        let (done, _is_done) = oneshot::channel();
        messages.send(Message::Flush(done)).await.unwrap();
        queue.hurry();
        loop {
            let group = gathered.recv().await.unwrap();
            assert!(group.entries.len() <= GROUP_MAX);
            all.extend(numbers(&group));
            match group.acks.len() {
                0 => assert!(group.entries.len() == GROUP_MAX, "{}", group.entries.len()),
                acks => break assert_eq!(acks, 1),
            }
        }
        assert_eq!(all.len(), (round + 1) * 4_500);
    }
    assert!(all.is_sorted());
    let (done, _is_done) = oneshot::channel();
    messages.send(Message::Flush(done)).await.unwrap();
    queue.hurry();
    let group = gathered.recv().await.unwrap();
    assert_eq!((group.entries.len(), group.acks.len()), (0, 1), "nothing is there to wait for");
}

#[tokio::test]
async fn sal_05_once_nobody_is_left_what_is_there_is_gathered_and_the_task_ends() {
    let (queue, messages, mut gathered) = gathering();
    let entry =
        Entry::at(chrono::DateTime::UNIX_EPOCH, AuditEventType::Login, AuditResult::Success);
    messages.send(Message::Entry(Box::new(entry))).await.unwrap();
    messages.send(Message::Counted(Box::new(access(1)), 7)).await.unwrap();
    let group = gathered.recv().await.unwrap();
    assert_eq!(group.entries.len(), 2);
    assert!(queue.push(access(2)), "it is woken by an access, too");
    assert!(numbers(&gathered.recv().await.unwrap()).eq([2]));
    (0..2_500).for_each(|number| assert!(queue.push(access(number))));
    drop(messages);
    let mut all = Vec::new();
    while let Some(group) = gathered.recv().await {
        all.extend(numbers(&group));
    }
    assert!(all.into_iter().eq(0..2_500));
}
