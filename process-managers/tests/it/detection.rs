//! INC-12: a scripted attack ends with incidents raised and addresses blocked, and honest clients are left
//! alone.

use agora_command_api::{
    commands::auto_block_ip::AutoBlockIp,
    execute::{Caller, Conditions, execute},
};
use agora_domain::{
    process_managers::detection::Thresholds,
    security::{incident::Incident, ip_address::IpAddress, network::Network, values::IncidentType},
};
use agora_event_store::security::{Outcome, SecurityRecord};
use agora_process_managers::detection::Detection;

use crate::world::World;

fn thresholds() -> Thresholds {
    Thresholds { login_failures: 5, too_many: 10, ..Thresholds::default() }
}

impl World {
    /// What the command API notes of a request that it refused.
    async fn noted(&self, address: &str, kind: &'static str, status: u16, times: u64) {
        let record = SecurityRecord {
            kind,
            outcome: Outcome::Failure,
            actor: None,
            action: if kind == "login_failed" { "log-in" } else { "cast-vote" }.to_owned(),
            rule: None,
            status,
            client_address: Some(address.to_owned()),
        };
        self.app.security.write_times(record, times).await;
    }

    async fn detection(&self) -> Detection {
        let mut connection = self.database.pool.acquire().await.unwrap();
        Detection::begin(&self.app, thresholds(), &mut connection).await.unwrap()
    }

    async fn look(&self, detection: &mut Detection) {
        let mut connection = self.database.pool.acquire().await.unwrap();
        detection.look(&mut connection).await.unwrap();
    }

    /// The types of events of security, in order.
    async fn attack_story(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT event_type FROM log.events
             WHERE aggregate_type IN ('incident', 'ip_address') ORDER BY position",
        )
        .fetch_all(&self.database.pool)
        .await
        .unwrap()
    }

    async fn first_stream(&self, aggregate_type: &str) -> String {
        sqlx::query_scalar(
            "SELECT aggregate_id FROM log.events WHERE aggregate_type = $1
             ORDER BY position LIMIT 1",
        )
        .bind(aggregate_type)
        .fetch_one(&self.database.pool)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn inc_12_ipr_08_guessing_passwords_is_an_incident_that_is_extended_and_the_client_blocked() {
    let world = World::new().await;
    let mut detection = world.detection().await;
    // Honest mistakes, and the machine itself.
    world.noted("192.0.2.1", "login_failed", 401, 4).await;
    world.noted("127.0.0.1", "login_failed", 401, 1_000).await;
    world.noted("203.0.113.9", "login_failed", 401, 4).await;
    world.look(&mut detection).await;
    assert!(world.attack_story().await.is_empty());
    world.noted("203.0.113.9", "login_failed", 401, 3).await;
    world.look(&mut detection).await;
    let opened = ["IpIncidentLinked", "IncidentDetected", "IpAutoBlocked"];
    assert_eq!(world.attack_story().await, opened);
    let incident = world.first_stream("incident").await;
    let state = world.app.log.load::<Incident>(&incident).await.unwrap().state;
    let standing = state.get().unwrap();
    assert_eq!(standing.incident_type, IncidentType::BruteForce);
    assert_eq!(standing.request_count, Some(7));
    // Another instance that goes on with it tells nothing twice, and extends what there is.
    let mut another = world.detection().await;
    world.look(&mut another).await;
    assert_eq!(world.attack_story().await, opened);
    world.noted("203.0.113.9", "login_failed", 401, 2).await;
    world.look(&mut another).await;
    assert_eq!(world.attack_story().await[3..], ["IncidentActivityObserved"]);
    let state = world.app.log.load::<Incident>(&incident).await.unwrap().state;
    assert_eq!(state.get().unwrap().request_count, Some(9));
}

#[tokio::test]
async fn inc_12_too_many_requests_of_one_network_are_an_incident_and_it_is_blocked() {
    let world = World::new().await;
    let mut detection = world.detection().await;
    world.noted("2001:db8:1:2::1", "refusal", 429, 6).await;
    world.noted("2001:db8:1:2::2", "refusal", 429, 6).await;
    world.look(&mut detection).await;
    let story = world.attack_story().await;
    assert_eq!(story, ["IpIncidentLinked", "IncidentDetected", "IpAutoBlocked"]);
    let blocked: String = sqlx::query_scalar(
        "SELECT aggregate_id FROM log.events WHERE event_type = 'IpAutoBlocked'",
    )
    .fetch_one(&world.database.pool)
    .await
    .unwrap();
    let state = world.app.log.load::<IpAddress>(&blocked).await.unwrap().state;
    let record = state.get().unwrap();
    assert_eq!(record.address.get().unwrap().to_string(), "2001:db8:1:2::/64");
    // What a blocked client sends on is counted with its address.
    world.noted("2001:db8:1:2::1", "blocked", 403, 40).await;
    world.look(&mut detection).await;
    assert_eq!(world.attack_story().await[3..], ["IpObserved"]);
}

#[tokio::test]
async fn ipr_12_what_is_blocked_already_is_not_blocked_again() {
    let world = World::new().await;
    let block = || AutoBlockIp::new("203.0.113.9".parse::<Network>().unwrap());
    let caller = Caller::system(None);
    execute(&world.app, &caller, &Conditions::default(), block()).await.unwrap();
    let mut detection = world.detection().await;
    world.noted("203.0.113.9", "login_failed", 401, 5).await;
    world.look(&mut detection).await;
    let story = world.attack_story().await;
    assert_eq!(story, ["IpAutoBlocked", "IpIncidentLinked", "IncidentDetected"]);
}

#[tokio::test]
async fn inc_12_what_could_not_be_recorded_is_not_noted_as_told() {
    let world = World::new().await;
    let may_append = async |grant: &str| {
        let statement = format!(
            "DO $$ BEGIN EXECUTE format('{grant} agora_writer',
                 (SELECT oid::regprocedure FROM pg_proc
                  WHERE proname = 'append' AND pronamespace = 'log'::regnamespace)); END $$"
        );
        sqlx::query(&statement).execute(&world.database.pool).await.unwrap();
    };
    let told = async || {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM process.detection")
            .fetch_one(&world.database.pool)
            .await
            .unwrap()
    };
    let mut detection = world.detection().await;
    may_append("REVOKE EXECUTE ON FUNCTION %s FROM").await;
    world.noted("203.0.113.9", "login_failed", 401, 7).await;
    world.look(&mut detection).await;
    assert_eq!(told().await, 0);
    may_append("GRANT EXECUTE ON FUNCTION %s TO").await;
    // That one stopped: whoever goes on after it finds what it could not record.
    let mut another = world.detection().await;
    world.look(&mut another).await;
    let opened = ["IpIncidentLinked", "IncidentDetected", "IpAutoBlocked"];
    assert_eq!(world.attack_story().await, opened);
    assert_eq!(told().await, 1);
}
