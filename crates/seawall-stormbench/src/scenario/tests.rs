use std::collections::HashSet;

use super::{Kind, Scale, Scenario};
use crate::exchange::Belongs;
use crate::source::Source;

#[test]
fn names_are_unique_and_every_kind_is_there() {
    let names: HashSet<_> = Scenario::all().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), Scenario::all().count());
    for kind in [Kind::Storm, Kind::Inseparable, Kind::Control, Kind::Imitation] {
        assert!(Scenario::all().any(|scenario| scenario.kind == kind));
    }
}

#[test]
fn a_small_site_has_its_storm_from_the_onset_on_and_controls_have_none() {
    for scenario in Scenario::all().filter(|scenario| scenario.sites.contains(&Scale::Small)) {
        let Some(mut play) = scenario.play(Scale::Small, 1, None) else { continue };
        if play.until.0 - play.from.0 > 2 * 3_600_000 {
            continue;
        }
        let all: Vec<_> = std::iter::from_fn(|| play.source.next()).collect();
        assert!(all.is_sorted_by_key(|exchange| exchange.at), "{}", scenario.name);
        let storm = |number| all.iter().filter(move |exchange| exchange.belongs == Belongs::Storm(number));
        for (number, truth) in play.storms.iter().enumerate() {
            let number = u8::try_from(number).unwrap();
            assert!(storm(number).count() > 100, "{}", scenario.name);
            assert!(storm(number).all(|exchange| exchange.at >= truth.onset), "{}", scenario.name);
        }
        assert_eq!(play.storms.is_empty(), scenario.kind == Kind::Control, "{}", scenario.name);
        if let Some(is_victim) = &play.is_victim {
            let rest = all.iter().filter(|exchange| exchange.belongs == Belongs::Rest);
            assert!(rest.filter(|exchange| is_victim(exchange)).count() > 10, "{}", scenario.name);
        }
    }
}
