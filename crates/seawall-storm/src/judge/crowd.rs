//! What must get no rule, each with the marks that it is known by.

use super::{Case, Ground, Judgement, Kinship, agents, storm};
use crate::measure::Measure;
use crate::rise::Diversity;
use crate::storm::{CrowdKind, Nature};

/// The shortest period of probes, in seconds, but for what clocks are off.
const PERIOD_MIN: f64 = 0.95;
/// At most so many requests per second are a probe's, from all of its places together.
const PROBE_RATE_MAX: f64 = 2.0;
/// So few machines may ask each second: at most that is what such a period comes to.
const PROBE_MACHINES_MAX: u64 = 5;
/// Places that a monitoring service asks from.
const PROBE_CLIENTS_MAX: u64 = 64;
/// A client that asks faster than this does not wait for answers over a network: one round trip of 20 ms each.
const JOB_RATE_MAX: f64 = 50.0;
/// Requests of a job under way at once: programs that mirror use some connections.
const JOB_CONCURRENCY_MAX: f64 = 6.0;
/// The share of a release that known tools fetch; the rest are browsers and programs that embed a library.
const TOOLS_MIN: f64 = 0.3;
/// What hardly anybody wanted before has at most this share of its rate in the past.
const NEW_PAST_MAX: f64 = 0.2;
/// Of software of several makers, none is more than this share.
const ONE_KIND_MAX: f64 = 0.65;
/// A search engine's crawl of one site comes from a few of its data centres.
const CRAWL_REGIONS_MAX: f64 = 24.0;
/// How much more than at the same hour of earlier days is still the rhythm.
const RHYTHM_GROWTH_MAX: f64 = 1.5;
/// What is chance is not worth a notice.
pub(crate) const CHANCE_CONFIDENCE: f64 = 0.5;
/// Clients below which there is no crowd.
const CROWD_CLIENTS_MIN: f64 = 16.0;
/// How alike a crowd is to the past by facts of few values: that of a crowd which has twice the share of phones is
/// 0.9; a single browser's product that half of the readers have, 0.7.
const AFFINITY_MIN: f64 = 0.75;
/// How often a crowd's agents are ones that were seen before. Agents have long tails, and a small past knows few.
const AGENTS_KNOWN_MIN: f64 = 0.4;
/// How much less diverse a crowd may be than the past.
const DIVERSITY_LOSS_MAX: f64 = 4.0;

/// The operator said so.
pub(super) fn declared(case: &Case<'_>) -> Option<Judgement> {
    let name = case.declared?;
    Some(crowd(CrowdKind::Declared, 1.0, vec![Ground::DeclaredGood(name.to_owned())]))
}

/// A few clients that come back at a fixed interval and cost next to nothing.
pub(super) fn probe(case: &Case<'_>) -> Option<Judgement> {
    let profile = &case.rise.profile;
    let are_few = profile.clients.distinct <= PROBE_MACHINES_MAX;
    let is_small = (are_few || case.rise.rate[Measure::Requests] <= PROBE_RATE_MAX)
        && profile.clients.distinct <= PROBE_CLIENTS_MAX
        && profile.paths.distinct <= 3;
    if !is_small || case.reads() < 0.99 {
        return None;
    }
    let period = period(case)?;
    let share = case.rise.rate[Measure::Requests] / case.rise.site[Measure::Requests].max(f64::MIN_POSITIVE);
    let grounds = vec![
        Ground::FewClients(profile.clients.distinct),
        Ground::FixedPeriod(period),
        Ground::TinyCost(share),
    ];
    Some(crowd(CrowdKind::Probe, 0.9, grounds))
}

/// A search engine by its own word, from as few networks as it has, that goes through the site. Whoever imitates one
/// from rented networks over the world is told by these, and whoever does from one network by asking for the same.
pub(super) fn crawl(case: &Case<'_>) -> Option<Judgement> {
    let (name, share) = search_engine(case)?;
    let profile = &case.rise.profile;
    let networks = profile.regions.effective;
    if share < 0.9
        || networks > CRAWL_REGIONS_MAX
        || case.reads() < 0.98
        || !wants_many_things(&profile.paths)
    {
        return None;
    }
    // A crawler that finds nothing half of the time follows links that nobody wrote.
    if case.answered_well() < 0.5 {
        return None;
    }
    Some(crowd(CrowdKind::Crawl, 0.9, vec![Ground::SearchEngine(name), Ground::ManyThings]))
}

/// The search engine that most of it says it is.
pub(super) fn search_engine(case: &Case<'_>) -> Option<(&'static str, f64)> {
    let (specimen, _) = case.exchanges.first()?;
    let name = agents::search_engine(&specimen.text(crate::fact::FactKind::UserAgent)?)?;
    Some((name, case.share_of_agents(|agent| agents::search_engine(agent) == Some(name))))
}

