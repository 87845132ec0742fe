//! How everything else grew: what the past is multiplied with before the present is compared with it.
//!
//! By the middle one of many values, weighed by their past. A storm makes a few values grow, or brings new ones; the
//! middle one stays where it was. A daily rhythm makes all of them grow. Requests are counted, for any measure: cost by
//! the byte has too heavy a tail for a middle.

use super::kinds::{GROWTH_OF_SENDERS, GROWTH_OF_WANTED};
use super::scene::{Before, Point};
use crate::fact::FactKind;
use crate::specimen::FactKey;

/// How everything else grew, at least by the factor 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Growth {
    /// By what sends.
    pub(crate) senders: f64,
    /// By what sends and what is wanted: the less of the two.
    pub(crate) all: f64,
}

/// A value is looked at by itself if so many specimens of the past have it; the others together.
const SPECIMENS_MIN: u32 = 12;

/// Of values that a sample has seen mostly once, it tells nothing of their growth.
const COVERED_MIN: f64 = 0.4;

/// So many values of about the same weight must stand behind a middle.
const VALUES_MIN: f64 = 3.0;

impl Growth {
    /// Nothing grew.
    pub(crate) const NONE: Self = Self { senders: 1.0, all: 1.0 };

    pub(crate) fn between(past: &Before<'_>, present: &[Point<'_>]) -> Self {
        let of = |kinds: &[FactKind]| {
            kinds.iter().filter_map(|kind| of_kind(*kind, past, present)).reduce(f64::min)
        };
        let senders = of(&GROWTH_OF_SENDERS).unwrap_or(1.0);
        let wanted = of(&GROWTH_OF_WANTED).unwrap_or(f64::INFINITY);
        Self { senders: senders.max(1.0), all: senders.min(wanted).max(1.0) }
    }
}

#[derive(Clone, Copy, Default)]
struct Cell {
    past: f64,
    specimens: u32,
    present: f64,
}

fn of_kind(kind: FactKind, past: &Before<'_>, present: &[Point<'_>]) -> Option<f64> {
    let column = past.baseline.column(kind);
    let mut cells = vec![Cell::default(); column.len()];
    for (number, rate) in column.by_place().iter().zip(&past.rates) {
        // What is left out has none.
        if *rate > 0.0 {
            let cell = &mut cells[*number as usize];
            cell.past += rate;
            cell.specimens += 1;
        }
    }
    for point in present {
        // A value without a past is no growth, but new.
        if let Some(number) = column.number(point.specimen.key(kind)) {
            cells[number as usize].present += point.rate;
        }
    }
    if let Some(unknown) = column.number(FactKey::UNKNOWN) {
        cells[unknown as usize] = Cell::default();
    }
    let (mut heavy, light): (Vec<Cell>, Vec<Cell>) =
        cells.into_iter().filter(|cell| cell.specimens > 0).partition(|cell| cell.specimens >= SPECIMENS_MIN);
    heavy.extend(together(&light));
    middle(heavy)
}

/// Values of few specimens as one. Of so many values a sample misses some, and as often as a value was seen once only,
/// the next one will be new (Good 1953): so much of their growth is among what looks new now. None if that is most.
fn together(light: &[Cell]) -> Option<Cell> {
    let specimens: u32 = light.iter().map(|cell| cell.specimens).sum();
    let once = light.iter().filter(|cell| cell.specimens == 1).count();
    let covered = 1.0 - once as f64 / f64::from(specimens.max(1));
    (covered >= COVERED_MIN).then(|| Cell {
        past: light.iter().map(|cell| cell.past).sum(),
        specimens,
        present: light.iter().map(|cell| cell.present).sum::<f64>() / covered,
    })
}

fn middle(mut cells: Vec<Cell>) -> Option<f64> {
    let total: f64 = cells.iter().map(|cell| cell.past).sum();
    let squares: f64 = cells.iter().map(|cell| cell.past * cell.past).sum();
    if squares <= 0.0 || total * total / squares < VALUES_MIN {
        return None;
    }
    let growth = |cell: &Cell| cell.present / cell.past;
    cells.sort_by(|one, other| growth(one).total_cmp(&growth(other)));
    let mut before = 0.0;
    let middle = cells.iter().find(|cell| {
        before += cell.past;
        before >= total / 2.0
    })?;
    Some(growth(middle))
}
