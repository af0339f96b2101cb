//! Says of an address that has become known where it is and whose network it is of, as far as the
//! operator's databases know (E26).
//!
//! Once, at its first event: what an admin or an outside source says later stays.

use agora_command_api::{
    App,
    commands::record_external_reputation::RecordExternalReputation,
    execute::{Caller, Conditions, execute},
    refusal::at_once,
};
use agora_domain::{
    RuleBreak,
    ids::IpAddressId,
    process_managers::{Reaction, WakeUp},
    security::ip_address::IpAddress,
};
use agora_event_store::{LoadError, RecordedEvent};
use agora_service::problem::Problem;

use super::Process;
use crate::geoip::GeoIp;

pub struct IpEnrichment {
    pub geoip: GeoIp,
}

/// Looks an address up.
pub struct EnrichIp {
    id: IpAddressId,
}

impl Process for IpEnrichment {
    const NAME: &'static str = "ip_enrichment";
    const EVENT_TYPES: &'static [&'static str] =
        &["IpAutoBlocked", "IpBlacklisted", "IpIncidentLinked", "IpObserved", "IpWhitelisted"];
    type Command = EnrichIp;

    async fn on_event(
        &self,
        _: &App,
        event: &RecordedEvent,
    ) -> Result<Vec<Reaction<EnrichIp>>, LoadError> {
        if event.sequence != 1 {
            return Ok(Vec::new());
        }
        let id: IpAddressId = event.aggregate_id.parse().map_err(|broken: RuleBreak| {
            LoadError::Database(sqlx::Error::Decode(Box::new(broken)))
        })?;
        let (at, cause) = (event.recorded_at, event.event_id);
        Ok(vec![Reaction::WakeUp(WakeUp { key: id.0, at, cause })])
    }

    fn on_wake_up(&self, wake_up: WakeUp) -> Vec<Reaction<EnrichIp>> {
        let command = EnrichIp { id: IpAddressId(wake_up.key) };
        vec![Reaction::Send { command, cause: wake_up.cause }]
    }

    /// A network has no place of its own, and what is erased cannot be looked up.
    async fn send(&self, app: &App, command: EnrichIp, cause: uuid::Uuid) -> Result<(), Problem> {
        let loaded = app.log.load::<IpAddress>(&command.id.to_string()).await;
        let loaded = loaded.map_err(|error| at_once(error.into()))?;
        let network = loaded.state.get().and_then(|record| record.address.get().copied());
        let Some(network) = network else { return Ok(()) };
        let Some(found) = network.address().and_then(|address| self.geoip.look_up(address)) else {
            return Ok(());
        };
        let record = RecordExternalReputation::of_databases(network, found);
        execute(app, &Caller::system(Some(cause)), &Conditions::default(), record).await?;
        Ok(())
    }
}
