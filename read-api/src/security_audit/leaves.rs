//! What a search looks into: partitions, and by what their entries are found.

use agora_domain::security::audit::{AuditEventType, AuditResult};
use agora_event_store::security_audit::{LeafName, packs};
use chrono::NaiveDate;
use sqlx::FromRow;

/// A partition, and by what the entries of an address and a session are found in it.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub name: LeafName,
    pub address: Option<i64>,
    pub session: Option<i64>,
    /// What the entries that are searched for have, where user, address or session are given and it is
    /// not too many.
    pub tracks: Option<Vec<i64>>,
    /// The kinds of it that are asked for, where none of them is the ordinary one.
    pub kinds: Option<Vec<Kind>>,
}

impl Leaf {
    /// The condition of its packs that hold what is asked for; empty where nearly all may.
    pub(super) fn found_by(&self) -> String {
        let tracks = self.tracks.clone();
        let kinds = self
            .kinds
            .as_ref()
            .and_then(|kinds| kinds.iter().map(Kind::number).collect::<Option<Vec<i64>>>());
        let of = |numbers: Vec<i64>| {
            let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
            format!(" AND found_by && '{{{}}}'::bigint[]", numbers.join(","))
        };
        [tracks, kinds].into_iter().flatten().map(of).collect()
    }

    /// The condition of its address and session.
    pub(super) fn keys(&self) -> String {
        let of = |column: &str, key: Option<i64>| {
            key.map(|key| format!(" AND {column} = {key}")).unwrap_or_default()
        };
        of("ip_key", self.address) + &of("session_key", self.session)
    }
}

#[derive(FromRow)]
pub(super) struct LeafRow {
    day: NaiveDate,
    category: String,
}

impl LeafRow {
    /// None where it is of a category that this version does not know.
    pub(super) fn leaf(self) -> Option<Leaf> {
        Some(LeafName { day: self.day, category: self.category.parse().ok()? }.into())
    }
}

/// A leaf, and the kinds of it that are asked for, column by column.
#[derive(FromRow)]
pub(super) struct LeafKinds {
    #[sqlx(flatten)]
    row: LeafRow,
    types: Vec<String>,
    results: Vec<String>,
    risks: Vec<i16>,
}

impl LeafKinds {
    pub(super) fn split(self) -> (LeafRow, Vec<Kind>) {
        let kinds = self.types.into_iter().zip(self.results).zip(self.risks);
        let kinds = kinds.map(|((event_type, result), risk)| Kind { event_type, result, risk });
        (self.row, kinds.collect())
    }
}

/// What an entry says of what happened: the database's words, and a number.
#[derive(Clone, Debug)]
pub struct Kind {
    pub event_type: String,
    pub result: String,
    pub risk: i16,
}

impl Kind {
    /// An access that succeeded, and looked like nothing else.
    pub(super) fn is_ordinary(&self) -> bool {
        self.event_type == AuditEventType::ApiAccess.as_str()
            && self.result == AuditResult::Success.as_str()
            && self.risk == 0
    }

    /// By what packs of it are found.
    fn number(&self) -> Option<i64> {
        packs::kind_number(self.event_type.parse().ok()?, self.result.parse().ok()?, self.risk)
    }

    /// As a table `k`.
    pub(super) fn all(kinds: &[Self]) -> String {
        let list = |of: fn(&Self) -> String| kinds.iter().map(of).collect::<Vec<_>>().join(",");
        format!(
            "unnest('{{{}}}'::log.security_event_type[], '{{{}}}'::log.security_event_result[],
                    '{{{}}}'::smallint[]) AS k (of_type, of_result, of_risk)",
            list(|it| it.event_type.clone()),
            list(|it| it.result.clone()),
            list(|it| it.risk.to_string())
        )
    }
}

impl From<LeafName> for Leaf {
    fn from(name: LeafName) -> Self {
        Self { name, address: None, session: None, tracks: None, kinds: None }
    }
}
