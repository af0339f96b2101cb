//! The state of an aggregate as it was: its events folded again, up to a place in the log (ESX-09).

use agora_domain::{
    PersonalCategory,
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
    security::{breach::Breach, incident::Incident, ip_address::IpAddress},
    site::{configuration::Configuration, integration::Integration},
};
use agora_event_store::{
    Opener, RecordedEvent, seal::SealedText, upcast::upcasters, vault::VaultError,
};
use cqrs_es::{Aggregate, persist::SerializedEvent};
use serde_json::{Map, Value, json};

/// The key that marks a personal value in the domain's JSON.
const MARK: &str = "$personal";

type Begin = fn() -> Box<dyn Fold>;

/// Each aggregate type with the way to fold it: one line an aggregate.
const AGGREGATES: &[(&str, Begin)] = &[
    (Credential::TYPE, begin::<Credential>),
    (Member::TYPE, begin::<Member>),
    (Admin::TYPE, begin::<Admin>),
    (AdminRoster::TYPE, begin::<AdminRoster>),
    (ServiceAccount::TYPE, begin::<ServiceAccount>),
    (Guest::TYPE, begin::<Guest>),
    (Session::TYPE, begin::<Session>),
    (SessionEra::TYPE, begin::<SessionEra>),
    (PasswordReset::TYPE, begin::<PasswordReset>),
    (PrincipalSessions::TYPE, begin::<PrincipalSessions>),
    (Category::TYPE, begin::<Category>),
    (CategoryOrder::TYPE, begin::<CategoryOrder>),
    (Community::TYPE, begin::<Community>),
    (CommunityRules::TYPE, begin::<CommunityRules>),
    (Membership::TYPE, begin::<Membership>),
    (RecentCommunities::TYPE, begin::<RecentCommunities>),
    (Post::TYPE, begin::<Post>),
    (PostVote::TYPE, begin::<PostVote>),
    (Comment::TYPE, begin::<Comment>),
    (CommentVote::TYPE, begin::<CommentVote>),
    (ContentNotice::TYPE, begin::<ContentNotice>),
    (ModerationAppeal::TYPE, begin::<ModerationAppeal>),
    (Configuration::TYPE, begin::<Configuration>),
    (Integration::TYPE, begin::<Integration>),
    (Organization::TYPE, begin::<Organization>),
    (OrganizationMembership::TYPE, begin::<OrganizationMembership>),
    (BufdirReport::TYPE, begin::<BufdirReport>),
    (ExportJob::TYPE, begin::<ExportJob>),
    (ExportDownloads::TYPE, begin::<ExportDownloads>),
    (ExportQuota::TYPE, begin::<ExportQuota>),
    (SubjectExports::TYPE, begin::<SubjectExports>),
    (PolicyVersion::TYPE, begin::<PolicyVersion>),
    (PolicySeries::TYPE, begin::<PolicySeries>),
    (PolicyAcceptance::TYPE, begin::<PolicyAcceptance>),
    (Consent::TYPE, begin::<Consent>),
    (ProcessingLimit::TYPE, begin::<ProcessingLimit>),
    (DeletionRequest::TYPE, begin::<DeletionRequest>),
    (SubjectErasures::TYPE, begin::<SubjectErasures>),
    (SubjectKey::TYPE, begin::<SubjectKey>),
    (Incident::TYPE, begin::<Incident>),
    (Breach::TYPE, begin::<Breach>),
    (IpAddress::TYPE, begin::<IpAddress>),
];

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("{aggregate_type} event at position {position} cannot be read: {reason}")]
    Event { aggregate_type: String, position: u64, reason: String },
}

/// An aggregate on its way through its events.
trait Fold: Send {
    fn apply(&mut self, payload: Value) -> Result<(), serde_json::Error>;
    fn state(&self) -> Value;
}

struct State<A>(A);

impl<A: Aggregate> Fold for State<A> {
    fn apply(&mut self, payload: Value) -> Result<(), serde_json::Error> {
        self.0.apply(serde_json::from_value(payload)?);
        Ok(())
    }

    fn state(&self) -> Value {
        serde_json::to_value(&self.0).expect("states have text keys and serialise without fail")
    }
}

fn begin<A: Aggregate + 'static>() -> Box<dyn Fold> {
    Box::new(State(A::default()))
}

/// A fold of one stream.
pub struct Replay<'a> {
    opener: &'a Opener,
    aggregate: Box<dyn Fold>,
}

impl<'a> Replay<'a> {
    /// `None` where there is no such aggregate type.
    pub fn begin(opener: &'a Opener, aggregate_type: &str) -> Option<Self> {
        let (_, begin) = AGGREGATES.iter().find(|(name, _)| *name == aggregate_type)?;
        Some(Self { opener, aggregate: begin() })
    }

    /// Applies the stream's next event; returns its payload as an auditor reads it.
    pub async fn apply(&mut self, event: &RecordedEvent) -> Result<Value, ReplayError> {
        let domain = as_the_domain_reads(self.opener, event).await?;
        let mut shown = domain.clone();
        withhold(&mut shown, event);
        show(&mut shown);
        self.aggregate.apply(upcast(event, domain)).map_err(|error| unreadable(event, &error))?;
        Ok(shown)
    }

