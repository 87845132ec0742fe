//! [`Bits`]: a set of specimens, by their number.

/// A set of numbers below a bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Bits(Box<[u64]>);

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

    pub(super) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
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

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                (word != 0).then(|| {
                    word &= word - 1;
                    index * 64 + bit as usize
                })
            })
        })
    }

    /// The sum of the members' values.
    pub(super) fn sum(&self, values: &[f64]) -> f64 {
        self.iter().map(|number| values[number]).sum()
    }
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
            prop_assert_eq!(Bits::all(200).and(&a), a);
        }
    }
}
