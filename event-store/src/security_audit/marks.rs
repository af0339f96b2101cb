//! What entries are found by, written down once a leaf in the transaction of the first entry that has it: the
//! tracks (ADR 21) and the kinds (ADR 22) of its entries. Searches begin there.

use agora_domain::security::audit::{AuditEventType, AuditResult};
use foldhash::HashSet;
use sqlx::PgConnection;

use super::{Row, sealing::LeafName};

/// The keys of an entry's user, address and session.
pub(super) type Track = [Option<i64>; 3];

/// An entry's type, result and risk.
pub(super) type Kind = (AuditEventType, AuditResult, i16);

/// The tracks and kinds of some entries of a leaf.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    tracks: HashSet<Track>,
    kinds: HashSet<Kind>,
}

impl Marks {
    /// Those of one more entry.
    pub(super) fn add<T: AsRef<str>, B>(&mut self, row: &Row<T, B>) {
        self.add_unknown(row, &Self::default());
    }

    /// As [`Self::add`], but for those that are known.
    pub(super) fn add_unknown<T: AsRef<str>, B>(&mut self, row: &Row<T, B>, known: &Self) {
        self.tracks.extend(track(row).filter(|track| !known.tracks.contains(track)));
        self.kinds.extend(kind(row).filter(|kind| !known.kinds.contains(kind)));
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.tracks.extend(others.tracks);
        self.kinds.extend(others.kinds);
    }

    pub(super) fn len(&self) -> usize {
        self.tracks.len() + self.kinds.len()
    }

    /// Writes them down, where nobody has.
    pub(super) async fn insert(
        &self,
        connection: &mut PgConnection,
        leaf: LeafName,
    ) -> Result<(), sqlx::Error> {
        if !self.tracks.is_empty() {
            let [users, addresses, sessions] = self.track_columns();
            sqlx::query(
                "INSERT INTO log.security_audit_tracks (day, retention_category, user_key, ip_key,
                     session_key)
                 SELECT $1, $2::text::log.retention_category, *
                 FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) ON CONFLICT DO NOTHING",
            )
            .bind(leaf.day)
            .bind(leaf.category.as_str())
            .bind(users)
            .bind(addresses)
            .bind(sessions)
            .execute(&mut *connection)
            .await?;
        }
        if !self.kinds.is_empty() {
            let (types, results, risks) = self.kind_columns();
            sqlx::query(
                "INSERT INTO log.security_audit_kinds (day, retention_category, event_type, event_result,
                     risk_score)
                 SELECT $1, $2::text::log.retention_category, event_type::log.security_event_type,
                        event_result::log.security_event_result, risk_score
                 FROM unnest($3::text[], $4::text[], $5::smallint[])
                      AS k (event_type, event_result, risk_score) ON CONFLICT DO NOTHING",
            )
            .bind(leaf.day)
            .bind(leaf.category.as_str())
            .bind(types)
            .bind(results)
            .bind(risks)
            .execute(connection)
            .await?;
        }
        Ok(())
    }

    /// Whether some are not written down, or the leaf is said to be gone: searches begin there, and somebody
    /// took it away.
    pub(super) async fn is_any_missing(
        &self,
        connection: &mut PgConnection,
        leaf: LeafName,
    ) -> Result<bool, sqlx::Error> {
        let [users, addresses, sessions] = self.track_columns();
        let (types, results, risks) = self.kind_columns();
        sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::bigint[])
                 EXCEPT
                 SELECT user_key, ip_key, session_key FROM log.security_audit_tracks
                 WHERE day = $1 AND retention_category = $2::text::log.retention_category
             ) OR EXISTS (
                 SELECT * FROM unnest($6::text[], $7::text[], $8::smallint[])
                 EXCEPT
                 SELECT event_type::text, event_result::text, risk_score FROM log.security_audit_kinds
                 WHERE day = $1 AND retention_category = $2::text::log.retention_category)
             OR cardinality($6) > 0 AND NOT EXISTS (
                 SELECT FROM log.security_audit_leaves
                 WHERE day = $1 AND retention_category = $2::text::log.retention_category
                   AND dropped_at IS NULL)",
        )
        .bind(leaf.day)
        .bind(leaf.category.as_str())
        .bind(users)
        .bind(addresses)
        .bind(sessions)
        .bind(types)
        .bind(results)
        .bind(risks)
        .fetch_one(connection)
        .await
    }

    fn track_columns(&self) -> [Vec<Option<i64>>; 3] {
        [0, 1, 2].map(|place| self.tracks.iter().map(|track| track[place]).collect())
    }

    fn kind_columns(&self) -> (Vec<&'static str>, Vec<&'static str>, Vec<i16>) {
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        columns.extend(
            self.kinds.iter().map(|(of, result, risk)| (of.as_str(), result.as_str(), *risk)),
        );
        columns
    }
}

/// None where it is found by none of the three.
pub(super) fn track<T, B>(row: &Row<T, B>) -> Option<Track> {
    let track = [row.user_key, row.ip_key, row.session_key];
    track.iter().any(Option::is_some).then_some(track)
}

/// None where it has words that this version does not know.
pub(super) fn kind<T: AsRef<str>, B>(row: &Row<T, B>) -> Option<Kind> {
    let event_type = row.event_type.as_ref().parse().ok()?;
    Some((event_type, row.event_result.as_ref().parse().ok()?, row.risk_score?))
}
