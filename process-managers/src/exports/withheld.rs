//! Whose content no export of public data holds: of who has restricted the processing of its data (LAW-05),
//! or has objected to the purpose `public_exports` (LAW-06). The [gate](agora_domain::compliance::consent_gate)
//! says it, of the log as it was at the position that the file is of.

use std::collections::HashSet;

use agora_domain::{
    Actor,
    compliance::{
        consent::Consent,
        consent_gate::StoredGate,
        consent_values::{ConsentTerm, ConsentType},
        policy_series::PolicySeries,
        processing_limit::ProcessingLimit,
    },
    ids::{AdminId, MemberId},
};
use agora_event_store::{Position, read::to_db};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// The read tables that name whoever may be one of these.
pub const TABLES: &[&str] = &["consents", "processing_limits"];

/// The last events of the consent, the objection and the restriction.
type Told = (Option<String>, Option<String>, Option<String>);

/// The ids of these people; by default nobody.
#[derive(Default)]
pub struct Withheld(HashSet<Uuid>);

impl Withheld {
    pub fn is_of(&self, id: Uuid) -> bool {
        self.0.contains(&id)
    }

    /// As the log was at a position. The connection must see the read tables as they were then or later:
    /// they say who has ever answered, and the log what holds.
    pub async fn at(
        connection: &mut PgConnection,
        position: Position,
        time: DateTime<Utc>,
    ) -> Result<Self, sqlx::Error> {
        let people = people(connection).await?;
        let purpose = ConsentTerm::public_exports();
        let question =
            |actor: &Actor| Consent::stream_id(*actor, ConsentType::DataProcessing, &purpose);
        let everything = |actor: &Actor| ProcessingLimit::restriction_stream_id(*actor);
        let series: Option<String> = sqlx::query_scalar(
            "SELECT payload::text FROM log.stream('policy_series', $1)
             WHERE position <= $2 ORDER BY sequence DESC LIMIT 1",
        )
        .bind(PolicySeries::STREAM_ID)
        .bind(to_db(position))
        .fetch_optional(&mut *connection)
        .await?;
        let told: Vec<Told> = sqlx::query_as(
            "SELECT (SELECT payload::text FROM log.stream('consent', p.question)
                     WHERE position <= $3 ORDER BY sequence DESC LIMIT 1),
                    (SELECT payload::text FROM log.stream('processing_limit', p.question)
                     WHERE position <= $3 ORDER BY sequence DESC LIMIT 1),
                    (SELECT payload::text FROM log.stream('processing_limit', p.everything)
                     WHERE position <= $3 ORDER BY sequence DESC LIMIT 1)
             FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS p (question, everything, number)
             ORDER BY p.number",
        )
        .bind(people.iter().map(question).collect::<Vec<_>>())
        .bind(people.iter().map(everything).collect::<Vec<_>>())
        .bind(to_db(position))
        .fetch_all(connection)
        .await?;
        let withheld = people.iter().zip(told).filter_map(|(person, told)| {
            let (consent, objection, restriction) = told;
            let gate = StoredGate { consent, series: series.clone(), objection, restriction };
            // What cannot be read is no reason to hand anything out.
            let may = gate.answer(time).is_some_and(|answer| answer.allows_legitimate_interests());
            (!may).then_some(person.id)
        });
        Ok(Self(withheld.collect()))
    }
}

/// Whoever has ever restricted the processing, objected to the purpose, or answered whether it consents.
async fn people(connection: &mut PgConnection) -> Result<Vec<Actor>, sqlx::Error> {
    let purpose = ConsentTerm::public_exports();
    let rows: Vec<(bool, Uuid)> = sqlx::query_as(
        "SELECT user_kind = 'admin', user_id FROM read.processing_limits
         WHERE limit_kind = 'RESTRICTION' OR (consent_type = $1 AND purpose = $2)
         UNION
         SELECT user_kind = 'admin', user_id FROM read.consents
         WHERE consent_type = $1 AND processing_purposes ? $2",
    )
    .bind(ConsentType::DataProcessing.as_str())
    .bind(purpose.as_str())
    .fetch_all(connection)
    .await?;
    let person = |(is_admin, id)| match is_admin {
        true => Actor::admin(AdminId(id)),
        false => Actor::member(MemberId(id)),
    };
    Ok(rows.into_iter().map(person).collect())
}