/// Programs that people fetch files with, of several kinds or versions, each of which wants what was not there before, once.
pub(super) fn release(case: &Case<'_>) -> Option<Judgement> {
    let profile = &case.rise.profile;
    let share = case.share_of_agents(agents::is_downloader);
    let is_new = is_new(case);
    let are_many = profile.clients.effective >= CROWD_CLIENTS_MIN && are_of_many_kinds(case);
    let is_read = case.reads() >= 0.98 && case.answered_well() >= 0.9;
    // Paths with a crowd's own: one thing is wanted, not everything there is.
    if share < TOOLS_MIN || !is_new || !are_many || !is_read || wants_many_things(&profile.paths) {
        return None;
    }
    // Nobody fetches a release a hundred times.
    if profile.sample as f64 > 20.0 * profile.clients.distinct as f64 {
        return None;
    }
    let grounds = vec![
        Ground::NewThing,
        Ground::DownloadTools(share),
        Ground::ManyClients(profile.clients.distinct),
        Ground::AnsweredWell(case.answered_well()),
    ];
    Some(crowd(CrowdKind::Release, 0.85, grounds))
}

/// Whether hardly anybody wanted it before.
pub(super) fn is_new(case: &Case<'_>) -> bool {
    let requests = case.rise.rate[Measure::Requests];
    case.rise.precedent.sample == 0 || case.rise.expected[Measure::Requests] < NEW_PAST_MAX * requests
}

/// Whether it is sent by software of several makers, no one of which is most of it. A storm's program is one, whatever it
/// calls itself: then its fields are those of one.
pub(super) fn are_of_many_kinds(case: &Case<'_>) -> bool {
    let (kin, profile) = (case.kin, &case.rise.profile);
    // Where all that ever came had the same (no TLS), it tells nothing.
    let is_one = |kin: &Option<Kinship>| {
        kin.as_ref().is_some_and(|kin| kin.top > ONE_KIND_MAX && kin.top_before < 0.5 * kin.top)
    };
    profile.agents.effective >= 3.0
        && kin.products.as_ref().is_none_or(|kin| kin.values_now >= 3)
        && ![&kin.products, &kin.header_shapes, &kin.tls_fingerprints].into_iter().any(is_one)
}

/// One client, or two, that waits for its answers, gets them, and goes on to the next thing.
pub(super) fn job(case: &Case<'_>) -> Option<Judgement> {
    let profile = &case.rise.profile;
    let requests = case.rise.rate[Measure::Requests];
    if profile.clients.effective > 2.5 || profile.clients.top < 0.45 || case.answered_well() < 0.9 {
        return None;
    }
    let concurrency = case.concurrency();
    if requests > JOB_RATE_MAX || concurrency.is_some_and(|at_once| at_once > JOB_CONCURRENCY_MAX) {
        return None;
    }
    // One that asks for the same again and again is no job, but large files and pages of a list are.
    let each = case.rise.rate[Measure::BytesSent] / requests.max(f64::MIN_POSITIVE);
    let goes_on = wants_many_things(&profile.paths) || profile.queries > 0.5 || each >= 1e6;
    if !goes_on || !uses_known_methods(case) {
        return None;
    }
    let mut grounds = vec![Ground::FewClients(profile.clients.distinct.clamp(1, 2))];
    grounds.extend(concurrency.map(Ground::OneAtATime));
    if wants_many_things(&profile.paths) {
        grounds.push(Ground::ManyThings);
    }
    grounds.push(Ground::AnsweredWell(case.answered_well()));
    Some(crowd(CrowdKind::Job, 0.85, grounds))
}

