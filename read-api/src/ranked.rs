//! Lists by rank, as SQL (PST-14, CMT-11). A statement of a list ends in `ranked (id, created_at,
//! value)`: the rows of one part, in the order of value, age and id, all falling.
//!
//! No list is sorted as a whole. Ranks stand in levels ([`agora_domain::content::ranking`]); a part
//! takes from each level no more than it may need, and sorts that. What a walk over the levels costs
//! is said in docs/ranking.md.
//!
//! All take `$1` the list's scope, `$2` the number of rows, `$3` and `$4` time and id of the place
//! after which the part begins.

pub(crate) mod shown;
pub(crate) mod walk;
pub mod warm;

use agora_domain::content::ranking::{
    HOT_EXACT_BELOW, HOT_GRAVITY, HOT_HOURS, Ranking, TOP_EXACT_BELOW,
};

/// What is listed, and in which tables it stands.
pub(crate) struct Things {
    /// The things themselves, as `o`.
    pub(crate) table: &'static str,
    /// Their column that says where they stand.
    pub(crate) place: &'static str,
    /// Which of them are listed.
    pub(crate) listed: &'static str,
    pub(crate) scores: &'static str,
    pub(crate) ranks: &'static str,
    /// The columns of ranks and scores: where a thing stands, and its id.
    pub(crate) rank_place: &'static str,
    pub(crate) id: &'static str,
}

