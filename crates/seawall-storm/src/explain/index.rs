//! [`Index`]: the specimens of a past by the values of their facts, made when it is asked for, and kept until the past
//! changes. Within those ten seconds or more the same facts are asked for again and again, of each present.
//!
//! Bounds: a number for each specimen and kind that was asked for, and [`SETS_MAX`] sets of a bit for each specimen:
//! some 3 MB for 16,384 specimens, and nothing while nothing rises.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::bits::Bits;
use super::candidate::Fact;
use super::scene::with_and_without;
use crate::agent::Word;
use crate::baseline::{Baseline, KeyHash};
use crate::fact::FactKind;
use crate::specimen::{FactKey, Specimen};

/// What was asked of a past since it last changed.
#[derive(Debug, Default)]
pub(crate) struct Index {
    columns: [OnceCell<Column>; FactKind::COUNT],
    fields: OnceCell<Vec<[Bits; 2]>>,
    /// By fact, and whether a product was looked for as a word.
    sets: RefCell<HashMap<(Fact, bool), Arc<Bits>>>,
}

/// A copy knows nothing yet: it will be asked something else.
impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// The values of one kind.
#[derive(Debug)]
pub(crate) struct Column {
    /// Each value has a number, in the order in which they are met.
    numbers: HashMap<FactKey, u32, KeyHash>,
    /// By number, a specimen that has it.
    examples: Vec<u32>,
    /// By the specimen's place in the past.
    by_place: Vec<u32>,
}

/// Sets kept of one past.
const SETS_MAX: usize = 512;

impl Baseline {
    /// The values of that kind.
    pub(crate) fn column(&self, kind: FactKind) -> &Column {
        self.index().columns[kind as usize].get_or_init(|| Column::of(self, kind))
    }

    /// Where the fact holds, by place; the product of an agent is looked for as that word too, as its rule does.
    pub(super) fn places(&self, fact: &Fact, word: Option<&Word>) -> Arc<Bits> {
        let sets = &self.index().sets;
        let key = (fact.clone(), word.is_some());
        if let Some(set) = sets.borrow().get(&key) {
            return Arc::clone(set);
        }
        let set = Arc::new(self.look_up(fact, word));
        let mut sets = sets.borrow_mut();
        if sets.len() >= SETS_MAX {
            sets.clear();
        }
        sets.insert(key, Arc::clone(&set));
        set
    }

    fn look_up(&self, fact: &Fact, word: Option<&Word>) -> Bits {
        match fact {
            Fact::Values(kind, keys) => {
                let set = self.column(*kind).places_of(keys);
                match word.filter(|_| *kind == FactKind::AgentProduct) {
                    None => set,
                    Some(word) => set.or(&self.places_where(FactKind::UserAgent, |specimen| {
                        specimen.text(FactKind::UserAgent).is_some_and(|agent| word.is_in(agent.as_bytes()))
                    })),
                }
            }
            Fact::Present(kind) | Fact::Like(kind, ..) => {
                self.places_where(*kind, |specimen| fact.holds(specimen, None))
            }
            Fact::Field(bit, is_there) => {
                let fields = self
                    .index()
                    .fields
                    .get_or_init(|| with_and_without(self.specimens().map(|weighted| weighted.specimen)));
                fields[*bit][usize::from(!*is_there)].clone()
            }
        }
    }

    /// Where something holds that the value of that kind decides: asked once for each value.
    fn places_where(&self, kind: FactKind, holds: impl Fn(&Specimen) -> bool) -> Bits {
        let column = self.column(kind);
        let holds: Vec<bool> =
            column.examples.iter().map(|place| holds(self.specimen(*place as usize))).collect();
        Bits::of(column.by_place.iter().map(|number| holds[*number as usize]))
    }
}

impl Column {
    fn of(past: &Baseline, kind: FactKind) -> Self {
        let mut column = Self { numbers: HashMap::default(), examples: Vec::new(), by_place: Vec::new() };
        for (weighted, place) in past.specimens().zip(0..) {
            let next = column.examples.len() as u32;
            let number = *column.numbers.entry(weighted.specimen.key(kind)).or_insert(next);
            if number == next {
                column.examples.push(place);
            }
            column.by_place.push(number);
        }
        column
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.examples.len()
    }

    /// The value's number.
    pub(super) fn number(&self, key: FactKey) -> Option<u32> {
        self.numbers.get(&key).copied()
    }

    /// The number of the value at each place.
    pub(super) fn by_place(&self) -> &[u32] {
        &self.by_place
    }

    fn places_of(&self, keys: &[FactKey]) -> Bits {
        let numbers: Vec<u32> = keys.iter().filter_map(|key| self.number(*key)).collect();
        match numbers.as_slice() {
            [] => Bits::none(self.by_place.len()),
            [one] => Bits::of(self.by_place.iter().map(|number| number == one)),
            some => Bits::of(self.by_place.iter().map(|number| some.contains(number))),
        }
    }
}
