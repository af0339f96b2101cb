//! In which orders posts and comments are listed, as docs/ranking.md tells everybody (PST-14, CMT-11).
//!
//! A list by rank is kept in levels: a vote that leaves a post on its level moves nothing. Within a
//! level the list is exact all the same: either all on it are equal, or who reads sorts them.

/// The lists that are kept by rank, as read tables number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ranking {
    Top = 1,
    Hot = 2,
    Controversial = 3,
}

/// Scores below this one, in amount, have a level of their own in the list by score.
pub const TOP_EXACT_BELOW: i64 = 1 << TOP_BITS;
/// And in the hot list.
pub const HOT_EXACT_BELOW: i64 = 1 << HOT_BITS;

/// Fewer bits: fewer moves, and more to sort for who reads.
const TOP_BITS: u32 = 5;
const HOT_BITS: u32 = 2;

/// How old, in hours, may be what is hot; what is older has the heat 0.
pub const HOT_HOURS: i64 = 7 * 24;
/// How fast heat goes.
pub const HOT_GRAVITY: f64 = 1.8;

impl Ranking {
    /// As it stands in read tables.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// On which level a thing with these votes is. Never falls while the order's own value rises.
    pub fn level(self, upvotes: i64, downvotes: i64) -> i32 {
        let score = upvotes.saturating_sub(downvotes);
        match self {
            Self::Top => top_level(score),
            // All that is not above 0 is equally warm.
            Self::Hot => within(rounded(score.max(0), HOT_BITS)),
            Self::Controversial => controversy(upvotes, downvotes),
        }
    }
}

/// The level of a score in the list by score: the least score, in amount, that is on it.
pub fn top_level(score: i64) -> i32 {
    within(rounded(score, TOP_BITS))
}

/// How controversial: (upvotes + downvotes) ^ (the fewer ÷ the more of both), in quarters of its
/// binary logarithm, rounded down; 0 where nobody disagrees. Equally controversial is what is within
/// a fifth.
pub fn controversy(upvotes: i64, downvotes: i64) -> i32 {
    let (fewer, more) = (upvotes.min(downvotes), upvotes.max(downvotes));
    if fewer <= 0 {
        return 0;
    }
    // The quotient last: where the result is whole, every step is exact; where the logarithm is not
    // rational, no result is whole.
    #[expect(clippy::cast_precision_loss, reason = "votes are far fewer than 2^53")]
    let quarters = 4.0 * fewer as f64 * ((fewer + more) as f64).log2() / more as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most 4 × 64")]
    let whole = quarters.floor() as i32;
    whole
}

/// How hot after so many hours: Lemmy's formula.
pub fn heat(score: i64, hours: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "votes are far fewer than 2^53")]
    let weight = (score.saturating_add(2).max(2) as f64).log10();
    #[expect(clippy::cast_precision_loss, reason = "a week has few hours")]
    let hot_hours = HOT_HOURS as f64;
    if hours >= hot_hours { 0.0 } else { weight / (hours.max(0.0) + 2.0).powf(HOT_GRAVITY) }
}

/// Rounds towards 0 to so many significant binary digits.
const fn rounded(number: i64, bits: u32) -> i64 {
    let amount = number.unsigned_abs();
    let spare = (u64::BITS - amount.leading_zeros()).saturating_sub(bits);
    let rounded = (amount >> spare) << spare;
    if number < 0 {
        0_i64.saturating_sub_unsigned(rounded)
    } else {
        0_i64.saturating_add_unsigned(rounded)
    }
}

fn within(level: i64) -> i32 {
    i32::try_from(level).unwrap_or(if level < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pst_14_levels_never_fall_while_scores_rise() {
        let mut before = (i32::MIN, i32::MIN);
        for score in -5_000..5_000_i64 {
            let (up, down) = (score.max(0), (-score).max(0));
            let now = (Ranking::Top.level(up, down), Ranking::Hot.level(up, down));
            assert!(now.0 >= before.0 && now.1 >= before.1, "{score}");
            assert!(i64::from(now.0).abs() <= score.abs() && i64::from(now.1) <= score.max(0));
            // What who reads relies on: how far above its level a score can be.
            assert!(score.abs() <= i64::from(now.0.abs()) * 17 / 16, "{score}");
            assert!(score <= i64::from(now.1) * 3 / 2, "{score}");
            if score.abs() < TOP_EXACT_BELOW {
                assert_eq!(i64::from(now.0), score);
            }
            if (0..HOT_EXACT_BELOW).contains(&score) {
                assert_eq!(i64::from(now.1), score);
            }
            before = now;
        }
        assert_eq!(top_level(i64::MAX), i32::MAX);
        assert_eq!(top_level(i64::MIN), i32::MIN);
    }

    #[test]
    fn pst_14_votes_on_a_known_post_seldom_move_it() {
        let moves = |ranking: Ranking| {
            (0..10_000).filter(|up| ranking.level(*up, 0) != ranking.level(up + 1, 0)).count()
        };
        assert!(moves(Ranking::Top) < 180 && moves(Ranking::Hot) < 30);
        assert_eq!(moves(Ranking::Controversial), 0);
    }

    #[test]
    fn pst_14_controversy_is_the_public_formula_in_quarters() {
        assert_eq!(controversy(5, 0), 0);
        assert_eq!(controversy(0, 5), 0);
        assert_eq!(controversy(1, 1), 4, "2 ^ 1");
        assert_eq!(controversy(8, 8), 16, "16 ^ 1");
        assert_eq!(controversy(6, 2), 4, "8 ^ 1/3, which is 2");
        assert_eq!(controversy(2, 6), 4);
        for (up, down) in [(3, 2), (10, 7), (100, 90), (1_000, 3)] {
            let formula = ((up + down) as f64).powf(up.min(down) as f64 / up.max(down) as f64);
            assert_eq!(controversy(up, down), (4.0 * formula.log2()).floor() as i32);
        }
    }

    #[test]
    fn pst_14_heat_is_the_public_formula() {
        assert!((heat(0, 0.0) - 2_f64.log10() / 2_f64.powf(1.8)).abs() < 1e-12);
        assert!((heat(-50, 3.0) - heat(0, 3.0)).abs() < 1e-12, "all below 0 are equally warm");
        assert!((heat(98, 8.0) - 2.0 / 10_f64.powf(1.8)).abs() < 1e-12);
        assert!(heat(1_000_000, 168.0).abs() < 1e-12, "a week old");
        assert!(heat(10, 5.0) > heat(9, 5.0) && heat(10, 5.0) > heat(10, 6.0));
    }
}