/// What this hour of earlier days had as well; or all of the site's traffic together, alike in everything, also in what
/// is wanted.
pub(super) fn rhythm(case: &Case<'_>) -> Option<Judgement> {
    let rise = case.rise;
    if let Some(same_hour) = rise.same_hour
        && same_hour[rise.measure] * RHYTHM_GROWTH_MAX >= rise.rate[rise.measure]
    {
        let share = (same_hour[rise.measure] / rise.rate[rise.measure].max(f64::MIN_POSITIVE)).min(1.0);
        return Some(crowd(CrowdKind::Rhythm, 0.9, vec![Ground::SameHourBefore(share)]));
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let now = share(rise.rate[Measure::Requests], rise.site[Measure::Requests]);
    let before = share(rise.precedent.requests, rise.past.requests);
    let is_old = rise.precedent.sample >= 100 && before > 0.0 && now <= 1.5 * before;
    if !is_old || !are_alike(case) || rise.profile.paths.effective * 2.0 < rise.past.paths.effective {
        return None;
    }
    Some(crowd(
        CrowdKind::Rhythm,
        0.8,
        vec![Ground::SameHourBefore(share(before, now).min(1.0)), Ground::AsDiverseAsBefore],
    ))
}

/// Many clients as diverse as before, who want the same.
pub(super) fn flash_crowd(case: &Case<'_>) -> Option<Judgement> {
    let profile = &case.rise.profile;
    if profile.clients.effective < CROWD_CLIENTS_MIN || !are_alike(case) || !uses_known_methods(case) {
        return None;
    }
    // What fails is not what a crowd came for; it may have brought the site down, though.
    let is_answered = case.answered_well() >= 0.7 || profile.server_errors >= 0.2;
    let wanted = profile.paths.top.max(profile.referers.top * profile.referred);
    let is_focused = wanted >= 0.2 || profile.paths.effective <= 30.0;
    // The cache serves a crowd: where it serves the past and not this, something is done to go past it.
    if !is_answered || !is_focused || case.past_the_cache().is_some() {
        return None;
    }
    let grounds = vec![
        Ground::ManyClients(profile.clients.distinct),
        Ground::AsDiverseAsBefore,
        Ground::OneThingWanted(wanted),
        Ground::AnsweredWell(case.answered_well()),
    ];
    Some(crowd(CrowdKind::FlashCrowd, 0.85, grounds))
}

/// Some readers who are more than usual by chance: software that all was there before, and pages fetched with what
/// they are made of. With nothing to tell them apart, whatever set of networks or agents just holds them is no storm.
pub(super) fn chance(case: &Case<'_>) -> Option<Judgement> {
    let (kin, now, before) = (case.kin, &case.rise.profile, &case.rise.past);
    let is_known = |kin: &Option<Kinship>| kin.as_ref().is_none_or(|kin| kin.known >= 0.9);
    let are_known = kin.agents.is_some()
        && [&kin.agents, &kin.header_shapes, &kin.tls_fingerprints].into_iter().all(is_known);
    let browse = before.sessions >= 0.1 && now.returning >= 3 && now.sessions >= 0.5 * before.sessions;
    if !are_known
        || !browse
        || now.clients.top > 0.5
        || !uses_known_methods(case)
        || storm::is_told_apart(case)
    {
        return None;
    }
    let grounds = vec![Ground::BrowseAsBefore(now.sessions), Ground::ManyClients(now.clients.distinct)];
    Some(crowd(CrowdKind::Rhythm, CHANCE_CONFIDENCE, grounds))
}

/// Whether the clients are like those before, by every fact of software and source that is shown. Not if none is.
pub(super) fn are_alike(case: &Case<'_>) -> bool {
    let (kin, now, before) = (case.kin, &case.rise.profile, &case.rise.past);
    // An agent alone is anybody's to copy, but where nothing else is shown, it and the networks are all there is.
    let is_shown = kin.agents.is_some() || kin.header_shapes.is_some() || kin.tls_fingerprints.is_some();
    is_shown
        && kin.agents.as_ref().is_none_or(|kin| {
            kin.known >= AGENTS_KNOWN_MIN && is_as_diverse(&now.agents, &before.agents, kin)
        })
        && kin.products.as_ref().is_none_or(has_affinity)
        && kin.header_shapes.as_ref().is_none_or(has_affinity)
        && kin.tls_fingerprints.as_ref().is_none_or(has_affinity)
        // A crowd may come from other countries than the readers, but from all over them.
        && kin.regions.as_ref().is_none_or(|_| {
            now.regions.effective >= (before.regions.effective / DIVERSITY_LOSS_MAX).min(8.0)
        })
}

fn has_affinity(kin: &Kinship) -> bool {
    kin.affinity >= AFFINITY_MIN
}

fn is_as_diverse(now: &Diversity, before: &Diversity, kin: &Kinship) -> bool {
    now.effective * DIVERSITY_LOSS_MAX >= before.effective && kin.top <= (4.0 * kin.top_before).max(0.3)
}

/// Whether its methods are those that the site was used with.
fn uses_known_methods(case: &Case<'_>) -> bool {
    case.reads() >= 0.95
        || case.kin.methods.as_ref().is_some_and(|kin| kin.known >= 0.95 && kin.affinity >= 0.5)
}

/// Whether hardly anything is wanted twice.
pub(super) fn wants_many_things(paths: &Diversity) -> bool {
    paths.effective >= 10.0 && paths.top <= 0.3
}

/// The interval in seconds at which each client comes back, if they all do: the gaps of single clients spread by no
/// more than a quarter of their mean. `None` where too few of them show.
fn period(case: &Case<'_>) -> Option<f64> {
    let mut visits: Vec<(u64, u64)> =
        case.exchanges.iter().map(|(specimen, _)| (specimen.client, specimen.at.0)).collect();
    visits.sort_unstable();
    let gaps: Vec<f64> = visits
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .map(|pair| (pair[1].1 - pair[0].1) as f64 / 1000.0)
        .collect();
    if gaps.len() < 4 {
        return None;
    }
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    (mean >= PERIOD_MIN && variance.sqrt() <= mean / 4.0).then_some(mean)
}

fn crowd(kind: CrowdKind, confidence: f64, grounds: Vec<Ground>) -> Judgement {
    Judgement { nature: Nature::Crowd(kind), confidence, grounds }
}
