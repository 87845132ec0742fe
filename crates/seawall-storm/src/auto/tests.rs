//! Tables of stages: what the machine does second by second, given how its storm and everybody else fare.

use std::fmt::Write;
use std::time::Duration;

use seawall_http::UnixTime;

use super::{Others, Second, Staging, Standing, Step};
use crate::policy::Policy;
use crate::proposal::Stage;

const FINE: Second = Second { requests: 20.0, matched: 0.0, storm: 100.0, sample: 0, failed: 0.0 };
const GOOD: Standing = Standing { is_allowed: true, is_raging: true, matches: true };

struct Play {
    staging: Staging,
    others: Others,
    policy: Policy,
    second: u64,
    told: String,
}

impl Play {
    fn new(policy: Policy) -> Self {
        Self { staging: Staging::new(), others: Others::default(), policy, second: 0, told: String::new() }
    }

    fn play(&mut self, seconds: u64, standing: Standing, others: Second) -> &mut Self {
        for _ in 0..seconds {
            self.second += 1;
            let now = UnixTime::from_secs(self.second);
            self.others.count(others, now);
            let Some(step) = self.staging.step(standing, &self.others, &self.policy, now) else { continue };
            let (second, told) = (self.second, &mut self.told);
            match step {
                Step::To(Stage::Part, _) => {
                    self.others.begin();
                    write!(told, "{second}:part ")
                }
                Step::To(stage, _) => write!(told, "{second}:{} ", stage.as_str()),
                Step::Renew(until) => write!(told, "{second}:renewed-to-{} ", until.as_secs()),
                Step::Out(why) => {
                    self.others.end();
                    write!(told, "{second}:out({why}) ")
                }
            }
            .unwrap();
        }
        self
    }

    #[track_caller]
    fn expect(&self, told: &str) {
        assert_eq!(self.told.trim_end(), told);
    }
}

#[test]
fn a_rule_that_harms_nobody_goes_through_its_stages() {
    Play::new(Policy::default()).play(600, GOOD, FINE).expect("1:observe 11:part 31:all");
}

#[test]
fn nothing_is_staged_without_leave_or_storm() {
    let mut play = Play::new(Policy::default());
    play.play(60, Standing { is_allowed: false, ..GOOD }, FINE);
    play.play(60, Standing { is_raging: false, ..GOOD }, FINE).expect("");
}

#[test]
fn a_rule_that_matches_nothing_stays_where_it_is() {
    let mut play = Play::new(Policy::default());
    play.play(100, Standing { matches: false, ..GOOD }, FINE)
        .play(1, GOOD, FINE)
        .expect("1:observe 101:part");
}

#[test]
fn once_in_force_the_load_that_it_lowered_no_longer_counts() {
    let mut play = Play::new(Policy::default());
    play.play(5, GOOD, FINE)
        .play(60, Standing { is_allowed: false, ..GOOD }, FINE)
        .expect("1:observe 11:part 31:all");
}

#[test]
fn a_rule_that_would_refuse_others_is_taken_back_before_it_does() {
    let harm = Second { matched: 6.0, sample: 6, ..FINE };
    Play::new(Policy::default())
        .play(3, GOOD, FINE)
        .play(4, GOOD, harm)
        .expect("1:observe 5:out(it matches 2.00 % of the requests outside the storm)");
}

#[test]
fn strays_of_the_storm_are_not_others() {
    // What describes a storm holds for 99 % of it.
    let strays = Second { matched: 1.0, sample: 1, ..FINE };
    Play::new(Policy::default()).play(100, GOOD, strays).expect("1:observe 11:part 31:all");
}

#[test]
fn it_is_tried_again_ever_later() {
    let harm = Second { matched: 10.0, sample: 10, ..FINE };
    let mut play = Play::new(Policy::default());
    play.play(5000, GOOD, harm);
    let times: Vec<u64> = play
        .told
        .split_whitespace()
        .filter_map(|word| word.strip_suffix(":observe"))
        .map(|second| second.parse().unwrap())
        .collect();
    assert_eq!(times, [1, 605, 1806, 4207], "{}", play.told);
}

#[test]
fn a_rule_after_which_others_fall_away_is_taken_back() {
    Play::new(Policy::default())
        .play(35, GOOD, FINE)
        .play(40, GOOD, Second { requests: 4.0, ..FINE })
        .expect("1:observe 11:part 31:all 54:out(requests outside the storm fell to 49 % of what they were)");
}

#[test]
fn a_rule_after_which_others_fail_is_taken_back() {
    let failing = Second { failed: 6.0, ..FINE };
    let mut play = Play::new(Policy::default());
    play.play(35, GOOD, FINE).play(40, GOOD, failing);
    assert!(play.told.contains("out(") && play.told.contains("end in 5xx"), "{}", play.told);
    // They failed as much before: it is not the rule.
    Play::new(Policy::default()).play(100, GOOD, failing).expect("1:observe 11:part 31:all");
}

#[test]
fn a_rule_lives_while_its_storm_does_but_not_for_ever() {
    let policy =
        Policy { life: Duration::from_secs(100), life_max: Duration::from_secs(250), ..Policy::default() };
    Play::new(policy.clone())
        .play(600, GOOD, FINE)
        .expect("1:observe 11:part 31:all 91:renewed-to-191 181:renewed-to-251 251:out(its time is over)");
    let mut play = Play::new(Policy { renew: false, ..policy.clone() });
    play.play(600, GOOD, FINE).expect("1:observe 11:part 31:all 101:out(its time is over)");
    let mut play = Play::new(policy);
    play.play(50, GOOD, FINE).play(100, Standing { is_raging: false, ..GOOD }, FINE);
    play.expect("1:observe 11:part 31:all 101:out(its time is over)");
}
