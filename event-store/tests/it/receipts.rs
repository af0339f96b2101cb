//! A command that is repeated with its idempotency key is answered as the first time.

use crate::common::*;
use agora_event_store::{Appended, StoredReceipt, Unit};

fn keyed(key: &str, request: u8, reply: &str) -> Unit {
    Unit { receipt: Some(receipt(key, request, reply)), ..lone_unit() }
}

#[tokio::test]
async fn esx_04_the_same_key_again_gives_the_stored_reply_and_appends_nothing() {
    let (database, log) = database_and_log().await;
    position(&log.append(lone_unit()).await);
    assert_eq!(position(&log.append(keyed("k", 1, r#"{"id":1}"#)).await), 2);
    let stored =
        StoredReceipt { request_hmac: [1; 32], reply: r#"{"id":1}"#.into(), first_position: 2 };
    // Another request under the key shows by its HMAC: the caller answers 422.
    for request in [1, 2] {
        for log in [&log, &database.log().await] {
            let again = log.append(keyed("k", request, "never stored")).await;
            assert_eq!(again, Ok(Appended::Receipt(stored.clone())));
        }
    }
    // The key is the principal's own.
    let mut foreign = keyed("k", 1, "other");
    foreign.receipt.as_mut().unwrap().principal = "member:2".into();
    assert_eq!(position(&log.append(foreign).await), 3);
    assert_eq!(all(&database).await.len(), 3);
}

#[tokio::test]
async fn esx_04_fifty_at_once_with_one_key_are_one_written_and_49_receipts() {
    let (database, log) = database_and_log().await;
    let other = database.log().await;
    for round in 0..10 {
        let key = format!("key-{round}");
        let sent: Vec<_> = (0..50)
            .map(|n| spawn(if n % 2 == 0 { &log } else { &other }, keyed(&key, 1, &n.to_string())))
            .collect();
        let (mut written, mut receipts) = (Vec::new(), Vec::new());
        for (n, task) in sent.into_iter().enumerate() {
            match task.await.unwrap().unwrap() {
                Appended::Now(placed) => written.push((n.to_string(), placed.first_position)),
                Appended::Receipt(receipt) => {
                    receipts.push((receipt.reply, receipt.first_position))
                }
                Appended::Before(_) => panic!("nothing was sent twice"),
            }
        }
        assert_eq!((written.len(), receipts.len()), (1, 49));
        receipts.iter().for_each(|receipt| assert_eq!(receipt, &written[0]));
    }
    assert_eq!(all(&database).await.len(), 10);
}

#[tokio::test]
async fn a_receipt_holds_its_units_first_position_among_refused_neighbours() {
    let (database, log) = database_and_log().await;
    let units = vec![
        unit("stale", 9),
        keyed("a", 1, "a"),
        Unit { receipt: Some(receipt("lost", 1, "lost")), ..unit("stale", 8) },
        lone_unit(),
        Unit { events: vec![event(&stream("x"), 1), event(&stream("x"), 2)], ..keyed("b", 1, "b") },
        keyed("c", 1, "c"),
        Unit { receipt: Some(receipt("empty", 1, "e")), ..Unit::default() },
    ];
    let outcomes = append_together(&database, &log, units).await;
    for (key, unit) in [("a", 1), ("b", 4), ("c", 5)] {
        let again = log.append(keyed(key, 1, "again")).await;
        let Ok(Appended::Receipt(stored)) = again else { panic!("{again:?}") };
        assert_eq!(
            (stored.reply.as_str(), stored.first_position),
            (key, position(&outcomes[unit]))
        );
    }
    // A refused command leaves no receipt: the client may try again.
    assert!(outcomes[2].is_err());
    position(&log.append(keyed("lost", 1, "again")).await);
    let again = log.append(keyed("empty", 1, "again")).await;
    assert!(
        matches!(again, Ok(Appended::Receipt(_))),
        "a command that changes nothing has one too"
    );
}

#[tokio::test]
async fn receipts_older_than_24_hours_count_no_more() {
    let (database, log) = database_and_log().await;
    for (key, age) in [("young", "23 hours 59 minutes"), ("old", "24 hours 1 minute")] {
        position(&log.append(keyed(key, 1, "first")).await);
        sqlx::query(
            "UPDATE log.receipts SET recorded_at = clock_timestamp() - $2::interval
             WHERE idempotency_key = $1",
        )
        .bind(key)
        .bind(age)
        .execute(&database.pool)
        .await
        .unwrap();
    }
    let young = log.append(keyed("young", 2, "second")).await;
    assert!(matches!(young, Ok(Appended::Receipt(_))), "{young:?}");
    assert_eq!(position(&log.append(keyed("old", 2, "second")).await), 3);
    let again = log.append(keyed("old", 2, "third")).await;
    let Ok(Appended::Receipt(stored)) = again else { panic!("{again:?}") };
    assert_eq!(
        (stored.reply.as_str(), stored.request_hmac, stored.first_position),
        ("second", [2; 32], 3)
    );

    sqlx::query("UPDATE log.receipts SET recorded_at = recorded_at - interval '2 days' WHERE idempotency_key = 'old'")
        .execute(&database.pool)
        .await
        .unwrap();
    let writer = sqlx::PgPool::connect(&database.url_as("agora_writer")).await.unwrap();
    let forgotten: i64 =
        sqlx::query_scalar("SELECT log.forget_receipts()").fetch_one(&writer).await.unwrap();
    assert_eq!(forgotten, 1);
}
