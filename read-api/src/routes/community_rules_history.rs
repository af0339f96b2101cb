//! The rules that a community has had (E12): each list that was set, from its stream in the log. Public,
//! as the rules are; who set them is not said. A deleted community has none (RUL-05).

use agora_domain::{
    community::community_rules::{CommunityRules, CommunityRulesEvent},
    ids::CommunityRuleId,
    values::CommunityName,
};
use axum::{extract::State, response::Response};
use cqrs_es::Aggregate;
use serde::Serialize;
use sqlx::{FromRow, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    error::ReadError,
    freshness::fresh,
    paging::Page,
    reply::List,
    request::Read,
    rows::{Instant, with_position},
};

/// The rules of a community from one change on (E12).
#[derive(Serialize, ToSchema)]
pub struct CommunityRuleSet {
    community_id: Uuid,
    /// The number of the list's events then.
    sequence: i64,
    /// Since when they were the rules, until the next ones were set.
    set_at: Instant,
    /// In their order. Empty where all were taken away, also by the deletion of the community.
    #[schema(max_items = 10)]
    rules: Vec<PastRule>,
}

/// A rule as it stood in a list.
#[derive(Serialize, ToSchema)]
pub struct PastRule {
    /// The same for as long as its text stood in the list.
    #[schema(value_type = Uuid)]
    id: CommunityRuleId,
    /// From 1, without gaps.
    #[schema(minimum = 1, maximum = 10)]
    rule_index: u32,
    #[schema(example = "Be kind.")]
    rule_text: String,
    created_at: Instant,
}

#[derive(FromRow)]
struct EventRow {
    sequence: i64,
    recorded_at: Instant,
    payload: String,
}

/// Lists the rules that a community has had, the newest first.
#[utoipa::path(get, path = "/v1/communities/{name}/rules/history", tag = "Communities",
    params(("name" = String, Path, description = "The community's name, in upper or lower case",
            min_length = 5, max_length = 32, pattern = "^[A-Za-z0-9_-]+$"), Page),
    responses((status = 200, description = "A part of the list", body = List<CommunityRuleSet>),
              (status = 404)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let name: CommunityName = read.path.parse("name")?;
    let page = &read.query;
    let list = format!("community_rules_history/{}", name.folded());
    let before = page.place(&app, &list, i64::MAX)?;
    // The log is ahead of the tables: what is shown is of the position that the reply tells.
    let (position, found) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, e.*, c.id AS community
             FROM (SELECT coalesce(read.served_position('communities'), 0) AS position) p
             LEFT JOIN read.communities c ON lower(c.name) = $1 AND c.deleted_at IS NULL
             LEFT JOIN LATERAL (
                 SELECT s.sequence, s.recorded_at, s.payload::text AS payload
                 FROM log.stream($2, c.id::text) s
                 WHERE s.sequence < $3 AND s.position <= p.position
                 ORDER BY s.sequence DESC LIMIT $4
             ) e ON true
             ORDER BY e.sequence DESC",
        )
        .bind(name.folded())
        .bind(CommunityRules::TYPE)
        .bind(before)
        .bind(page.rows())
        .fetch_all(&app.reads)
        .await?;
        let community: Option<Uuid> =
            rows.first().map(|row| row.try_get("community")).transpose()?.flatten();
        let (position, events) = with_position::<EventRow>(&rows)?;
        Ok((position, community.map(|community| (community, events))))
    })
    .await?;
    let (community_id, events) = found
        .ok_or_else(|| ReadError::not_found(position, "There is no community of this name."))?;
    let sets: Vec<_> =
        events.into_iter().map(|event| rule_set(community_id, event)).collect::<Result<_, _>>()?;
    let list = page.cut(&app, &list, sets, |last| last.sequence);
    Ok(read.list(position, &list))
}

fn rule_set(community_id: Uuid, event: EventRow) -> Result<CommunityRuleSet, sqlx::Error> {
    let stored: CommunityRulesEvent =
        serde_json::from_str(&event.payload).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let rules = match stored {
        CommunityRulesEvent::CommunityRulesSet { rules, .. } => rules,
        CommunityRulesEvent::CommunityRulesCleared { .. } => Vec::new(),
    };
    let rules = (1..).zip(rules).map(|(rule_index, rule)| PastRule {
        id: rule.id,
        rule_index,
        rule_text: rule.rule_text.as_str().to_owned(),
        created_at: Instant(rule.created_at),
    });
    let (sequence, set_at, rules) = (event.sequence, event.recorded_at, rules.collect());
    Ok(CommunityRuleSet { community_id, sequence, set_at, rules })
}
