//! An integration with an outside service (E05).
//!
//! Life cycle (INT-07): registered → pending setup → enabled, disabled or error; enabled ⇄ disabled;
//! enabled → error → enabled or disabled; removed from any of them, which is the end and frees the
//! name. Handshakes are noted while it is enabled and only move forward (INT-05). Each event carries
//! the whole state but the settings: those are written, and never read by a decision (INT-04).

use serde::{Deserialize, Serialize};

use super::integration_values::{ConfigJson, IntegrationName, MaskedConfig, ProviderUrl, SyncedAt};
use crate::{
    actor::Actor,
    aggregate::{Decide, aggregate, domain_event},
    ids::IntegrationId,
    personal::Personal,
    refusal::{Refusal, RefusalKind},
    values::IntegrationProblem,
};

/// What an integration does (INT-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntegrationStatus {
    #[serde(rename = "pending setup")]
    PendingSetup,
    Enabled,
    Disabled,
    Error,
}

impl IntegrationStatus {
    pub const ALL: [Self; 4] = [Self::PendingSetup, Self::Enabled, Self::Disabled, Self::Error];

    /// Whether it may become another (INT-07).
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::PendingSetup => !matches!(next, Self::PendingSetup),
            Self::Enabled => matches!(next, Self::Disabled | Self::Error),
            Self::Disabled => matches!(next, Self::Enabled),
            Self::Error => matches!(next, Self::Enabled | Self::Disabled),
        }
    }
}

/// An integration as the log tells it. `Default` is one that is not registered, or removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    state: Option<IntegrationState>,
}

/// The whole of an integration but its settings, as each event carries it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegrationState {
    pub name: IntegrationName,
    pub provider_url: Option<ProviderUrl>,
    pub status: IntegrationStatus,
    pub last_successful_sync_at: Option<SyncedAt>,
}

/// Settings with how they are shown, sealed under the integration's own keys.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedConfig {
    pub config_json: Personal<ConfigJson>,
    pub masked_config: Personal<MaskedConfig>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum IntegrationCommand {
    Register(RegisterIntegration),
    Configure(ConfigureIntegration),
    Enable { actor: Actor },
    Disable { actor: Actor },
    ReportError(ReportIntegrationError),
    RecordSync(RecordIntegrationSync),
    Remove { actor: Actor },
}

#[derive(Clone, Debug, PartialEq)]
pub struct RegisterIntegration {
    pub integration_id: IntegrationId,
    pub name: IntegrationName,
    pub provider_url: Option<ProviderUrl>,
    pub config: SealedConfig,
    pub actor: Actor,
}

