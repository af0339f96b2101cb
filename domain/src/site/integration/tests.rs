use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    ids::AdminId,
    personal::{Category, Subject},
};

const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(1)));
const ID: IntegrationId = IntegrationId(Uuid::from_u128(2));

use IntegrationStatus::{Disabled, Enabled, Error, PendingSetup};

fn config(text: &str) -> SealedConfig {
    let config: ConfigJson = text.parse().unwrap();
    let masked = config.masked();
    SealedConfig {
        masked_config: Personal::new(Subject::from(ID.0), Category::Content, masked),
        config_json: Personal::new(Subject::from(ID.0), Category::Credential, config),
    }
}

fn after(state: &Integration, command: IntegrationCommand) -> Integration {
    let mut after = state.clone();
    for event in state.decide(command).unwrap() {
        Aggregate::apply(&mut after, event);
    }
    after
}

fn registered() -> Integration {
    let register = RegisterIntegration {
        integration_id: ID,
        name: "SendGrid".parse().unwrap(),
        provider_url: None,
        config: config("{\"key\":\"hunter2\"}"),
        actor: ADMIN,
    };
    after(&Integration::default(), IntegrationCommand::Register(register))
}

fn towards(status: IntegrationStatus) -> IntegrationCommand {
    match status {
        Enabled => IntegrationCommand::Enable { actor: ADMIN },
        Disabled => IntegrationCommand::Disable { actor: ADMIN },
        _ => {
            IntegrationCommand::ReportError(ReportIntegrationError { problem: None, actor: ADMIN })
        }
    }
}

/// An integration of each status, by its life cycle.
fn of(status: IntegrationStatus) -> Integration {
    match status {
        PendingSetup => registered(),
        other => after(&registered(), towards(other)),
    }
}

fn status(integration: &Integration) -> IntegrationStatus {
    integration.state.as_ref().unwrap().status
}

#[test]
fn int_02_int_07_the_whole_matrix_of_statuses() {
    // Written down apart from the code: from, and what each of them becomes by the command for it.
    let matrix = [
        (PendingSetup, [(Enabled, true), (Disabled, true), (Error, true)]),
        (Enabled, [(Enabled, true), (Disabled, true), (Error, true)]),
        (Disabled, [(Enabled, true), (Disabled, true), (Error, false)]),
        (Error, [(Enabled, true), (Disabled, true), (Error, true)]),
    ];
    for (from, cells) in matrix {
        for (to, allowed) in cells {
            let before = of(from);
            assert_eq!(status(&before), from);
            match before.decide(towards(to)) {
                Ok(events) => {
                    assert!(allowed, "{from:?} → {to:?}");
                    assert_eq!(events.len(), usize::from(from != to), "{from:?} → {to:?}");
                    assert_eq!(status(&after(&before, towards(to))), to);
                }
                Err(error) => {
                    assert!(!allowed, "{from:?} → {to:?}");
                    assert_eq!((error.rule(), error.kind()), ("INT-07", RefusalKind::Conflict));
                }
            }
        }
    }
    for status in IntegrationStatus::ALL {
        assert!(!status.may_become(PendingSetup), "nothing leads back to the setup");
    }
}

fn sync(at: DateTime<Utc>, now: DateTime<Utc>) -> IntegrationCommand {
    IntegrationCommand::RecordSync(RecordIntegrationSync {
        synced_at: SyncedAt(at),
        now: SyncedAt(now),
        actor: ADMIN,
    })
}

#[test]
fn int_05_a_handshake_only_moves_forward_and_only_while_enabled() {
    let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
    let enabled = of(Enabled);
    let second = TimeDelta::seconds(1);
    let synced = after(&enabled, sync(now, now));
    assert_eq!(synced.decide(sync(now, now)), Ok(vec![]));
    let later = now + second;
    assert_eq!(synced.decide(sync(now - second, later)), Err(IntegrationError::SyncGoesBack));
    assert_eq!(synced.decide(sync(later, now)), Err(IntegrationError::SyncInFuture));
    assert_eq!(synced.decide(sync(later, later)).unwrap().len(), 1);
    for status in [PendingSetup, Disabled, Error] {
        assert_eq!(of(status).decide(sync(now, now)), Err(IntegrationError::NotEnabled));
    }
}

#[test]
fn int_04_settings_are_written_and_kept_in_no_state() {
    let configure = |provider_url, config| {
        IntegrationCommand::Configure(ConfigureIntegration { provider_url, config, actor: ADMIN })
    };
    let integration = registered();
    assert_eq!(integration.decide(configure(None, None)), Ok(vec![]));
    assert_eq!(integration.decide(configure(Some(None), None)), Ok(vec![]));
    let secret = || Some(config("{\"key\":\"correct horse\"}"));
    let events = integration.decide(configure(None, secret())).unwrap();
    assert_eq!(events.len(), 1);
    // The same again is a change too: what was there is not read.
    let again = after(&integration, configure(None, secret()));
    assert_eq!(again.decide(configure(None, secret())).unwrap().len(), 1);
    assert!(!serde_json::to_string(&again).unwrap().contains("horse"));
    assert!(!format!("{events:?}").contains("horse"));
    let url = Some(Some("https://example.com".parse().unwrap()));
    assert_eq!(integration.decide(configure(url, None)).unwrap().len(), 1);
}

#[test]
fn rel_10_what_is_removed_or_was_never_there_is_not_found() {
    let removed = after(&registered(), IntegrationCommand::Remove { actor: ADMIN });
    for integration in [removed, Integration::default()] {
        for command in [
            towards(Enabled),
            towards(Disabled),
            towards(Error),
            IntegrationCommand::Remove { actor: ADMIN },
        ] {
            assert_eq!(integration.decide(command), Err(IntegrationError::NotFound));
        }
    }
    let again = RegisterIntegration {
        integration_id: ID,
        name: "Other".parse().unwrap(),
        provider_url: None,
        config: config("{}"),
        actor: ADMIN,
    };
    let again = registered().decide(IntegrationCommand::Register(again));
    assert_eq!(again, Err(IntegrationError::AlreadyExists));
}
