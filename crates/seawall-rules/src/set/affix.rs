//! Prefixes (or suffixes) in a sorted list, so that one binary search finds all those of a value.
//!
//! Every prefix of a value that is in the list comes at or before the value in order, and every text between such
//! a prefix and the value begins with that prefix. So the last text that is not after the value is one of them,
//! or begins with all of them; and each text knows the longest other one that it begins with.

use std::cmp::Ordering;

use smallvec::SmallVec;

/// Texts with the rules that each stands for.
#[derive(Debug, Default)]
pub(super) struct Affixes {
    texts: Vec<Affix>,
}

#[derive(Debug)]
struct Affix {
    /// Of a suffix, from its end.
    text: Box<[u8]>,
    rules: SmallVec<[u32; 2]>,
    /// The longest other text that this one begins with.
    parent: Option<u32>,
}

/// From which end values are compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Front,
    Back,
}

impl Affixes {
    pub(super) fn new<'t>(end: End, pairs: impl IntoIterator<Item = (&'t str, u32)>) -> Self {
        let turned = |text: &str| -> Box<[u8]> {
            match end {
                End::Front => text.bytes().collect(),
                End::Back => text.bytes().rev().collect(),
            }
        };
        let mut pairs: Vec<(Box<[u8]>, u32)> =
            pairs.into_iter().map(|(text, rule)| (turned(text), rule)).collect();
        pairs.sort_unstable();
        let mut texts: Vec<Affix> = Vec::new();
        for (text, rule) in pairs {
            match texts.last_mut() {
                Some(last) if last.text == text => last.rules.push(rule),
                _ => {
                    let parent = nearest(&texts, &text);
                    texts.push(Affix { text, rules: SmallVec::from_slice(&[rule]), parent });
                }
            }
        }
        Self { texts }
    }

    /// The rules of every text that the value begins with.
    pub(super) fn begin(&self, value: &[u8], candidates: &mut Vec<u32>) {
        let after = self.texts.partition_point(|affix| *affix.text <= *value);
        self.climb(after, |text| text.iter().zip(value).take_while(|(a, b)| a == b).count(), candidates);
    }

    /// The rules of every text that the value ends with.
    pub(super) fn end(&self, value: &[u8], candidates: &mut Vec<u32>) {
        let after = self
            .texts
            .partition_point(|affix| affix.text.iter().cmp(value.iter().rev()) != Ordering::Greater);
        let common = |text: &[u8]| text.iter().zip(value.iter().rev()).take_while(|(a, b)| a == b).count();
        self.climb(after, common, candidates);
    }

    fn climb(&self, after: usize, common: impl FnOnce(&[u8]) -> usize, candidates: &mut Vec<u32>) {
        let Some(last) = after.checked_sub(1) else {
            return;
        };
        let common = common(&self.texts[last].text);
        let mut at = Some(last as u32);
        while let Some(index) = at {
            let affix = &self.texts[index as usize];
            if affix.text.len() <= common {
                candidates.extend_from_slice(&affix.rules);
            }
            at = affix.parent;
        }
    }
}

/// Among sorted texts that are not after `text`, the longest that it begins with.
fn nearest(texts: &[Affix], text: &[u8]) -> Option<u32> {
    let mut at = texts.len().checked_sub(1).map(|last| last as u32);
    while let Some(index) = at {
        let affix = &texts[index as usize];
        if text.starts_with(&affix.text) {
            return at;
        }
        at = affix.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_prefixes_and_suffixes_of_a_value_are_found(
            texts in vec("[ab]{1,6}", 0..30),
            value in "[abc]{0,10}",
        ) {
            let pairs = || texts.iter().zip(0..).map(|(text, rule)| (text.as_str(), rule));
            let expected = |holds: &dyn Fn(&str) -> bool| {
                pairs().filter(|(text, _)| holds(text)).map(|(_, rule)| rule).collect::<Vec<u32>>()
            };
            let (mut begins, mut ends) = (Vec::new(), Vec::new());
            Affixes::new(End::Front, pairs()).begin(value.as_bytes(), &mut begins);
            Affixes::new(End::Back, pairs()).end(value.as_bytes(), &mut ends);
            begins.sort_unstable();
            ends.sort_unstable();
            prop_assert_eq!(begins, expected(&|text| value.starts_with(text)));
            prop_assert_eq!(ends, expected(&|text| value.ends_with(text)));
        }
    }
}