/// Changes what is given.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigureIntegration {
    /// `Some(None)` takes it away.
    pub provider_url: Option<Option<ProviderUrl>>,
    pub config: Option<SealedConfig>,
    pub actor: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReportIntegrationError {
    pub problem: Option<Personal<IntegrationProblem>>,
    pub actor: Actor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordIntegrationSync {
    pub synced_at: SyncedAt,
    pub now: SyncedAt,
    pub actor: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum IntegrationEvent {
    IntegrationRegistered {
        integration_id: IntegrationId,
        integration: IntegrationState,
        config_json: Personal<ConfigJson>,
        /// The names of the settings: what is shown of them.
        masked_config: Personal<MaskedConfig>,
        registered_by: Actor,
    },
    IntegrationConfigured {
        integration: IntegrationState,
        /// The whole settings after the change; nothing where they are as before.
        config_json: Option<Personal<ConfigJson>>,
        masked_config: Option<Personal<MaskedConfig>>,
        configured_by: Actor,
    },
    IntegrationEnabled {
        integration: IntegrationState,
        enabled_by: Actor,
    },
    IntegrationDisabled {
        integration: IntegrationState,
        disabled_by: Actor,
    },
    IntegrationFailed {
        integration: IntegrationState,
        problem: Option<Personal<IntegrationProblem>>,
        reported_by: Actor,
    },
    IntegrationSynced {
        integration: IntegrationState,
        recorded_by: Actor,
    },
    IntegrationRemoved {
        name: IntegrationName,
        removed_by: Actor,
    },
}

domain_event!(IntegrationEvent {
    IntegrationRegistered => "1",
    IntegrationConfigured => "1",
    IntegrationEnabled => "1",
    IntegrationDisabled => "1",
    IntegrationFailed => "1",
    IntegrationSynced => "1",
    IntegrationRemoved => "1",
});

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IntegrationError {
    #[error("there is already an integration of this id")]
    AlreadyExists,
    #[error("there is no such integration")]
    NotFound,
    #[error("an integration of this status does not become that: see its life cycle")]
    WrongStatus,
    #[error("only an enabled integration has handshakes")]
    NotEnabled,
    #[error("a later handshake is known already")]
    SyncGoesBack,
    #[error("a handshake cannot be in the future")]
    SyncInFuture,
}

impl Refusal for IntegrationError {
    fn rule(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "ESX-03",
            Self::NotFound => "REL-10",
            Self::WrongStatus => "INT-07",
            Self::NotEnabled | Self::SyncGoesBack | Self::SyncInFuture => "INT-05",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::SyncInFuture => RefusalKind::Invalid,
            Self::AlreadyExists | Self::WrongStatus | Self::NotEnabled | Self::SyncGoesBack => {
                RefusalKind::Conflict
            }
        }
    }
}

aggregate!(Integration, "integration", IntegrationCommand, IntegrationEvent, IntegrationError);

impl Decide for Integration {
    const LAST_EVENT_IS_STATE: bool = true;

    fn decide(
        &self,
        command: IntegrationCommand,
    ) -> Result<Vec<IntegrationEvent>, IntegrationError> {
        match command {
            IntegrationCommand::Register(command) => register(self, command),
            IntegrationCommand::Configure(command) => configure(self.state()?, command),
            IntegrationCommand::Enable { actor: enabled_by } => {
                become_(self.state()?, IntegrationStatus::Enabled, |integration| {
                    IntegrationEvent::IntegrationEnabled { integration, enabled_by }
                })
            }
            IntegrationCommand::Disable { actor: disabled_by } => {
                become_(self.state()?, IntegrationStatus::Disabled, |integration| {
                    IntegrationEvent::IntegrationDisabled { integration, disabled_by }
                })
            }
            IntegrationCommand::ReportError(command) => report_error(self.state()?, command),
            IntegrationCommand::RecordSync(command) => record_sync(self.state()?, command),
            IntegrationCommand::Remove { actor: removed_by } => {
                let name = self.state()?.name.clone();
                Ok(vec![IntegrationEvent::IntegrationRemoved { name, removed_by }])
            }
        }
    }
}

fn register(
    current: &Integration,
    command: RegisterIntegration,
) -> Result<Vec<IntegrationEvent>, IntegrationError> {
    if current.state.is_some() {
        return Err(IntegrationError::AlreadyExists);
    }
    Ok(vec![IntegrationEvent::IntegrationRegistered {
        integration_id: command.integration_id,
        integration: IntegrationState {
            name: command.name,
            provider_url: command.provider_url,
            status: IntegrationStatus::PendingSetup,
            last_successful_sync_at: None,
        },
        config_json: command.config.config_json,
        masked_config: command.config.masked_config,
        registered_by: command.actor,
    }])
}

/// Settings are never compared with those before: nobody reads them again.
fn configure(
    current: &IntegrationState,
    command: ConfigureIntegration,
) -> Result<Vec<IntegrationEvent>, IntegrationError> {
    let provider_url = command.provider_url.unwrap_or_else(|| current.provider_url.clone());
    if command.config.is_none() && provider_url == current.provider_url {
        return Ok(Vec::new());
    }
    let (config_json, masked_config) =
        command.config.map(|config| (config.config_json, config.masked_config)).unzip();
    Ok(vec![IntegrationEvent::IntegrationConfigured {
        integration: IntegrationState { provider_url, ..current.clone() },
        config_json,
        masked_config,
        configured_by: command.actor,
    }])
}

/// The integration with another status; nothing where it has it already.
fn become_(
    current: &IntegrationState,
    status: IntegrationStatus,
    event: impl FnOnce(IntegrationState) -> IntegrationEvent,
) -> Result<Vec<IntegrationEvent>, IntegrationError> {
    if current.status == status {
        return Ok(Vec::new());
    }
    if !current.status.may_become(status) {
        return Err(IntegrationError::WrongStatus);
    }
    Ok(vec![event(IntegrationState { status, ..current.clone() })])
}

fn report_error(
    current: &IntegrationState,
    command: ReportIntegrationError,
) -> Result<Vec<IntegrationEvent>, IntegrationError> {
    let ReportIntegrationError { problem, actor: reported_by } = command;
    become_(current, IntegrationStatus::Error, |integration| IntegrationEvent::IntegrationFailed {
        integration,
        problem,
        reported_by,
    })
}

fn record_sync(
    current: &IntegrationState,
    command: RecordIntegrationSync,
) -> Result<Vec<IntegrationEvent>, IntegrationError> {
    let RecordIntegrationSync { synced_at, now, actor: recorded_by } = command;
    if current.status != IntegrationStatus::Enabled {
        return Err(IntegrationError::NotEnabled);
    }
    if synced_at > now {
        return Err(IntegrationError::SyncInFuture);
    }
    match current.last_successful_sync_at {
        Some(last) if last == synced_at => return Ok(Vec::new()),
        Some(last) if last > synced_at => return Err(IntegrationError::SyncGoesBack),
        _ => {}
    }
    let last_successful_sync_at = Some(synced_at);
    let integration = IntegrationState { last_successful_sync_at, ..current.clone() };
    Ok(vec![IntegrationEvent::IntegrationSynced { integration, recorded_by }])
}

impl Integration {
    /// Where its provider is; none where that was not said, and where there is no integration.
    pub fn provider_url(&self) -> Option<&ProviderUrl> {
        self.state.as_ref().and_then(|state| state.provider_url.as_ref())
    }

    fn state(&self) -> Result<&IntegrationState, IntegrationError> {
        self.state.as_ref().ok_or(IntegrationError::NotFound)
    }

    fn apply(&mut self, event: IntegrationEvent) {
        self.state = match event {
            IntegrationEvent::IntegrationRegistered { integration, .. }
            | IntegrationEvent::IntegrationConfigured { integration, .. }
            | IntegrationEvent::IntegrationEnabled { integration, .. }
            | IntegrationEvent::IntegrationDisabled { integration, .. }
            | IntegrationEvent::IntegrationFailed { integration, .. }
            | IntegrationEvent::IntegrationSynced { integration, .. } => Some(integration),
            IntegrationEvent::IntegrationRemoved { .. } => None,
        };
    }
}

#[cfg(test)]
mod tests;
