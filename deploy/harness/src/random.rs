//! Numbers that are the same everywhere for the same seed.

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Above 0, and at most 1.
    pub(crate) fn share(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to below `bound`, the lower the likelier: 0 comes twice as often as 1, three times as
    /// often as 2 and so on (Zipf's law, nearly).
    pub(crate) fn zipf(&mut self, bound: usize) -> usize {
        let number = ((bound + 1) as f64).powf(self.share());
        (number as usize).clamp(1, bound) - 1
    }

    /// A number with this mean, whose tail is long: one in a hundred is five times the mean or more,
    /// one in ten thousand fifty times. At most `most`.
    pub(crate) fn skewed(&mut self, mean: f64, most: usize) -> usize {
        let wanted = mean / 2.0 / self.share().sqrt();
        ((wanted + 1.0 - self.share()) as usize).min(most)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_bounds_hold() {
        let mut random = Random(1);
        let drawn: Vec<_> = (0..200_000).map(|_| random.skewed(2.0, 1_000)).collect();
        let mean = drawn.iter().sum::<usize>() as f64 / drawn.len() as f64;
        assert!((1.9..2.1).contains(&mean), "{mean}");
        assert!(drawn.iter().any(|it| *it > 100) && drawn.iter().all(|it| *it <= 1_000));
        let ranks: Vec<_> = (0..100_000).map(|_| random.zipf(1_000)).collect();
        let of = |rank| ranks.iter().filter(|it| **it == rank).count();
        assert!(of(0) > of(1) && of(1) > of(9) && of(9) > of(99), "{} {}", of(0), of(99));
        assert!(ranks.iter().all(|it| *it < 1_000));
    }
}
