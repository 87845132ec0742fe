//! Reads `[detect]`, `[storms]` and `[[declared-good]]`.

use std::time::Duration;

use http::StatusCode;
use seawall_rules::rule::{Action, Author, Mode, Portion, Rule};

use crate::config::{Auto, DeclaredGood, DetectConfig, LeastRise, OnlyAbove, StormPolicy};
use crate::diagnostic::{Code, Problems};
use crate::manual;
use crate::reader::{Table, Value};
use crate::rule::{Named, read_conditions, read_name, report};
use crate::settings::Reader;
use crate::share::Share;

const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// Clients of one network that the watch over storms counts (`seawall_storm::senders`): with a greater `least-clients` no
/// network could ever be shown.
const LEAST_CLIENTS_MAX: u64 = 32;

// === Detect ===

impl Default for DetectConfig {
    /// Each is argued in `docs/concepts/defaults.md`.
    fn default() -> Self {
        Self {
            enabled: true,
            learning_time: Duration::from_secs(300),
            memory: 64 * MIB,
            least_share: Share::percent(20),
            least_rise: LeastRise::default(),
            least_time: Duration::from_secs(3),
            pause_time: Duration::from_secs(60),
            clear_time: Duration::from_secs(1800),
            least_clients: 20,
            evidence: false,
        }
    }
}

impl Default for LeastRise {
    fn default() -> Self {
        Self { requests: 1, bytes: 100_000, origin_bytes: 100_000, origin_time: Duration::from_millis(50) }
    }
}

pub(crate) fn read_detect(value: Value<'_>, problems: &mut Problems) -> Option<DetectConfig> {
    let mut table = value.open(&manual::DETECT, problems)?;
    let mut detect = DetectConfig::default();
    table.set("enabled", &mut detect.enabled, problems, |value, problems| value.boolean(problems));
    table.set("evidence", &mut detect.evidence, problems, |value, problems| {
        value.choice(&[("asked", false), ("storms", true)], problems)
    });
    table.set("least-share", &mut detect.least_share, problems, |value, problems| {
        value.share(Share::percent(1)..=Share::ALL, problems)
    });
    table.set("least-rise", &mut detect.least_rise, problems, read_least_rise);
    table.set("memory", &mut detect.memory, problems, |value, problems| {
        value.size(16 * MIB..=4096 * MIB, problems)
    });
    let mut reader = Reader { table: &mut table, problems };
    reader.time("learning-time", &mut detect.learning_time, 10 * SECOND..=30 * DAY);
    reader.time("least-time", &mut detect.least_time, SECOND..=HOUR);
    reader.time("pause-time", &mut detect.pause_time, SECOND..=DAY);
    reader.time("clear-time", &mut detect.clear_time, SECOND..=30 * DAY);
    reader.number("least-clients", &mut detect.least_clients, 2..=LEAST_CLIENTS_MAX);
    let pairs = [("pause-time", detect.pause_time, "clear-time", detect.clear_time)];
    check_order(&table, &pairs, problems);
    table.finish("here", problems);
    Some(detect)
}

fn read_least_rise(value: Value<'_>, problems: &mut Problems) -> Option<LeastRise> {
    let mut table = value.open(&manual::LEAST_RISE, problems)?;
    let mut least = LeastRise::default();
    for (key, slot) in [("bytes", &mut least.bytes), ("origin-bytes", &mut least.origin_bytes)] {
        table.set(key, slot, problems, |value, problems| value.speed(1..=1 << 50, problems));
    }
    let mut reader = Reader { table: &mut table, problems };
    reader.number("requests", &mut least.requests, 1..=1_000_000_000);
    reader.time("origin-time", &mut least.origin_time, Duration::from_millis(1)..=HOUR);
    table.finish("here", problems);
    Some(least)
}

// === Policy ===

impl Default for StormPolicy {
    /// Each is argued in `docs/concepts/defaults.md`.
    fn default() -> Self {
        Self {
            auto: Auto::Propose,
            least_confidence: Share::percent(90),
            most_collateral: Share::millionths(1000),
            most_rules: 8,
            life: DAY,
            longest_life: 30 * DAY,
            renew: true,
            only_above: OnlyAbove::default(),
            observe_time: 10 * SECOND,
            part_time: 20 * SECOND,
            part: PART,
            retry_time: Duration::from_secs(600),
            longest_retry_time: DAY,
        }
    }
}

const PART: Portion = match Portion::percent(25) {
    Some(part) => part,
    None => unreachable!(),
};

