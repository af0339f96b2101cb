//! What is done about addresses (E26).

use agora_domain::{identity::values::AdminScope, security::ip_address::IpAddress};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::common::World;

fn on(address: &str) -> Value {
    json!({ "address": address })
}

#[tokio::test]
async fn ipr_05_ipr_10_ipr_11_lists_exclude_each_other_and_one_address_has_one_record() {
    let world = World::new().await;
    let guard = world.admin(&[AdminScope::Security]).await;
    let first = world.send(&guard, "blacklist-ip", on("203.0.113.9")).await;
    assert_eq!(first.events(), ["IpBlacklisted"]);
    let again = world.send(&guard, "blacklist-ip", on("::ffff:203.0.113.9")).await;
    assert!(again.events().is_empty(), "it is the same address, and no news");
    assert_eq!(again.id(), first.id());
    world.send(&guard, "whitelist-ip", on("203.0.113.9")).await.refused(409, "IPR-10");
    world.send(&guard, "remove-from-blacklist", on("203.0.113.9")).await.accepted();
    world.send(&guard, "whitelist-ip", on("203.0.113.9")).await.accepted();
    for command in ["blacklist-ip", "auto-block-ip"] {
        world.send(&guard, command, on("203.0.113.9")).await.refused(409, "IPR-10");
    }
    let past = json!({ "address": "203.0.113.10", "until": "2020-01-01T00:00:00Z" });
    world.send(&guard, "blacklist-ip", past).await.refused(422, "IPR-11");
    let until = (Utc::now() + TimeDelta::hours(1)).to_rfc3339();
    let soon = json!({ "address": "203.0.113.0/24", "until": until, "reason": "For an hour." });
    world.send(&guard, "blacklist-ip", soon).await.accepted();
    for wrong in ["203.0.113.9/24", "203.0.112.0/23", "0x7f.1", "::1%lo", "example.org"] {
        world.send(&guard, "blacklist-ip", on(wrong)).await.problem(422);
    }
    world.send(&guard, "blacklist-ip", on("127.0.0.1")).await.refused(422, "IPR-08");
    world.send(&guard, "remove-from-whitelist", on("203.0.113.77")).await.refused(404, "REL-10");
}

#[tokio::test]
async fn ipr_12_a_block_that_was_lifted_is_not_put_back_at_once() {
    let world = World::new().await;
    let guard = world.admin(&[AdminScope::Security]).await;
    let blocked = world.send(&guard, "auto-block-ip", on("203.0.113.9")).await;
    assert_eq!(blocked.events(), ["IpAutoBlocked"]);
    assert!(world.send(&guard, "auto-block-ip", on("203.0.113.9")).await.events().is_empty());
    let lifted = world.send(&guard, "lift-auto-block", on("203.0.113.9")).await;
    assert_eq!(lifted.events(), ["IpAutoBlockLifted"]);
    world.send(&guard, "auto-block-ip", on("203.0.113.9")).await.refused(409, "IPR-12");
}

#[tokio::test]
async fn ipr_02_ipr_06_ipr_14_what_others_say_is_turned_into_our_direction() {
    let world = World::new().await;
    let guard = world.admin(&[AdminScope::Security]).await;
    for wrong in [-1, 101] {
        let body = json!({ "address": "203.0.113.9", "source": "abuseipdb", "score": wrong });
        world.send(&guard, "record-external-reputation", body).await.refused(422, "IPR-02");
    }
    let alone = json!({ "address": "203.0.113.9", "score": 1 });
    world.send(&guard, "record-external-reputation", alone).await.refused(422, "IPR-14");
    let body = json!({ "address": "203.0.113.9", "source": "abuseipdb", "score": 100,
        "hundred_is_worst": true, "is_tor": true, "geolocation": { "country": "NO" } });
    let id = world.send(&guard, "record-external-reputation", body).await.id();
    let body = json!({ "address": "203.0.113.9", "is_vpn": false, "is_tor": null });
    world.send(&guard, "record-external-reputation", body).await.accepted();
    world.send(&guard, "annotate-ip", json!({ "address": "203.0.113.9", "notes": "Seen." })).await;
    let address = world.app.log.load::<IpAddress>(&id).await.unwrap();
    let record = address.state.get().unwrap();
    assert_eq!(record.external_reputation[0].score.get(), 0);
    assert_eq!((record.is_vpn, record.is_tor, record.is_datacenter), (Some(false), None, None));
    assert_eq!(record.score(Utc::now()).0.get(), 55);
    assert!(record.geolocation.is_some() && record.notes.is_some());
}

#[tokio::test]
async fn ipr_05_two_at_once_begin_one_record() {
    let world = World::new().await;
    let twin = world.twin().await;
    let guard = world.admin(&[AdminScope::Security]).await;
    let note = |n: u32| json!({ "address": "203.0.113.9", "notes": format!("Note {n}.") });
    let (one, two) = tokio::join!(
        world.send(&guard, "annotate-ip", note(1)),
        twin.send(&guard, "annotate-ip", note(2)),
    );
    assert_eq!(one.id(), two.id());
    let sequence = world.app.log.load::<IpAddress>(&one.id()).await.unwrap().sequence;
    assert!(sequence <= 2, "no third begins another");
}
