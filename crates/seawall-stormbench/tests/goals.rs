//! The goals on a handful of scenarios, one seed each: the whole table is `cargo xtask stormbench`'s.

use seawall_stormbench::goals;
use seawall_stormbench::job::{Cast, Job};
use seawall_stormbench::memory;
use seawall_stormbench::scenario::{Scale, Scenario};

fn check(names: &[&str]) {
    let play = |name: &&str| {
        let scenario = Scenario::all().find(|scenario| scenario.name == *name).expect("a known scenario");
        Job { scenario, scale: Scale::Small, seed: 1 }.run(Cast::Alone, None).expect("needs no log")
    };
    let outcomes: Vec<_> = names.iter().map(play).collect();
    for goal in goals::judge(&outcomes) {
        assert!(goal.is_met, "{}: {} {:?}", goal.asked, goal.measured, goal.failures);
    }
}

#[test]
fn storms_are_found_in_time_with_rules_that_match_them_and_little_else() {
    check(&["app-versions", "scan", "login-stuffing", "two-storms"]);
}

#[test]
fn nothing_is_proposed_where_there_is_no_storm() {
    check(&["flash-crowd", "job", "probe", "purge"]);
}

#[test]
fn nobody_can_have_a_chosen_victim_refused() {
    check(&["copies-feed-reader", "mixes-paths"]);
}

#[test]
fn a_million_distinct_agents_paths_and_addresses_leave_memory_as_it_is() {
    let memory = memory::measure(1_000_000, 6);
    assert!(memory.most - memory.before < 64 << 20, "{memory:?}");
}