/// Reads a policy over the one that holds without it.
pub(crate) fn read_policy(value: Value<'_>, policy: &mut StormPolicy, problems: &mut Problems) {
    let Some(mut table) = value.open(&manual::STORMS, problems) else { return };
    let autos =
        [("off", Auto::Off), ("propose", Auto::Propose), ("limit", Auto::Limit), ("deny", Auto::Deny)];
    table.set("auto", &mut policy.auto, problems, |value, problems| value.choice(&autos, problems));
    table.set("renew", &mut policy.renew, problems, |value, problems| value.boolean(problems));
    let shares = [
        ("least-confidence", &mut policy.least_confidence, Share::percent(50)),
        ("most-collateral", &mut policy.most_collateral, Share::millionths(1)),
    ];
    for (key, slot, least) in shares {
        table.set(key, slot, problems, |value, problems| value.share(least..=Share::ALL, problems));
    }
    table.set("part", &mut policy.part, problems, read_part);
    table.set("only-above", &mut policy.only_above, problems, read_only_above);
    let mut reader = Reader { table: &mut table, problems };
    reader.number("most-rules", &mut policy.most_rules, 0..=100);
    reader.time("life", &mut policy.life, 60 * SECOND..=YEAR);
    reader.time("longest-life", &mut policy.longest_life, 60 * SECOND..=YEAR);
    reader.time("observe-time", &mut policy.observe_time, Duration::ZERO..=DAY);
    reader.time("part-time", &mut policy.part_time, Duration::ZERO..=DAY);
    reader.time("retry-time", &mut policy.retry_time, SECOND..=30 * DAY);
    reader.time("longest-retry-time", &mut policy.longest_retry_time, SECOND..=30 * DAY);
    let pairs = [
        ("life", policy.life, "longest-life", policy.longest_life),
        ("retry-time", policy.retry_time, "longest-retry-time", policy.longest_retry_time),
    ];
    check_order(&table, &pairs, problems);
    table.finish("here", problems);
}

/// A key with its time, and the key with the time that it may not exceed.
type Pair = (&'static str, Duration, &'static str, Duration);

/// What is at most something else. A longer `life` alone would be cut without a word.
fn check_order(table: &Table<'_>, pairs: &[Pair], problems: &mut Problems) {
    for &(key, time, longest_key, longest) in pairs {
        let Some(value) = table.peek(key).or_else(|| table.peek(longest_key)) else { continue };
        if time > longest {
            let (time, longest) = (crate::unit::print_duration(time), crate::unit::print_duration(longest));
            let message = format!("`{key}` is {time}, more than `{longest_key}`, {longest}");
            problems.push(
                value.error(Code::Conflict, message).help(format!("lower `{key}`, or raise `{longest_key}`")),
            );
        }
    }
}

fn read_part(value: Value<'_>, problems: &mut Problems) -> Option<Portion> {
    let share = value.share(Share::percent(1)..=Share::percent(99), problems)?;
    let portion = share.whole_percent().and_then(Portion::percent);
    if portion.is_none() {
        let message = format!("`{}` is in whole percent", value.key);
        problems.push(value.invalid(message).help("write for example \"25 %\""));
    }
    portion
}

fn read_only_above(value: Value<'_>, problems: &mut Problems) -> Option<OnlyAbove> {
    let mut table = value.open(&manual::ONLY_ABOVE, problems)?;
    let number = |value: Value<'_>, problems: &mut Problems| value.integer(1..=1_000_000_000, problems);
    let above = OnlyAbove {
        requests: table.read("requests", problems, number),
        origin_busy: table.read("origin-busy", problems, number),
        server_errors: table.read("server-errors", problems, |value, problems| {
            value.share(Share::millionths(1)..=Share::ALL, problems)
        }),
    };
    table.finish("here", problems);
    Some(above)
}

// === Declared good ===

/// What one `[[declared-good]]` table says; `good` is missing if it is wrong.
pub(crate) struct ReadGood {
    pub(crate) name: Option<Named>,
    pub(crate) good: Option<DeclaredGood>,
}

pub(crate) fn read_good(value: Value<'_>, problems: &mut Problems) -> Option<ReadGood> {
    let before = problems.error_count();
    let mut table = value.open(&manual::DECLARED_GOOD, problems)?;
    let name = read_name(&mut table, problems);
    let matching =
        table.require("match", problems).map(|value| read_conditions(value, problems)).unwrap_or_default();
    // The conditions are a rule's, and checked as a rule's.
    let rule = Rule {
        name: name.as_ref().map_or_else(|| String::from("unnamed"), |(name, _)| name.clone()),
        conditions: matching.conditions,
        action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
        mode: Mode::Observe,
        portion: None,
        expires: None,
        note: None,
        author: Author::Configuration,
    };
    report(seawall_rules::rule::check(&rule), &table, &matching.tests, problems);
    if problems.error_count() == before && rule.conditions.is_empty() {
        let warning =
            table.place().warning(Code::Suspicious, "everybody is declared good: no rule is ever proposed");
        problems.push(
            warning.help("say who, as in match = { client = \"192.0.2.0/24\" }, or set auto = \"off\""),
        );
    }
    table.finish("here", problems);
    let good = DeclaredGood { name: rule.name, conditions: rule.conditions };
    Some(ReadGood { name, good: (problems.error_count() == before).then_some(good) })
}
