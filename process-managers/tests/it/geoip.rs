//! What databases in MaxMind's format say of an address comes to be known with it (E26). The tests write
//! their own databases, of one address each.

use std::{fs, net::Ipv4Addr, path::PathBuf};

use agora_command_api::{
    commands::auto_block_ip::AutoBlockIp,
    execute::{Caller, Conditions, execute},
};
use agora_domain::security::ip_address::{IpAddress, IpRecord};
use agora_event_store::testing::eventually;
use agora_process_managers::{
    geoip::{GeoIp, GeoIpArgs},
    processes::ip_enrichment::IpEnrichment,
    runner,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// A value as the format writes it: a byte with type and size, then the value.
fn write(value: &Value, out: &mut Vec<u8>) {
    let mut control = |kind: u8, size: usize| {
        let (size, more) = if size < 29 { (size as u8, None) } else { (29, Some(size - 29)) };
        if kind > 7 {
            out.extend([size, kind - 7]);
        } else {
            out.push(kind << 5 | size);
        }
        out.extend(more.map(|more| more as u8));
    };
    match value {
        Value::String(text) => {
            control(2, text.len());
            out.extend(text.as_bytes());
        }
        Value::Number(number) => {
            control(6, 4);
            out.extend((number.as_u64().unwrap() as u32).to_be_bytes());
        }
        Value::Bool(flag) => control(14, usize::from(*flag)),
        Value::Array(items) => {
            control(11, items.len());
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(members) => {
            control(7, members.len());
            for (name, value) in members {
                write(&json!(name), out);
                // What the metadata counts has types of its own.
                match (name.as_str(), value.as_u64()) {
                    ("build_epoch", Some(number)) => {
                        out.extend([8, 9 - 7]);
                        out.extend(number.to_be_bytes());
                    }
                    ("node_count" | "autonomous_system_number", _) | (_, None) => write(value, out),
                    (_, Some(number)) => {
                        out.push(5 << 5 | 2);
                        out.extend((number as u16).to_be_bytes());
                    }
                }
            }
        }
        Value::Null => panic!("the format has no null"),
    }
}

/// A database that knows one address: a tree with a node for each of its bits.
fn database(world: &World, name: &str, address: Ipv4Addr, record: &Value) -> PathBuf {
    let (nodes, mut out) = (32_u32, Vec::new());
    for bit in 0..nodes {
        let next = if bit + 1 < nodes { bit + 1 } else { nodes + 16 };
        let is_right = address.to_bits() >> (31 - bit) & 1 == 1;
        let (left, right) = if is_right { (nodes, next) } else { (next, nodes) };
        out.extend(&left.to_be_bytes()[1..]);
        out.extend(&right.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    write(record, &mut out);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = json!({
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1,
        "database_type": name, "description": { "en": "a test" }, "ip_version": 4,
        "languages": ["en"], "node_count": nodes, "record_size": 24,
    });
    write(&metadata, &mut out);
    fs::create_dir_all(&world.home).unwrap();
    let path = world.home.join(format!("{name}.mmdb"));
    fs::write(&path, out).unwrap();
    path
}

const KNOWN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

fn databases(world: &World) -> GeoIpArgs {
    let city = json!({
        "country": { "iso_code": "NO" }, "subdivisions": [{ "iso_code": "03" }],
        "city": { "names": { "en": "Oslo" } }, "location": { "time_zone": "Europe/Oslo" },
    });
    let asn = json!({
        "autonomous_system_number": 64_496,
        "autonomous_system_organization": "An Example of a Network",
    });
    let anonymous = json!({ "is_tor_exit_node": true });
    GeoIpArgs {
        geoip_city_file: Some(database(world, "City", KNOWN, &city)),
        geoip_asn_file: Some(database(world, "ASN", KNOWN, &asn)),
        geoip_anonymous_file: Some(database(world, "Anonymous", KNOWN, &anonymous)),
    }
}

async fn record_of(world: &World, address: &str) -> IpRecord {
    let block = AutoBlockIp::new(address.parse().unwrap());
    let caller = Caller::system(None);
    let reply = execute(&world.app, &caller, &Conditions::default(), block).await.unwrap();
    let id = reply.aggregate_id.to_string();
    // The process takes what it can; an address that nothing is known of gets no event.
    let (mut last, mut same) = (0, 0);
    while same < 30 {
        let loaded = world.app.log.load_fresh::<IpAddress>(&id).await.unwrap();
        same = if loaded.sequence == last { same + 1 } else { 0 };
        last = loaded.sequence;
        if last > 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    world.app.log.load_fresh::<IpAddress>(&id).await.unwrap().state.get().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ipr_06_what_databases_say_is_known_and_what_they_do_not_say_stays_unknown() {
    let world = World::new().await;
    let geoip = GeoIp::open(&databases(&world)).unwrap();
    assert!(geoip.look_up("2001:db8::1".parse().unwrap()).is_none(), "of another kind");
    let stop = CancellationToken::new();
    let process = runner::run(IpEnrichment { geoip }, world.app.clone(), stop.clone());
    let running = tokio::spawn(process);
    let known = record_of(&world, "203.0.113.9").await;
    let object = |it: &Option<agora_domain::Personal<_>>| -> Value {
        let it: &agora_domain::security::values::JsonObject = it.as_ref().unwrap().get().unwrap();
        serde_json::from_str(it.as_str()).unwrap()
    };
    assert_eq!(
        object(&known.geolocation),
        json!({ "country": "NO", "region": "03", "city": "Oslo", "time_zone": "Europe/Oslo" })
    );
    let asn = json!({ "number": 64_496, "organization": "An Example of a Network" });
    assert_eq!(object(&known.asn_info), asn);
    let flags = (known.is_tor, known.is_vpn, known.is_datacenter);
    assert_eq!(flags, (Some(true), Some(false), Some(false)));
    let unknown = record_of(&world, "203.0.113.10").await;
    assert!(unknown.geolocation.is_none() && unknown.asn_info.is_none());
    assert_eq!((unknown.is_tor, unknown.is_vpn, unknown.is_datacenter), (None, None, None));
    stop.cancel();
    running.await.unwrap();
    eventually("no wake-up is left", || async {
        sqlx::query_scalar(
            "SELECT count(*) = 0 FROM process.wake_ups WHERE process = 'ip_enrichment'",
        )
        .fetch_one(&world.database.pool)
        .await
        .unwrap()
    })
    .await;
}

#[tokio::test]
async fn ipr_06_without_a_database_nothing_is_known_and_a_wrong_one_is_refused() {
    let world = World::new().await;
    let nothing = GeoIp::open(&GeoIpArgs::default()).unwrap();
    assert!(!nothing.knows_anything() && nothing.look_up(KNOWN.into()).is_none());
    let empty = GeoIpArgs { geoip_city_file: Some(PathBuf::new()), ..GeoIpArgs::default() };
    assert!(!GeoIp::open(&empty).unwrap().knows_anything(), "a variable without a value");
    let path = world.home.join("no.mmdb");
    fs::create_dir_all(&world.home).unwrap();
    fs::write(&path, "no database").unwrap();
    let wrong = GeoIpArgs { geoip_asn_file: Some(path), ..GeoIpArgs::default() };
    assert!(GeoIp::open(&wrong).is_err());
}
