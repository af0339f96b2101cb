//! The gate that everything asks which rests on somebody's consent (CON-09): may it, for this purpose,
//! now or at a time.
//!
//! It is asked of the log itself and not of a read table, so that a withdrawal counts with the next
//! question: one statement that looks a few streams' last events up, and opens nothing. Limits that the person has
//! set (LAW-05, LAW-06) count here too.

use agora_domain::{
    Actor, ActorKind,
    compliance::{
        consent::Consent,
        consent_gate::{self, GateLimits, GateRecord},
        consent_values::{ConsentTerm, ConsentType},
        policy_series::{PolicySeries, PolicySeriesEvent},
        processing_limit::ProcessingLimit,
    },
    ids::MemberId,
};
use agora_event_store::read::from_db;
use agora_service::{
    clock,
    problem::{FieldError, Problem},
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    access::Roles,
    app::Shared,
    error::ReadError,
    freshness::fresh,
    params::{self, FromParams, Params},
    request::Read,
    rows::Instant,
    together::Ask,
};

/// The gate's answer.
#[derive(Serialize, ToSchema)]
pub struct ConsentCheck {
    user_id: Uuid,
    #[schema(example = "ANALYTICS")]
    consent_type: &'static str,
    #[schema(example = "search_analytics")]
    purpose: String,
    /// The instant that the answer is about.
    as_of: Instant,
    /// Whether the person's consent allows it.
    allowed: bool,
    /// `consented`, or why not: `not_asked`, `denied`, `withdrawn`, `expired`, `other_legal_basis`,
    /// `policy_changed` (ask again), `objected`, `restricted`. What rests on legitimate interests may go on
    /// where this is `other_legal_basis` or `not_asked`.
    #[schema(example = "consented")]
    reason: &'static str,
    /// The record that the answer rests on.
    consent_id: Option<Uuid>,
    /// The version of the privacy policy that was consented to, and the hash of its text.
    consent_version: Option<String>,
    policy_hash: Option<String>,
    granted_at: Option<Instant>,
    withdrawn_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// How far the log was when it was asked.
    position: u64,
}

/// What is asked.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Whose consent. Of others, admins, auditors and ops may ask.
    #[param(value_type = Uuid, required = true)]
    user: Option<Uuid>,
    #[param(rename = "type", value_type = String, required = true, example = "ANALYTICS")]
    consent_type: Option<ConsentType>,
    /// As `processing_purposes` names it.
    #[param(value_type = String, required = true, example = "search_analytics")]
    purpose: Option<ConsentTerm>,
    /// What the answer was at this time; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<DateTime<Utc>>,
}

impl FromParams for Asked {
    fn from_params(params: &mut Params) -> Self {
        Self {
            user: params.value("user", |text| params::id::<MemberId>(text).map(|id| id.0)),
            consent_type: params.value("type", params::id),
            purpose: params.value("purpose", params::id),
            as_of: params.value("as_of", params::instant),
        }
    }
}

/// Who asks about everybody.
const ASK_ALL: Roles = Roles::ADMIN.and(Roles::GLOBAL_ADMIN).and(Roles::AUDITOR).and(Roles::OPS);

/// Asks for the last events of streams.
pub struct LastOfStreams;

pub struct Streams {
    types: Vec<&'static str>,
    ids: Vec<String>,
    /// None of them after that.
    until: DateTime<Utc>,
}

pub struct Last {
    /// How far the log was.
    position: i64,
    /// The payload of each stream's last event.
    payloads: Vec<Option<String>>,
}

#[derive(FromRow)]
struct Found {
    position: i64,
    payload: Option<String>,
}

impl Ask for LastOfStreams {
    type Question = Streams;
    type Answer = Last;

    async fn ask(
        connection: &mut PgConnection,
        questions: Vec<Streams>,
    ) -> Result<Vec<Last>, sqlx::Error> {
        let types: Vec<_> = questions.iter().flat_map(|asked| &asked.types).copied().collect();
        let ids: Vec<_> = questions.iter().flat_map(|asked| &asked.ids).collect();
        let until: Vec<_> =
            questions.iter().flat_map(|asked| asked.ids.iter().map(|_| asked.until)).collect();
        let found: Vec<Found> = sqlx::query_as(
            "SELECT (SELECT coalesce((SELECT position FROM log.events
                                      ORDER BY position DESC LIMIT 1), 0)) AS position,
                    (SELECT payload::text FROM log.stream(s.type, s.id)
                     WHERE recorded_at <= s.until ORDER BY sequence DESC LIMIT 1) AS payload
             FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY
                  AS s (type, id, until, place)
             ORDER BY s.place",
        )
        .bind(&types)
        .bind(&ids)
        .bind(&until)
        .fetch_all(connection)
        .await?;
        let mut found = found.into_iter();
        let answers = questions.iter().map(|asked| {
            let of_it: Vec<Found> = found.by_ref().take(asked.ids.len()).collect();
            let position = of_it.first().map_or(0, |found| found.position);
            Last { position, payloads: of_it.into_iter().map(|found| found.payload).collect() }
        });
        Ok(answers.collect())
    }
}