impl Things {
    /// The newest first.
    pub(crate) fn newest(&self) -> String {
        let Self { table, place, listed, .. } = self;
        format!(
            "ranked (id, created_at, value) AS (
                 SELECT o.id, o.created_at, 0 FROM places c CROSS JOIN LATERAL (
                     SELECT o.id, o.created_at FROM {table} o
                     WHERE o.{place} = c.id AND {listed} AND (o.created_at, o.id) < ($3, $4)
                     ORDER BY o.created_at DESC, o.id DESC LIMIT $2
                 ) o
                 ORDER BY o.created_at DESC, o.id DESC LIMIT $2
             )"
        )
    }

    /// The oldest first, of things not created after `$5`.
    pub(crate) fn oldest(&self) -> String {
        let Self { table, place, listed, .. } = self;
        format!(
            "ranked (id, created_at, value) AS (
                 SELECT o.id, o.created_at, 0 FROM places c CROSS JOIN LATERAL (
                     SELECT o.id, o.created_at FROM {table} o
                     WHERE o.{place} = c.id AND {listed} AND (o.created_at, o.id) > ($3, $4)
                       AND o.created_at <= $5
                     ORDER BY o.created_at, o.id LIMIT $2
                 ) o
             )"
        )
    }

    /// The highest score first, of things created after `$5` and not after `$6`; `$7` and `$8` are
    /// level and score of the place.
    pub(crate) fn top(&self) -> String {
        let Self { scores, ranks, rank_place, id, .. } = self;
        let (walk, number) = (self.walk(Ranking::Top), Ranking::Top.number());
        // On a level of several scores all things of the time are sorted: they are few, since such
        // scores are rare.
        format!(
            "{walk}, ranked (id, created_at, value) AS (
                 SELECT r.* FROM walk w CROSS JOIN places c CROSS JOIN LATERAL (
                     (SELECT r.{id}, r.created_at, r.level::bigint AS value FROM {ranks} r
                      WHERE r.{rank_place} = c.id AND r.ranking = {number} AND r.level = w.level
                        AND abs(w.level) < {TOP_EXACT_BELOW}
                        AND r.created_at > $5 AND r.created_at <= $6
                        AND (r.created_at, r.{id})
                            < (CASE WHEN w.level = $7 THEN $3 ELSE 'infinity' END, $4)
                      ORDER BY r.created_at DESC, r.{id} DESC LIMIT $2)
                     UNION ALL
                     (SELECT r.{id}, r.created_at, s.score
                      FROM {ranks} r JOIN {scores} s ON s.{id} = r.{id}
                      WHERE r.{rank_place} = c.id AND r.ranking = {number} AND r.level = w.level
                        AND abs(w.level) >= {TOP_EXACT_BELOW}
                        AND r.created_at > $5 AND r.created_at <= $6
                        AND (s.score, r.created_at, r.{id}) < ($8, $3, $4)
                      ORDER BY s.score DESC, r.created_at DESC, r.{id} DESC LIMIT $2)
                 ) r
                 ORDER BY r.value DESC, r.created_at DESC, r.{id} DESC LIMIT $2
             )"
        )
    }

    /// The most controversial first; parameters as for [`Self::top`], without a score.
    pub(crate) fn controversial(&self) -> String {
        let Self { ranks, rank_place, id, .. } = self;
        let (walk, number) = (self.walk(Ranking::Controversial), Ranking::Controversial.number());
        format!(
            "{walk}, ranked (id, created_at, value) AS (
                 SELECT r.* FROM walk w CROSS JOIN places c CROSS JOIN LATERAL (
                     SELECT r.{id}, r.created_at, r.level AS value FROM {ranks} r
                     WHERE r.{rank_place} = c.id AND r.ranking = {number} AND r.level = w.level
                       AND r.created_at > $5 AND r.created_at <= $6
                       AND (r.created_at, r.{id})
                           < (CASE WHEN w.level = $7 THEN $3 ELSE 'infinity' END, $4)
                     ORDER BY r.created_at DESC, r.{id} DESC LIMIT $2
                 ) r
                 ORDER BY r.value DESC, r.created_at DESC, r.{id} DESC LIMIT $2
             )"
        )
    }

    /// The levels from the place's (`$7`) downwards, until enough is found below it.
    fn walk(&self, ranking: Ranking) -> String {
        let Self { ranks, rank_place, .. } = self;
        let number = ranking.number();
        let next = |condition: &str| {
            format!(
                "SELECT max(l.level) AS level FROM places c CROSS JOIN LATERAL (
                     SELECT r.level FROM {ranks} r
                     WHERE r.{rank_place} = c.id AND r.ranking = {number} AND {condition}
                     ORDER BY r.level DESC LIMIT 1
                 ) l"
            )
        };
        let (first, next) = (next("r.level <= $7"), next("r.level < w.level"));
        format!(
            "walk (level, found) AS (
                 SELECT f.level, 0::bigint FROM ({first}) f
                 UNION ALL
                 SELECT n.level, w.found + f.found
                 FROM walk w
                 CROSS JOIN LATERAL (
                     -- What of the place's own level lies below the place is not counted.
                     SELECT CASE WHEN w.level = $7 THEN 0 ELSE (
                         SELECT count(*) FROM places c CROSS JOIN LATERAL (
                             SELECT FROM {ranks} r
                             WHERE r.{rank_place} = c.id AND r.ranking = {number}
                               AND r.level = w.level AND r.created_at > $5 AND r.created_at <= $6
                             LIMIT $2
                         ) r
                     ) END AS found
                 ) f
                 CROSS JOIN LATERAL ({next}) n
                 WHERE w.level IS NOT NULL AND w.found + f.found < $2
             )"
        )
    }

    /// The hottest first as of `$5`, of things not created after `$6`; what is older than a week
    /// follows by age. `$7` is the score of the place, null where there is none.
    ///
    /// Heat falls with age and rises with the score, so a level's hottest are its newest. The least
    /// heat that a part can end with is known from a few of each level (`bound`); what of a level can
    /// be that hot, and not hotter than the place, is one range of the index (`span`).
    pub(crate) fn hot(&self) -> String {
        let Self { table, place, listed, scores, ranks, rank_place, id } = self;
        let number = Ranking::Hot.number();
        let of = |place: &str| {
            format!(
                "r.{rank_place} = {place}.place AND r.ranking = {number} AND r.level = {place}.level"
            )
        };
        let (of_l, of_s) = (of("l"), of("s"));
        let heat = |weight: &str, created_at: &str| heat("$5", weight, created_at);
        let heat_l = heat("l.least", "r.created_at");
        let heat_of_newest = heat("l.least", "l.newest");
        let ceiling = heat("l.most", "least(l.newest, l.maybe_until)");
        let heat_s = heat("s.least", "r.created_at");
        let heat_of_score = heat(&weight("v.score"), "r.created_at");
        let heat_of_place = heat(&weight("$7"), "$3");
        format!(
            "a AS MATERIALIZED (
                 SELECT $5 - interval '{HOT_HOURS} hours' AS since,
                        CASE WHEN $7::bigint IS NULL THEN 'infinity'::float8
                             WHEN $3 <= $5 - interval '{HOT_HOURS} hours' THEN 0
                             ELSE {heat_of_place} END AS below
             ), walk (place, level, newest) AS (
                 SELECT c.id, r.* FROM places c CROSS JOIN LATERAL (
                     SELECT r.level, r.created_at FROM {ranks} r
                     WHERE r.{rank_place} = c.id AND r.ranking = {number}
                     ORDER BY r.level DESC, r.created_at DESC LIMIT 1
                 ) r
                 WHERE (SELECT below FROM a) > 0
                 UNION ALL
                 SELECT w.place, r.* FROM walk w CROSS JOIN LATERAL (
                     SELECT r.level, r.created_at FROM {ranks} r
                     WHERE r.{rank_place} = w.place AND r.ranking = {number}
                       AND r.level < w.level
                     ORDER BY r.level DESC, r.created_at DESC LIMIT 1
                 ) r
             ), all_levels AS MATERIALIZED (
                 -- Up to when things of this level are below the place, if they have the level's
                 -- least score, and if they have its greatest. A second makes up for rounding.
                 SELECT w.place, w.level, w.newest, a.since, h.least, h.most,
                        CASE WHEN h.least_age <= 2 THEN $6
                             ELSE least($6, $5 + (2 - h.least_age) * interval '1 hour'
                                                + interval '1 second') END AS maybe_until,
                        CASE WHEN h.most_age < 2 THEN $6
                             ELSE least($6, $5 + (2 - h.most_age) * interval '1 hour'
                                                - interval '1 second') END AS surely_until
                 FROM walk w CROSS JOIN a CROSS JOIN LATERAL (
                     SELECT h.*, power(h.least / a.below, 1 / {HOT_GRAVITY}::float8) AS least_age,
                            power(h.most / a.below, 1 / {HOT_GRAVITY}::float8) AS most_age
                     FROM (SELECT log((w.level + 2)::float8) AS least,
                                  log((CASE WHEN w.level < {HOT_EXACT_BELOW} THEN w.level
                                            ELSE w.level::bigint * 3 / 2 END + 2)::float8) AS most) h
                 ) h
                 WHERE w.newest > a.since
             ), levels AS MATERIALIZED (
                 -- In many communities there are many levels, of which few have one as hot as the
                 -- newest of the others.
                 SELECT l.* FROM (
                     SELECT l.*, {ceiling} AS ceiling FROM all_levels l
                 ) l
                 WHERE l.ceiling * (1 + 1e-9) >= (
                     SELECT CASE WHEN count(*) = $2 THEN min(n.heat) ELSE 0 END FROM (
                         SELECT {heat_of_newest} AS heat FROM all_levels l
                         WHERE l.newest <= l.surely_until
                         ORDER BY heat DESC LIMIT $2
                     ) n
                 )
             ), bound AS MATERIALIZED (
                 SELECT CASE WHEN count(*) = $2 THEN min(h.heat) ELSE 0 END AS heat FROM (
                     SELECT r.heat FROM levels l CROSS JOIN LATERAL (
                         SELECT {heat_l} AS heat FROM {ranks} r
                         WHERE {of_l} AND r.created_at > l.since AND r.created_at <= l.surely_until
                         ORDER BY r.created_at DESC
                         LIMIT least($2, greatest(2, 16 * $2 / (SELECT count(*) FROM levels)))
                     ) r
                     ORDER BY r.heat DESC LIMIT $2
                 ) h
             ), span AS MATERIALIZED (
                 SELECT l.*, greatest(l.since, CASE WHEN b.heat > 0 THEN
                            $5 + (2 - power(l.most / b.heat, 1 / {HOT_GRAVITY}::float8))
                                 * interval '1 hour' - interval '1 second' END) AS after
                 FROM levels l CROSS JOIN bound b
             ), hot AS (
                 SELECT r.* FROM span s CROSS JOIN a CROSS JOIN LATERAL (
                     (SELECT r.* FROM (
                          SELECT r.{id}, r.created_at, {heat_s} AS heat FROM {ranks} r
                          WHERE s.level < {HOT_EXACT_BELOW} AND {of_s}
                            AND r.created_at > s.after AND r.created_at <= s.maybe_until
                          ORDER BY r.created_at DESC, r.{id} DESC
                      ) r
                      WHERE (r.heat, r.created_at, r.{id}) < (a.below, $3, $4) LIMIT $2)
                     UNION ALL
                     (SELECT r.* FROM (
                          SELECT r.{id}, r.created_at, {heat_of_score} AS heat
                          FROM {ranks} r JOIN {scores} v ON v.{id} = r.{id}
                          WHERE s.level >= {HOT_EXACT_BELOW} AND {of_s}
                            AND r.created_at > s.after AND r.created_at <= s.maybe_until
                      ) r
                      WHERE (r.heat, r.created_at, r.{id}) < (a.below, $3, $4))
                 ) r
                 UNION ALL
                 SELECT o.id, o.created_at, 0 FROM places c CROSS JOIN a CROSS JOIN LATERAL (
                     SELECT o.id, o.created_at FROM {table} o
                     WHERE o.{place} = c.id AND {listed}
                       AND (o.created_at, o.id)
                           < (CASE WHEN a.below > 0 THEN least(a.since, $6) ELSE $3 END,
                              CASE WHEN a.below > 0
                                   THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff' ELSE $4 END)
                     ORDER BY o.created_at DESC, o.id DESC LIMIT $2
                 ) o
             ), ranked (id, created_at, value) AS (
                 SELECT h.* FROM hot h ORDER BY h.heat DESC, h.created_at DESC, h.{id} DESC LIMIT $2
             )"
        )
    }
}

/// What heat is made of, besides age.
fn weight(score: &str) -> String {
    format!("log(greatest({score} + 2, 2)::float8)")
}

/// The heat as of a time of what weighs so much and was created then.
fn heat(as_of: &str, weight: &str, created_at: &str) -> String {
    format!(
        "{weight} / power(greatest(date_part('epoch', {as_of} - {created_at}) / 3600, 0) + 2,
                          {HOT_GRAVITY}::float8)"
    )
}
