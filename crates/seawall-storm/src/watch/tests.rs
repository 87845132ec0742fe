//! Whole stories, second by second: what is told, and when.

use std::fmt::Write;
use std::time::Duration;

use seawall_http::UnixTime;
use seawall_rules::rule::Mode;

use super::{Notice, RuleReport, Watch, WatchSettings};
use crate::declared::Declared;
use crate::derive::nowhere;
use crate::event::CacheResult;
use crate::measure::Measure;
use crate::policy::{Above, Auto, Load, Policy};
use crate::proposal::{ProposalId, Stage};
use crate::storm::{Nature, Phase};
use crate::storms::Hysteresis;
use crate::testing::site::{BROWSER_FIELDS, Site, address, program};
use crate::testing::{Exchange, window_builder};
use crate::window_builder::WindowBuilder;

/// A site, its watch, and what was told since the beginning.
struct Story {
    site: Site,
    watch: Watch,
    builder: WindowBuilder,
    begun: UnixTime,
    now: UnixTime,
    told: Vec<(u64, Notice)>,
}

impl Story {
    /// After so many seconds of readers alone.
    fn after(quiet: u64, settings: WatchSettings) -> Self {
        let now = UnixTime::from_secs(1_700_049_600);
        let mut story = Self {
            site: Site::new(11, 6.0),
            watch: Watch::new(settings, [3; 16]),
            builder: window_builder(5, now),
            begun: now,
            now,
            told: Vec::new(),
        };
        story.play(quiet, |_, _, _| ());
        assert_eq!(story.text(), "", "nothing happened");
        story.begun = story.now;
        story
    }

    /// So many seconds of readers, and of what else is sent.
    fn play(
        &mut self,
        seconds: u64,
        mut sends: impl FnMut(&mut Site, UnixTime, &mut WindowBuilder),
    ) -> &mut Self {
        for _ in 0..seconds {
            self.site.second(self.now, &mut self.builder);
            sends(&mut self.site, self.now, &mut self.builder);
            self.now = UnixTime(self.now.0 + 1000);
            let window = self.builder.take(nowhere, self.now);
            let load = Load {
                requests: window.total[Measure::Requests],
                origin_busy: window.total[Measure::OriginTime] / 1e6,
                server_errors: 0.0,
            };
            let second = (self.now.0 - self.begun.0) / 1000;
            self.told
                .extend(self.watch.tick(window, load, self.now).into_iter().map(|notice| (second, notice)));
        }
        self
    }

    /// What was told, a line each; names that follow from the seed are left out.
    fn text(&self) -> String {
        let mut text = String::new();
        for (second, notice) in &self.told {
            let words: Vec<String> = notice.to_string().split(' ').map(plain).collect();
            writeln!(text, "{second:>4} {}", words.join(" ")).unwrap();
        }
        text
    }

    /// When the first notice of that kind came.
    fn when(&self, is_it: impl Fn(&Notice) -> bool) -> Option<u64> {
        self.told.iter().find(|(_, notice)| is_it(notice)).map(|(second, _)| *second)
    }

    fn count(&self, is_it: impl Fn(&Notice) -> bool) -> usize {
        self.told.iter().filter(|(_, notice)| is_it(notice)).count()
    }

    #[track_caller]
    fn expect_no_proposal(&self) {
        assert_eq!(self.count(|notice| matches!(notice, Notice::ProposalMade { .. })), 0, "{}", self.text());
    }
}

/// Without a storm's or proposal's name, and without a rule's time.
fn plain(word: &str) -> String {
    let is_name = word.len() >= 7
        && word[1..7].bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && (word.starts_with('s') || word.starts_with('p'));
    if is_name { word[7..].to_owned() } else { word.to_owned() }
}

fn begins(notice: &Notice) -> bool {
    matches!(notice, Notice::StormBegan { .. })
}

fn proposes(notice: &Notice) -> bool {
    matches!(notice, Notice::ProposalMade { .. })
}

