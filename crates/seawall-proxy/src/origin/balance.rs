//! Smooth weighted round robin, as nginx does it (`ngx_http_upstream_get_peer` in
//! `ngx_http_upstream_round_robin.c`): each choice raises every candidate by its weight, takes the highest, and
//! lowers that one by the sum. Over any `sum` choices each gets exactly its weight, and never in a burst: weights
//! 5, 1, 1 give `a a b a c a a`.

#[derive(Debug)]
pub(super) struct Balance {
    current: Box<[i64]>,
    weights: Box<[u32]>,
}

impl Balance {
    pub(super) fn new(weights: impl Iterator<Item = u32>) -> Self {
        let weights: Box<[u32]> = weights.map(|weight| weight.max(1)).collect();
        Self { current: vec![0; weights.len()].into(), weights }
    }

    /// The next among those that are eligible; the first one on a tie.
    pub(super) fn choose(&mut self, mut eligible: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut sum = 0;
        let mut best: Option<usize> = None;
        for (index, &weight) in self.weights.iter().enumerate() {
            if !eligible(index) {
                continue;
            }
            self.current[index] += i64::from(weight);
            sum += i64::from(weight);
            if best.is_none_or(|best| self.current[index] > self.current[best]) {
                best = Some(index);
            }
        }
        let best = best?;
        self.current[best] -= sum;
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weights_five_one_one_interleave() {
        let mut balance = Balance::new([5, 1, 1].into_iter());
        let order: Vec<_> = (0..7).filter_map(|_| balance.choose(|_| true)).collect();
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn nobody_eligible_gives_nobody() {
        assert_eq!(Balance::new([1, 2].into_iter()).choose(|_| false), None);
    }

    proptest! {
        #[test]
        fn over_one_round_each_gets_its_weight(weights in proptest::collection::vec(1u32..20, 1..8)) {
            let mut balance = Balance::new(weights.iter().copied());
            let mut counts = vec![0u32; weights.len()];
            for _ in 0..3 * weights.iter().sum::<u32>() {
                counts[balance.choose(|_| true).unwrap()] += 1;
            }
            prop_assert!(counts.iter().zip(&weights).all(|(count, weight)| *count == 3 * weight));
        }

        #[test]
        fn only_the_eligible_are_chosen(weights in proptest::collection::vec(1u32..20, 2..8), out in 0usize..8) {
            let mut balance = Balance::new(weights.iter().copied());
            for _ in 0..50 {
                prop_assert_ne!(balance.choose(|index| index != out), Some(out));
            }
        }
    }
}
