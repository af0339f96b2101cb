//! What databases in MaxMind's format say of an address comes to be known with it (E26). The tests write
//! their own databases, of one address each.

use std::{fs, net::Ipv4Addr, path::PathBuf};

use agora_command_api::{
    commands::auto_block_ip::AutoBlockIp,
    execute::{Caller, Conditions, execute},
};
use agora_domain::security::ip_address::{IpAddress, IpRecord};
use agora_event_store::{
    security_audit::{Row, fill_in, open},
    testing::{eventually, mmdb::database},
};
use agora_process_managers::{
    geoip::{GeoIp, GeoIpArgs},
    processes::ip_enrichment::IpEnrichment,
    runner,
    security_audit::Follower,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::world::{PASSWORD, World};

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
        geoip_city_file: Some(database(&world.home, "City", KNOWN, &city)),
        geoip_asn_file: Some(database(&world.home, "ASN", KNOWN, &asn)),
        geoip_anonymous_file: Some(database(&world.home, "Anonymous", KNOWN, &anonymous)),
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
async fn sal_05_a_login_that_the_audit_log_copies_says_its_country() {
    let world = World::new().await;
    let place = json!({ "country": { "iso_code": "NO" } });
    // From where the world's clients ask.
    let file = database(&world.home, "City", Ipv4Addr::new(203, 0, 113, 77), &place);
    let arguments = GeoIpArgs { geoip_city_file: Some(file), ..GeoIpArgs::default() };
    let countries = GeoIp::open(&arguments).unwrap().countries();
    world.register("kari@example.org").await;
    world.log_in("kari@example.org", PASSWORD).await.unwrap();
    let follower = Follower::new(&world.app, countries);
    let mut connection = world.database.pool.acquire().await.unwrap();
    while follower.look(&mut connection).await.unwrap() {}
    let statement = format!("SELECT {} FROM log.security_audit_entries", Row::COLUMNS);
    let mut rows: Vec<Row> = sqlx::query_as(&statement).fetch_all(&mut *connection).await.unwrap();
    fill_in(&mut connection, &mut rows).await.unwrap();
    assert_eq!(rows[0].event_type, "LOGIN");
    let opened = open(&world.database.vault(), &rows).await.unwrap();
    assert_eq!(opened[0].as_ref().unwrap().country.as_deref(), Some("NO"));
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
