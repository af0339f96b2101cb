//! Every type of event as it is stored, for ever: `stored_events/<EventType>/<version>-complete.json`
//! with everything set, and `<version>-required.json` with only what was never optional, personal
//! values erased. As the domain reads them: after opening and upcasting.
//!
//! A fixture is never changed. A new version of an event is two new files beside the old ones.

use std::{fmt::Debug, fs, path::PathBuf};

use agora_domain::{
    Decide,
    aggregate::StoredName,
    community::{
        category::Category, category_order::CategoryOrder, community::Community,
        community_rules::CommunityRules, membership::Membership,
        recent_communities::RecentCommunities,
    },
    compliance::{
        consent::Consent, deletion_request::DeletionRequest, policy_acceptance::PolicyAcceptance,
        policy_series::PolicySeries, policy_version::PolicyVersion,
        processing_limit::ProcessingLimit, subject_erasures::SubjectErasures,
        subject_key::SubjectKey,
    },
    content::{
        comment::Comment, comment_vote::CommentVote, content_notice::ContentNotice,
        moderation_appeal::ModerationAppeal, post::Post, post_vote::PostVote,
    },
    exports::{
        bufdir_report::BufdirReport, export_downloads::ExportDownloads, export_job::ExportJob,
        export_quota::ExportQuota, organization::Organization,
        organization_membership::OrganizationMembership, subject_exports::SubjectExports,
    },
    identity::{
        admin::Admin, admin_roster::AdminRoster, credential::Credential, guest::Guest,
        member::Member, password_reset::PasswordReset, principal_sessions::PrincipalSessions,
        service_account::ServiceAccount, session::Session, session_era::SessionEra,
    },
    registry::AGGREGATES,
    security::{breach::Breach, incident::Incident, ip_address::IpAddress},
    site::{configuration::Configuration, integration::Integration},
};
use serde_json::{Map, Value};

/// Runs one check on every aggregate; a test below fails where the registry names one more.
macro_rules! each_aggregate {
    ($check:ident) => {
        [
            $check::<Credential>(),
            $check::<PasswordReset>(),
            $check::<Member>(),
            $check::<Admin>(),
            $check::<AdminRoster>(),
            $check::<ServiceAccount>(),
            $check::<Guest>(),
            $check::<Session>(),
            $check::<SessionEra>(),
            $check::<PrincipalSessions>(),
            $check::<Category>(),
            $check::<CategoryOrder>(),
            $check::<Community>(),
            $check::<CommunityRules>(),
            $check::<Membership>(),
            $check::<RecentCommunities>(),
            $check::<Post>(),
            $check::<PostVote>(),
            $check::<Comment>(),
            $check::<CommentVote>(),
            $check::<ContentNotice>(),
            $check::<ModerationAppeal>(),
            $check::<Configuration>(),
            $check::<Integration>(),
            $check::<Organization>(),
            $check::<OrganizationMembership>(),
            $check::<BufdirReport>(),
            $check::<ExportJob>(),
            $check::<ExportDownloads>(),
            $check::<ExportQuota>(),
            $check::<SubjectExports>(),
            $check::<PolicyVersion>(),
            $check::<PolicySeries>(),
            $check::<PolicyAcceptance>(),
            $check::<Consent>(),
            $check::<ProcessingLimit>(),
            $check::<DeletionRequest>(),
            $check::<SubjectErasures>(),
            $check::<SubjectKey>(),
            $check::<Incident>(),
            $check::<Breach>(),
            $check::<IpAddress>(),
        ]
    };
}

#[test]
fn every_aggregate_of_the_registry_is_checked_here() {
    fn name<A: Decide>() -> &'static str {
        A::TYPE
    }
    let registered: Vec<&str> = AGGREGATES.iter().map(|types| types.aggregate_type).collect();
    assert_eq!(each_aggregate!(name).as_slice(), registered);
}

