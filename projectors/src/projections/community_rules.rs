//! The rules of communities (E12), as they are now: none of a deleted community (RUL-05).

use std::collections::HashMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload};

pub(super) const PROJECTION: Projection = Projection {
    name: "community_rules",
    version: 1,
    event_types: &["CommunityRulesSet", "CommunityRulesCleared"],
    columns: Columns::Payload,
    tables: &["community_rules"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    CommunityRulesSet { community_id: Uuid, rules: Vec<Rule> },
    CommunityRulesCleared { community_id: Uuid },
}

#[derive(Deserialize)]
struct Rule {
    id: Uuid,
    rule_text: String,
    created_at: DateTime<Utc>,
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    // Each event carries the whole list: the last one counts.
    let mut lists: HashMap<Uuid, (u64, Vec<Rule>)> = HashMap::new();
    for event in events {
        match payload(event)? {
            Event::CommunityRulesSet { community_id, rules } => {
                lists.insert(community_id, (event.sequence, rules))
            }
            Event::CommunityRulesCleared { community_id } => {
                lists.insert(community_id, (event.sequence, Vec::new()))
            }
        };
    }
    let communities: Vec<_> = lists.keys().copied().collect();
    sqlx::query("DELETE FROM community_rules WHERE community_id = ANY ($1)")
        .bind(communities)
        .execute(&mut *connection)
        .await?;
    let rules: Vec<(Uuid, i64, i32, Rule)> = lists
        .into_iter()
        .flat_map(|(id, (sequence, rules))| {
            let sequence = number(sequence);
            (1..).zip(rules).map(move |(index, rule)| (id, sequence, index, rule))
        })
        .collect();
    sqlx::query(
        "INSERT INTO community_rules (id, community_id, rule_index, rule_text, created_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::timestamptz[],
             $6::bigint[])",
    )
    .bind(rules.iter().map(|(.., rule)| rule.id).collect::<Vec<_>>())
    .bind(rules.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .bind(rules.iter().map(|(_, _, index, _)| *index).collect::<Vec<_>>())
    .bind(rules.iter().map(|(.., rule)| rule.rule_text.as_str()).collect::<Vec<_>>())
    .bind(rules.iter().map(|(.., rule)| rule.created_at).collect::<Vec<_>>())
    .bind(rules.iter().map(|(_, sequence, ..)| *sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
