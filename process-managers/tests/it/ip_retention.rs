//! IPR-15: an address that was idle for half a year is forgotten, in every copy.

use agora_command_api::{addresses::IP_ADDRESS, detection::ObserveIp, execute::*};
use agora_domain::{
    Actor, Personal, PersonalCategory, Subject,
    ids::IpAddressId,
    process_managers::ip_retention::ForgetIp,
    security::{
        ip_address::{Act, IpAddress, IpAddressCommand},
        network::Network,
    },
};
use agora_event_store::{testing::eventually, vault::SubjectKey};
use agora_process_managers::{
    processes::{Process, ip_retention::IpRetention},
    runner,
};
use agora_service::clock;
use chrono::TimeDelta;
use cqrs_es::CqrsFramework;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::world::World;

impl World {
    /// An address that was seen last so many days ago, as it would be in the log.
    async fn seen(&self, address: &str, days: i64) -> IpAddressId {
        let id = IpAddressId(Uuid::new_v4());
        let network: Network = address.parse().unwrap();
        let personal = Personal::new(Subject::from(id.0), PersonalCategory::Network, network);
        let command = IpAddressCommand {
            id,
            address: personal,
            is_range: false,
            is_exempt: false,
            at: clock::now() - TimeDelta::days(days),
            by: Actor::SYSTEM,
            act: Act::Observe { requests: 1, blocked: 1 },
        };
        let store = self.app.log.store::<IpAddress>();
        let framework = CqrsFramework::new(store, Vec::new(), ());
        framework.execute(&id.to_string(), command).await.unwrap();
        sqlx::query("INSERT INTO log.claims (scope, key, aggregate_id) VALUES ($1, $2, $3)")
            .bind(IP_ADDRESS)
            .bind(self.app.address_index(network))
            .bind(id.to_string())
            .execute(&self.database.pool)
            .await
            .unwrap();
        id
    }

    async fn is_known(&self, id: IpAddressId) -> bool {
        let log = self.database.log().await;
        log.load_fresh::<IpAddress>(&id.to_string()).await.unwrap().state.get().is_some()
    }

    async fn key_of(&self, id: IpAddressId) -> Option<SubjectKey> {
        let name = (Subject::from(id.0), PersonalCategory::Network);
        let keys = self.database.vault().look_up(std::slice::from_ref(&name)).await;
        keys.unwrap().remove(&name)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ipr_15_idle_addresses_are_forgotten_and_their_keys_destroyed_and_others_stay() {
    let world = World::new().await;
    let idle = world.seen("203.0.113.9", 181).await;
    let recent = world.seen("203.0.113.10", 179).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner::run(IpRetention, world.app.clone(), stop.clone()));
    eventually("the idle address is forgotten", || async {
        matches!(world.key_of(idle).await, Some(SubjectKey::Destroyed))
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    assert!(!world.is_known(idle).await && world.is_known(recent).await);
    assert!(matches!(world.key_of(recent).await, Some(SubjectKey::Present(_))));
    // A replay does nothing twice.
    let again = ForgetIp { id: idle };
    IpRetention.send(&world.app, again, Uuid::new_v4()).await.unwrap();
    let log = world.database.log().await;
    assert_eq!(log.load_fresh::<IpAddress>(&idle.to_string()).await.unwrap().sequence, 2);
    // An address that comes back begins anew, under another id.
    let network = "203.0.113.9".parse().unwrap();
    let observe = ObserveIp { network, requests: 1, blocked: 0 };
    let caller = Caller::system(None);
    let reply = execute(&world.app, &caller, &Conditions::default(), observe).await.unwrap();
    assert_ne!(reply.aggregate_id.to_string(), idle.to_string());
}