/// Asks whether somebody's data may be processed for a purpose on their consent, now or at a time.
#[utoipa::path(get, path = "/v1/consents/check", tag = "Compliance", params(Asked),
    responses((status = 200, description = "The answer", body = ConsentCheck), (status = 304)))]
pub async fn show(State(app): State<Shared>, read: Read<Asked>) -> Result<Response, ReadError> {
    let me = read.principal()?;
    let Asked { user, consent_type, purpose, as_of } = &read.query;
    let user = required("user", *user)?;
    let consent_type = required("type", *consent_type)?;
    let purpose = required("purpose", purpose.clone())?;
    if user != me.actor.id && !me.roles.include(ASK_ALL) {
        let detail = "Of others' consents only admins, auditors and ops may ask.";
        return Err(Problem::forbidden(detail).with_rule("ROL-01").into());
    }
    // Of others it is not known what they are.
    let kinds = match me.actor {
        Actor { kind, id } if id == user => vec![kind],
        _ => vec![ActorKind::Member, ActorKind::Admin],
    };
    let series = (PolicySeries::TYPE, PolicySeries::STREAM_ID.to_owned());
    let streams = kinds.iter().flat_map(|kind| {
        let of_purpose =
            Consent::stream_id(Actor { kind: *kind, id: user }, consent_type, &purpose);
        let of_everything = ProcessingLimit::restriction_stream_id(Actor { kind: *kind, id: user });
        [
            (Consent::TYPE, of_purpose.clone()),
            (ProcessingLimit::TYPE, of_purpose),
            (ProcessingLimit::TYPE, of_everything),
        ]
    });
    let (types, ids): (Vec<_>, Vec<_>) = [series].into_iter().chain(streams).unzip();
    let until = as_of.unwrap_or_else(far);
    let (position, found) = fresh(&app.projected, read.freshness, || async {
        let streams = Streams { types: types.clone(), ids: ids.clone(), until };
        let last = app.consent_gate.ask(streams).await?;
        Ok((from_db(last.position), last.payloads))
    })
    .await?;
    let last = |place: usize| found.get(place).and_then(Option::as_deref);
    // Whoever is a member is no admin: of one kind at most there are events.
    let of_any = |place: usize| last(place).or_else(|| last(place + 3));
    let (policies, consent) = (last(0), of_any(1));
    let (objection, restriction) = (of_any(2), of_any(3));
    let record = consent.map(|text| {
        GateRecord::of_payload(text).ok_or_else(|| {
            tracing::error!("the last event of a consent cannot be read");
            Problem::internal()
        })
    });
    let record = record.transpose()?;
    let mut series = PolicySeries::default();
    if let Some(event) = policies {
        let event: PolicySeriesEvent =
            serde_json::from_str(event).map_err(|_| Problem::internal())?;
        series.apply(event);
    }
    let at = as_of.unwrap_or_else(clock::now);
    let limits = GateLimits::of_payloads(objection, restriction);
    let limits = limits.ok_or_else(|| {
        tracing::error!("the last event of a limit cannot be read");
        Problem::internal()
    })?;
    let answer = consent_gate::answer(record.as_ref(), &series, &limits, at);
    let told = record.as_ref();
    let check = ConsentCheck {
        user_id: user,
        consent_type: consent_type.as_str(),
        purpose: purpose.to_string(),
        as_of: Instant(at),
        allowed: answer.allows(),
        reason: answer.as_str(),
        consent_id: told.map(|record| record.consent_id.0),
        consent_version: told.map(|record| record.consent_version.to_string()),
        policy_hash: told.map(|record| record.policy_hash.to_string()),
        granted_at: told.and_then(|record| record.granted_at).map(Instant),
        withdrawn_at: told.and_then(|record| record.withdrawn_at).map(Instant),
        expires_at: told.and_then(|record| record.expires_at).map(Instant),
        position,
    };
    Ok(read.object(position, &check))
}

/// After everything that is in the log.
fn far() -> DateTime<Utc> {
    crate::rows::PlaceInTime::start().0
}

fn required<T>(name: &'static str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| {
        Problem::wrong_fields(vec![FieldError {
            pointer: format!("/query/{name}").into(),
            rule: None,
            detail: format!("`{name}` must say what is asked for.").into(),
        }])
    })
}