    /// The state after the events so far.
    pub fn state(&self) -> Value {
        let mut state = self.aggregate.state();
        show(&mut state);
        state
    }
}

/// For which address somebody without a session wanted a password: nobody's key seals it, but the day's,
/// so that it outlives an erasure of whose it is. Nobody is shown it (DDR-14).
fn withhold(payload: &mut Value, event: &RecordedEvent) {
    if event.event_type == "PasswordResetRequested"
        && let Some(email) = payload.pointer_mut("/PasswordResetRequested/email")
        && !email.is_null()
    {
        *email = json!({ "$withheld": true });
    }
}

/// The state that a whole stream gives.
///
/// # Errors
/// Where an event cannot be read, or the vault not be asked.
pub async fn fold<A: Aggregate>(
    opener: &Opener,
    events: &[RecordedEvent],
) -> Result<A, ReplayError> {
    let mut aggregate = A::default();
    for event in events {
        let payload = upcast(event, as_the_domain_reads(opener, event).await?);
        let event = serde_json::from_value(payload).map_err(|error| unreadable(event, &error))?;
        aggregate.apply(event);
    }
    Ok(aggregate)
}

async fn as_the_domain_reads(opener: &Opener, event: &RecordedEvent) -> Result<Value, ReplayError> {
    let stored: Value =
        serde_json::from_str(&event.payload).map_err(|error| unreadable(event, &error))?;
    let opened = opener.open_payload(event).await?;
    Ok(marked(&stored, opened))
}

/// The payload in its present form.
fn upcast(event: &RecordedEvent, payload: Value) -> Value {
    let mut current = SerializedEvent::new(
        event.aggregate_id.clone(),
        usize::try_from(event.sequence).unwrap_or(usize::MAX),
        event.aggregate_type.clone(),
        event.event_type.clone(),
        event.event_version.clone(),
        payload,
        Value::Null,
    );
    for upcaster in upcasters() {
        if upcaster.can_upcast(&current.event_type, &current.event_version) {
            current = upcaster.upcast(current);
        }
    }
    current.payload
}

fn unreadable(event: &RecordedEvent, error: &serde_json::Error) -> ReplayError {
    ReplayError::Event {
        aggregate_type: event.aggregate_type.clone(),
        position: event.position,
        // Its text may quote the payload.
        reason: format!("{:?} error", error.classify()),
    }
}

/// The opened payload as the domain reads it: where the stored one holds a sealed value, the opened
/// value stands with its subject and category.
fn marked(stored: &Value, opened: Value) -> Value {
    match (stored, opened) {
        (Value::String(text), opened) => match SealedText::parse(text) {
            None => opened,
            Some(sealed) => {
                let erased = opened.get("$erased").is_some();
                json!({ MARK: {
                    "subject": sealed.subject.as_str(),
                    "category": sealed.category.as_str(),
                    "value": if erased { Value::Null } else { opened },
                }})
            }
        },
        (Value::Array(stored), Value::Array(opened)) => {
            stored.iter().zip(opened).map(|(stored, opened)| marked(stored, opened)).collect()
        }
        (Value::Object(stored), Value::Object(opened)) => opened
            .into_iter()
            .map(|(name, opened)| {
                let opened = marked(stored.get(&name).unwrap_or(&Value::Null), opened);
                (name, opened)
            })
            .collect::<Map<_, _>>()
            .into(),
        (_, opened) => opened,
    }
}

/// Personal values in place of their marks: the value, `{"$erased": true}` where it is erased, and
/// `{"$withheld": true}` for hashes of passwords, which leave through no API (CRD-03).
fn show(value: &mut Value) {
    if let Some(personal) = value.as_object().filter(|o| o.len() == 1).and_then(|o| o.get(MARK)) {
        let category = personal["category"].as_str().and_then(PersonalCategory::parse);
        *value = match (&personal["value"], category) {
            (_, None | Some(PersonalCategory::Credential)) => json!({ "$withheld": true }),
            (Value::Null, _) => json!({ "$erased": true }),
            (value, _) => value.clone(),
        };
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(show),
        Value::Object(fields) => fields.values_mut().for_each(show),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esx_09_every_aggregate_of_the_domain_can_be_folded() {
        let known: Vec<&str> = AGGREGATES.iter().map(|(name, _)| *name).collect();
        for aggregate in agora_domain::registry::AGGREGATES {
            assert!(known.contains(&aggregate.aggregate_type), "{}", aggregate.aggregate_type);
        }
    }

    #[test]
    fn crd_03_hashes_of_passwords_are_not_shown() {
        let personal = |category: &str, value: Value| json!({ MARK: { "subject": "s", "category": category, "value": value } });
        let mut state = json!({
            "hash": personal("credential", json!("$argon2id$…")),
            "email": personal("identity", json!("a@example.org")),
            "gone": [personal("content", Value::Null)],
        });
        show(&mut state);
        let expected = json!({
            "hash": { "$withheld": true },
            "email": "a@example.org",
            "gone": [{ "$erased": true }],
        });
        assert_eq!(state, expected);
    }
}