/// The story's storm: a shipped program that posts to a file.
fn hall(each_second: u64) -> impl FnMut(&mut Site, UnixTime, &mut WindowBuilder) {
    move |site, at, builder| {
        for _ in 0..each_second {
            let client = 2_000_000 + site.rng.below(3000);
            hall_request(client, UnixTime(at.0 + site.rng.below(900))).observe(builder);
        }
    }
}

fn hall_request(client: u64, at: UnixTime) -> Exchange<'static> {
    Exchange {
        method: "POST",
        header_shape: 55,
        tls: Some("t12d090500_00000000hall"),
        cache: CacheResult::Pass,
        bytes: 225_000,
        origin_bytes: 225_000,
        origin_time_us: 3_000,
        ..program(Some("QQGameHall"), "/ca/cacert.pem", client, at)
    }
}

fn policy(auto: Auto) -> WatchSettings {
    WatchSettings { policy: Policy { auto, ..Policy::default() }, ..WatchSettings::default() }
}

/// A storm is over after five minutes: half an hour would only be more of the same.
fn soon_over(settings: WatchSettings) -> WatchSettings {
    let hysteresis = Hysteresis { clear_after: Duration::from_secs(300), ..Hysteresis::default() };
    WatchSettings { hysteresis, ..settings }
}

// === Storms ===

#[test]
fn the_storm_of_the_story_is_named_and_a_rule_proposed_within_seconds() {
    let mut story = Story::after(560, WatchSettings::default());
    story.play(120, hall(15));
    let proposed = story.when(proposes).unwrap_or_else(|| panic!("no proposal\n{}", story.text()));
    assert!(proposed <= 10, "{}", story.text());
    assert_eq!(story.count(begins), 1, "{}", story.text());
    let proposal = story.watch.proposals().next().unwrap();
    assert!(proposal.collateral.requests.upper <= 0.001, "{:?}", proposal.collateral);
    let view = story.watch.storm(proposal.storm).unwrap();
    assert!((14.0..16.0).contains(&view.storm.rate[Measure::Requests]), "{:?}", view.storm.rate);
    assert!((1000.0..2500.0).contains(&view.storm.clients.value), "{:?}", view.storm.clients);
    assert_eq!(view.storm.phase, Phase::Steady);
}

