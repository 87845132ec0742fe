//! [`Bits`]: a set of specimens, by their number.

/// A set of numbers below a bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(super) fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)].into())
    }

    pub(super) fn all(len: usize) -> Self {
        let mut all = Self(vec![u64::MAX; len.div_ceil(64)].into());
        if let (Some(last), rest @ 1..) = (all.0.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        all
    }

    /// Of those that hold, by number.
    pub(super) fn of(holds: impl Iterator<Item = bool>) -> Self {
        let (mut words, mut word, mut len) = (Vec::new(), 0, 0usize);
        for holds in holds {
            word |= u64::from(holds) << (len % 64);
            len += 1;
            if len.is_multiple_of(64) {
                words.push(word);
                word = 0;
            }
        }
        if !len.is_multiple_of(64) {
            words.push(word);
        }
        Self(words.into())
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one & other).collect())
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one | other).collect())
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one & !other).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| members(index, *word))
    }

    /// The sum of the values of those that are in `first` and in each of `others`.
    pub(super) fn sum_of_common<'a>(
        first: &Self,
        others: impl Iterator<Item = &'a Self> + Clone,
        values: &[f64],
    ) -> f64 {
        let words = first.0.iter().enumerate();
        let common = words
            .map(|(index, word)| (index, others.clone().fold(*word, |word, other| word & other.0[index])));
        common.map(|(index, word)| sum_of_word(index, word, values)).sum()
    }

    /// The sums of the members' values, of two kinds.
    pub(super) fn sums(&self, values: &[[f64; 2]]) -> (f64, f64) {
        self.sums_while(values, |_, _| true).unwrap_or_default()
    }

    /// The same, as long as `is_enough` holds of what was summed so far.
    pub(super) fn sums_while(
        &self,
        values: &[[f64; 2]],
        is_enough: impl Fn(f64, f64) -> bool,
    ) -> Option<(f64, f64)> {
        let (mut one, mut other) = (0.0, 0.0);
        for (index, word) in self.0.iter().enumerate().filter(|(_, word)| **word != 0) {
            let [of_one, of_other] = members(index, *word).fold([0.0; 2], |[one, other], number| {
                let [of_one, of_other] = values[number];
                [one + of_one, other + of_other]
            });
            (one, other) = (one + of_one, other + of_other);
            if !is_enough(one, other) {
                return None;
            }
        }
        Some((one, other))
    }

    /// The sum of the members' values.
    pub(super) fn sum(&self, values: &[f64]) -> f64 {
        self.0.iter().enumerate().map(|(index, word)| sum_of_word(index, *word, values)).sum()
    }
}

/// Words are summed apart from one another, so that no addition has to wait for all that went before.
fn sum_of_word(index: usize, word: u64, values: &[f64]) -> f64 {
    members(index, word).map(|number| values[number]).sum()
}

/// The numbers that a word of the set stands for.
fn members(index: usize, mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        (word != 0).then(|| {
            word &= word - 1;
            index * 64 + bit as usize
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &BTreeSet<usize>) -> Bits {
        let mut bits = Bits::none(200);
        numbers.iter().for_each(|number| bits.insert(*number));
        bits
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(one in prop::collection::btree_set(0usize..200, 0..60), other in prop::collection::btree_set(0usize..200, 0..60)) {
            let (a, b) = (of(&one), of(&other));
            prop_assert!(a.iter().eq(one.iter().copied()));
            prop_assert_eq!(a.and(&b), of(&one.intersection(&other).copied().collect()));
            prop_assert_eq!(a.or(&b), of(&one.union(&other).copied().collect()));
            prop_assert_eq!(a.without(&b), of(&one.difference(&other).copied().collect()));
            prop_assert_eq!(a.is_empty(), one.is_empty());
            let values: Vec<f64> = (0..200).map(f64::from).collect();
            prop_assert_eq!(Bits::sum_of_common(&a, [&b].into_iter(), &values), a.and(&b).sum(&values));
            let pairs: Vec<[f64; 2]> = values.iter().map(|value| [*value, 2.0 * value]).collect();
            prop_assert_eq!(a.sums(&pairs), (a.sum(&values), 2.0 * a.sum(&values)));
            prop_assert_eq!(a.sums_while(&pairs, |sum, _| sum < 500.0).is_some(), one.is_empty() || a.sum(&values) < 500.0);
            prop_assert_eq!(Bits::all(200).and(&a), a.clone());
            prop_assert_eq!(Bits::of((0..200).map(|number| one.contains(&number))), a);
        }
    }
}