#[test]
fn every_event_has_both_fixtures_of_every_version_and_no_other_stands_there() {
    let mut expected: Vec<PathBuf> = Vec::new();
    for (event_type, version) in AGGREGATES.iter().flat_map(|types| types.events) {
        let versions = 1..=version.parse::<u32>().expect("versions are numbers");
        expected.extend(versions.flat_map(|version| {
            ["complete", "required"].map(|kind| fixture_path(event_type, version, kind))
        }));
    }
    let mut found: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn esx_13_every_stored_event_loads_as_what_its_folder_says() {
    fn check<A: Aggregated>() {
        for (event_type, kind, stored) in stored::<A>() {
            let event: A::Event = load(&stored);
            assert_eq!(event.stored_type(), event_type);
            if kind == "complete" {
                let mut written = serde_json::to_value(&event).unwrap();
                // What a later version has added is null in an older one.
                let older = &stored[event_type];
                let fields = written[event_type].as_object_mut().unwrap();
                fields.retain(|name, value| !value.is_null() || older.get(name).is_some());
                assert_eq!(written, stored, "it is written as read");
            }
        }
    }
    each_aggregate!(check);
}

#[test]
fn esx_13_fields_that_a_later_version_adds_do_not_stop_an_earlier_reader() {
    fn check<A: Aggregated>() {
        for (event_type, kind, stored) in stored::<A>() {
            let mut later = stored.clone();
            with_unknown_fields(&mut later[event_type]);
            assert_ne!(later, stored);
            assert_eq!(load::<A::Event>(&later), load(&stored), "{event_type} {kind}");
        }
    }
    each_aggregate!(check);
}

#[test]
fn esx_02_replaying_the_same_events_twice_gives_the_same_state() {
    fn check<A: Aggregated>() {
        for wanted in ["complete", "required"] {
            let replayed = || {
                let mut state = A::default();
                for (_, kind, stored) in stored::<A>() {
                    if kind == wanted {
                        state.apply(load(&stored));
                    }
                }
                state
            };
            let state = replayed();
            assert_eq!(state, replayed(), "{} {wanted}", A::TYPE);
            let kept = serde_json::to_string(&state).unwrap();
            assert_eq!(
                serde_json::from_str::<A>(&kept).unwrap(),
                state,
                "a snapshot loses nothing"
            );
        }
    }
    each_aggregate!(check);
}

/// Where the log loads the last event only, that event alone must give the state of them all.
#[test]
fn esx_02_where_only_the_last_event_is_loaded_it_gives_the_whole_state() {
    fn check<A: Aggregated>() {
        if !A::LAST_EVENT_IS_STATE {
            return;
        }
        let mut all = A::default();
        for (event_type, kind, stored) in stored::<A>() {
            all.apply(load(&stored));
            let mut last = A::default();
            last.apply(load(&stored));
            assert_eq!(all, last, "{event_type} {kind}");
        }
    }
    each_aggregate!(check);
}

/// What the checks need of an aggregate; all of them have it.
trait Aggregated: Decide<Event: PartialEq + Debug> + PartialEq + Debug {}
impl<A: Decide<Event: PartialEq + Debug> + PartialEq + Debug> Aggregated for A {}

/// Each stored event of an aggregate, in the registry's order: type, kind, payload.
fn stored<A: Decide>() -> Vec<(&'static str, &'static str, Value)> {
    let types = AGGREGATES.iter().find(|types| types.aggregate_type == A::TYPE);
    let events = types.expect("the registry names it: a test above").events;
    let files = events.iter().flat_map(|(event_type, version)| {
        let versions = 1..=version.parse::<u32>().expect("versions are numbers");
        versions
            .flat_map(|version| ["complete", "required"].map(|kind| (*event_type, kind, version)))
    });
    let read = |(event_type, kind, version)| {
        let path = fixture_path(event_type, version, kind);
        let text = fs::read_to_string(&path).expect("the fixture is there: a test above");
        (event_type, kind, serde_json::from_str(&text).expect("a fixture is JSON"))
    };
    files.map(read).collect()
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stored_events")
}

fn fixture_path(event_type: &str, version: u32, kind: &str) -> PathBuf {
    fixtures().join(event_type).join(format!("{version}-{kind}.json"))
}

fn load<E: serde::de::DeserializeOwned>(stored: &Value) -> E {
    serde_json::from_value(stored.clone()).expect("a stored event loads")
}

/// Adds a field to every object, at every depth.
fn with_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(with_unknown_fields);
            let unknown = Map::from_iter([("of".to_owned(), Value::from("version 99"))]);
            fields.insert("a_field_of_a_later_version".to_owned(), Value::Object(unknown));
        }
        Value::Array(items) => items.iter_mut().for_each(with_unknown_fields),
        _ => {}
    }
}