#[test]
fn a_storm_pauses_returns_and_is_over() {
    let mut story = Story::after(560, soon_over(WatchSettings::default()));
    story.play(60, hall(15)).play(150, |_, _, _| ()).play(30, hall(15)).play(400, |_, _, _| ());
    let kinds: Vec<&str> = story
        .told
        .iter()
        .filter_map(|(_, notice)| match notice {
            Notice::StormBegan { .. } => Some("began"),
            Notice::StormPaused { .. } => Some("paused"),
            Notice::StormReturned { .. } => Some("returned"),
            Notice::StormCleared { .. } => Some("cleared"),
            Notice::ProposalWithdrawn { .. } => Some("withdrawn"),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["began", "paused", "returned", "paused", "cleared", "withdrawn"], "{}", story.text());
    // It comes back the next day, and is the same one.
    let id = story.watch.storms().next().unwrap().id;
    story.play(20, hall(15));
    assert_eq!(story.count(begins), 1, "{}", story.text());
    assert_eq!(
        story
            .watch
            .storms()
            .filter(|storm| storm.phase.is_raging())
            .map(|storm| storm.id)
            .collect::<Vec<_>>(),
        [id]
    );
    assert_eq!(story.count(proposes), 2, "{}", story.text());
}

#[test]
fn pulses_of_forty_seconds_are_one_storm() {
    let mut story = Story::after(560, WatchSettings::default());
    for _ in 0..3 {
        story.play(40, hall(15)).play(240, |_, _, _| ());
    }
    assert_eq!(story.count(begins), 1, "{}", story.text());
    assert_eq!(story.count(proposes), 1, "{}", story.text());
    assert_eq!(story.watch.proposals().count(), 1);
}

#[test]
fn two_storms_at_once_are_two_with_a_rule_each() {
    let mut story = Story::after(560, WatchSettings::default());
    let (mut one, other) = (hall(15), |site: &mut Site, at: UnixTime, builder: &mut WindowBuilder| {
        for _ in 0..20 {
            let client = 3_000_000 + site.rng.below(500);
            let sent = Exchange {
                header_shape: 66,
                query: Some("token"),
                cache: CacheResult::Miss,
                origin_bytes: 9_000,
                origin_time_us: 30_000,
                ..program(Some("okhttp/4.9"), "/api/v1/items", client, at)
            };
            sent.observe(builder);
        }
    });
    story.play(30, &mut one);
    story.play(60, |site, at, builder| {
        one(site, at, builder);
        other(site, at, builder);
    });
    assert_eq!(story.watch.proposals().count(), 2, "{}", story.text());
    let storms = story.watch.storms().filter(|storm| storm.nature == Nature::Storm).count();
    assert_eq!(storms, 2, "{}", story.text());
}

// === Crowds ===

fn crowd(each_second: u64) -> impl FnMut(&mut Site, UnixTime, &mut WindowBuilder) {
    move |site, at, builder| {
        for _ in 0..each_second {
            let client = address(5_000_000 + site.rng.below(50_000));
            site.visit(at, client, "/articles/2023/breaking.html", Some("https://news.example/"), builder);
        }
    }
}

#[test]
fn a_flash_crowd_gets_no_rule() {
    let mut story = Story::after(560, policy(Auto::Deny));
    story.play(180, crowd(25));
    story.expect_no_proposal();
    assert_eq!(story.count(begins), 0, "{}", story.text());
}

#[test]
fn a_storm_inside_a_flash_crowd_is_found_and_the_crowd_spared() {
    let mut story = Story::after(560, WatchSettings::default());
    let (mut readers, mut storm) = (crowd(25), hall(20));
    story.play(60, &mut readers).play(90, |site, at, builder| {
        readers(site, at, builder);
        storm(site, at, builder);
    });
    assert_eq!(story.watch.proposals().count(), 1, "{}", story.text());
    let proposal = story.watch.proposals().next().unwrap();
    assert!(proposal.reasons.iter().any(|reason| reason.contains("405")), "{:?}", proposal.reasons);
}

// === Imitation ===

#[test]
fn a_readers_agent_copied_is_never_what_a_rule_matches_alone() {
    let mut story = Story::after(560, policy(Auto::Deny));
    let victim = story.site.browsers[0].clone();
    story.play(120, move |site, at, builder| {
        for _ in 0..40 {
            let page = format!("/articles/{}/{}.html", 2010 + site.rng.below(15), site.rng.below(4000));
            let client = address(6_000_000 + site.rng.below(5000));
            let copied = Exchange {
                path: &page,
                user_agent: Some(&victim.agent),
                tls: Some(&victim.tls),
                header_shape: victim.shape,
                fields: &BROWSER_FIELDS,
                client,
                cache: CacheResult::Miss,
                origin_bytes: 20_000,
                origin_time_us: 50_000,
                at,
                ..Exchange::default()
            };
            copied.observe(builder);
        }
    });
    for proposal in story.watch.proposals() {
        assert!(proposal.collateral.clients.upper <= 0.001, "{} {:?}", proposal.matches, proposal.collateral);
    }
    assert_eq!(story.count(|notice| matches!(notice, Notice::RuleStaged { .. })), 0, "{}", story.text());
}

#[test]
fn slow_poisoning_does_not_make_a_victims_agent_a_storm() {
    // Two hours of a rare reader's agent, ever more often; then it floods.
    let mut story = Story::after(560, policy(Auto::Deny));
    let feed = |site: &mut Site, at: UnixTime, builder: &mut WindowBuilder, count: u64| {
        for _ in 0..count {
            let client = 7_000_000 + site.rng.below(2000);
            program(Some("Feedly/1.0 (+http://www.feedly.com/fetcher.html)"), "/feed.xml", client, at)
                .observe(builder);
        }
    };
    for step in 0..4 {
        story.play(100, |site, at, builder| feed(site, at, builder, step / 2));
    }
    story.play(120, |site, at, builder| feed(site, at, builder, 40));
    for proposal in story.watch.proposals() {
        assert!(proposal.collateral.clients.upper <= 0.001, "{} {:?}", proposal.matches, proposal.collateral);
    }
    assert_eq!(story.count(|notice| matches!(notice, Notice::RuleStaged { .. })), 0, "{}", story.text());
}

#[test]
fn declared_clients_are_named_and_get_no_rule() {
    let agent = seawall_rules::rule::Condition {
        fact: seawall_rules::rule::Fact::UserAgent,
        test: seawall_rules::rule::Test::Prefix("QQ".to_owned()),
        negated: false,
    };
    let declared = vec![Declared { name: "the hall".to_owned(), conditions: vec![agent] }];
    let mut story = Story::after(560, WatchSettings { declared, ..WatchSettings::default() });
    story.play(60, hall(15));
    story.expect_no_proposal();
    assert!(story.text().contains("declared"), "{}", story.text());
}

// === The machine's own rules ===

/// The last stage that the rulebook was told of, and whether the rule still stands.
fn stage(story: &Story) -> Option<(ProposalId, Stage)> {
    story.told.iter().fold(None, |stage, (_, notice)| match notice {
        Notice::RuleStaged { proposal, stage, .. } => Some((*proposal, *stage)),
        Notice::RuleWithdrawn { .. } => None,
        _ => stage,
    })
}

#[test]
fn the_machine_stages_a_rule_and_withdraws_it_after_the_storm() {
    let mut story = Story::after(560, soon_over(policy(Auto::Deny)));
    story.play(60, hall(15));
    assert_eq!(stage(&story).map(|(_, stage)| stage), Some(Stage::All), "{}", story.text());
    // What it refuses is still the storm.
    story.play(120, |site, at, builder| {
        for _ in 0..15 {
            let client = 2_000_000 + site.rng.below(3000);
            let refused = Exchange {
                status: 405,
                is_refused: true,
                bytes: 300,
                origin_bytes: 0,
                origin_time_us: 0,
                ..hall_request(client, at)
            };
            refused.observe(builder);
        }
    });
    assert_eq!(story.count(|notice| matches!(notice, Notice::StormPaused { .. })), 0, "{}", story.text());
    let view = story.watch.storm(story.watch.proposals().next().unwrap().storm).unwrap();
    assert_eq!((view.refused, view.stage), (15.0 * 120.0, Some(Stage::All)));
    story.play(400, |_, _, _| ());
    assert_eq!(stage(&story), None, "{}", story.text());
    assert!(story.text().contains("withdrawn: the storm is over"), "{}", story.text());
}

#[test]
fn a_rule_is_taken_back_when_readers_begin_to_do_what_it_refuses() {
    let mut story = Story::after(560, policy(Auto::Deny));
    story.play(60, hall(15));
    assert!(stage(&story).is_some(), "{}", story.text());
    let mut storm = hall(15);
    story.play(90, |site, at, builder| {
        storm(site, at, builder);
        for _ in 0..6 {
            let sender = site.browser();
            let reader = Exchange {
                method: "POST",
                user_agent: Some(&sender.agent),
                tls: Some(&sender.tls),
                header_shape: sender.shape,
                fields: &BROWSER_FIELDS,
                ..hall_request(site.rng.below(20_000), at)
            };
            reader.observe(builder);
        }
    });
    let rule_is_by_agent =
        story.watch.proposals().any(|proposal| proposal.matches.to_string().contains("QQGameHall"));
    assert!(
        stage(&story).is_none() || rule_is_by_agent,
        "a rule by path and method alone must be taken back\n{}",
        story.text()
    );
}

#[test]
fn the_machine_acts_only_above_a_load() {
    let above = Above { requests: Some(100_000.0), ..Above::default() };
    let settings = WatchSettings {
        policy: Policy { auto: Auto::Deny, above, ..Policy::default() },
        ..WatchSettings::default()
    };
    let mut story = Story::after(560, settings);
    story.play(60, hall(15));
    assert_eq!((story.count(proposes), stage(&story)), (1, None), "{}", story.text());
}

#[test]
fn what_somebody_accepted_is_theirs() {
    let mut story = Story::after(560, policy(Auto::Deny));
    story.play(8, hall(15));
    let id = story.watch.proposals().next().unwrap_or_else(|| panic!("{}", story.text())).id;
    let rule = story.watch.accepted(id, story.now).unwrap();
    assert_eq!(rule.mode, Mode::Enforce);
    story.told.clear();
    story.play(60, hall(15));
    assert_eq!(
        story.count(|notice| matches!(notice, Notice::RuleStaged { .. } | Notice::RuleWithdrawn { .. })),
        0,
        "{}",
        story.text()
    );
    // They take it out: nothing more is proposed against this storm.
    story.watch.rule_state(id, RuleReport::Gone, story.now);
    story.play(60, hall(15));
    assert_eq!(story.watch.proposals().count(), 0, "{}", story.text());
    assert!(story.text().contains("somebody declined it"), "{}", story.text());
}

#[test]
fn nothing_is_proposed_where_the_policy_is_off() {
    let mut story = Story::after(560, policy(Auto::Off));
    story.play(60, hall(15));
    story.expect_no_proposal();
    assert_eq!(story.count(begins), 1, "{}", story.text());
}

#[test]
fn a_rule_that_found_no_room_is_tried_again() {
    let mut story = Story::after(560, policy(Auto::Deny));
    let staged = |notice: &Notice| matches!(notice, Notice::RuleStaged { .. });
    let mut storm = hall(15);
    while story.count(staged) == 0 {
        story.play(1, &mut storm);
        assert!((story.now.0 - story.begun.0) / 1000 < 60, "{}", story.text());
    }
    let (id, _) = stage(&story).unwrap();
    story.watch.rule_state(id, RuleReport::Failed, story.now);
    story.told.clear();
    story.play(25, &mut storm);
    assert_eq!(story.count(staged), 0, "{}", story.text());
    story.play(20, &mut storm);
    assert!(story.count(staged) > 0, "{}", story.text());
    assert_eq!(stage(&story).map(|(again, _)| again), Some(id), "{}", story.text());
}

#[test]
fn a_storm_that_lasts_through_a_restart_is_the_same_one_and_its_rule_is_watched_on() {
    let mut story = Story::after(560, soon_over(policy(Auto::Deny)));
    let mut storm = hall(15);
    story.play(60, &mut storm);
    let (proposal, at) = stage(&story).unwrap_or_else(|| panic!("{}", story.text()));
    let before = story.watch.storms().next().unwrap().clone();
    let kept = story.watch.kept();
    assert_eq!((kept.len(), at), (1, Stage::All));

    // Another process, with names of its own and no past.
    story.watch = Watch::new(soon_over(policy(Auto::Deny)), [8; 16]);
    story.watch.restore(kept, story.now);
    story.told.clear();
    story.play(400, &mut storm);
    assert_eq!(story.text(), "", "nothing is new");
    let after: Vec<_> = story.watch.storms().collect();
    assert_eq!((after.len(), after[0].id), (1, before.id));
    assert!(after[0].phase.is_raging() && after[0].total[Measure::Requests] > 6000.0, "{:?}", after[0]);
    let view = story.watch.storm(before.id).unwrap();
    assert_eq!((view.proposal.map(|proposal| proposal.id), view.stage), (Some(proposal), Some(Stage::All)));
    // It is over as storms are, and the rule goes with it.
    story.play(400, |_, _, _| ());
    assert_eq!(story.count(|notice| matches!(notice, Notice::RuleWithdrawn { .. })), 1, "{}", story.text());
    assert!(story.text().contains("withdrawn: the storm is over"), "{}", story.text());
}
