//! [`Seawall`]: the real recorder, derivation, watch and rules as a [`Detector`].

pub mod explain;

use std::sync::Arc;

use seawall_http::{Now, UnixTime};
use seawall_rules::limit::LimitTable;
use seawall_rules::rule::{Action, Mode, Rule};
use seawall_rules::set::{Numbered, RuleSet, Scratch, Verdict};
use seawall_rules::tally::Tally;
use seawall_storm::derive::nowhere;
use seawall_storm::{
    Derive, FactKeys, Load, ProposalId, TokenKeys, Watch, WatchSettings, Window, WindowBuilder,
};
use serde::{Deserialize, Serialize};

use self::explain::Explain;
use crate::detector::{Counted, Detector};
use crate::exchange::{Belongs, Exchange, View};
use crate::rng::mix;

/// A rule that was proposed, and what it matched while it stood.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Proposed {
    /// When, in milliseconds of simulated time.
    pub made: u64,
    /// The proposal's number: a rule that was changed has the same one.
    pub id: u32,
    /// The signature.
    pub signature: String,
    /// The action, in a word.
    pub action: String,
    /// By storm, while it stood.
    pub storms: Vec<Counted>,
    /// Of everything that is no storm and no junk.
    pub rest: Counted,
    /// Of junk.
    pub junk: Counted,
    /// Its own estimate of the collateral: by requests, the bound.
    pub collateral_upper: f64,
}

impl Proposed {
    /// Whether what it matches is mostly no storm; the noise of strangers who look for holes is nobody's loss.
    pub fn is_false(&self) -> bool {
        let storm: u64 = self.storms.iter().map(|storm| storm.refused).sum();
        let theirs = storm + self.junk.refused;
        self.rest.refused > theirs || theirs == 0
    }
}

/// A proposal that stands, compiled.
struct Standing {
    rule: Rule,
    set: RuleSet,
    tally: Tally,
    /// Its place among all that were proposed.
    proposed: usize,
}

/// The real thing.
pub struct Seawall {
    view: View,
    cores: Vec<WindowBuilder>,
    watch: Watch,
    standing: Vec<Standing>,
    proposed: Vec<Proposed>,
    storms: usize,
    scratch: Scratch,
    table: LimitTable,
    load: Load,
    token_seed: u64,
    explain: Option<Explain>,
}

impl Seawall {
    /// At the beginning of a play, on so many cores.
    pub fn new(view: View, storms: usize, cores: u64, seed: u64, from: UnixTime) -> Self {
        let key = |n: u64| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&mix(seed ^ n).to_be_bytes());
            key[8..].copy_from_slice(&mix(seed ^ n ^ 0xFF00).to_be_bytes());
            key
        };
        let derive = Derive { keys: FactKeys::new(key(1)), tokens: TokenKeys::new(key(2), from) };
        let builder = |core| WindowBuilder::new(derive.clone(), mix(seed ^ core), from);
        Self {
            view,
            cores: (0..cores).map(builder).collect(),
            watch: Watch::new(WatchSettings::default(), key(1)),
            standing: Vec::new(),
            proposed: Vec::new(),
            storms,
            scratch: Scratch::default(),
            table: LimitTable::new(64, [0; 16]),
            load: Load::default(),
            token_seed: mix(seed ^ 77),
            explain: None,
        }
    }

    /// Prints what the detector sees in each second of a span.
    pub fn explain(&mut self, from: UnixTime, until: UnixTime) {
        self.explain = Some(Explain::new(from, until));
    }

    /// The watch.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Takes an exchange on one of the cores.
    pub fn observe(&mut self, exchange: &Exchange, core: usize) {
        let cores = self.cores.len();
        self.cores[core % cores].observe(&exchange.event(self.view));
    }

    /// Closes a second.
    pub fn tick(&mut self, exchanges: &[Exchange], until: UnixTime) {
        let mut window = Window::default();
        for (at, core) in self.cores.iter_mut().enumerate() {
            if core.derive().tokens.is_due(until) {
                self.token_seed = mix(self.token_seed);
                let mut key = [0; 16];
                key[..8].copy_from_slice(&mix(self.token_seed ^ 1).to_be_bytes());
                core.derive().tokens.rotate(key, until);
            }
            let part = core.take(nowhere, until);
            if at == 0 { window = part } else { window.merge(part) }
        }
        self.load = self.load_of(exchanges);
        if let Some(explain) = &mut self.explain {
            explain.before(&window, &self.watch, until);
        }
        let notices = self.watch.tick(window, self.load, until);
        if let Some(explain) = &self.explain {
            explain.after(&notices, &self.watch, until);
        }
        self.follow(until);
    }

    /// Over some five seconds.
    fn load_of(&self, exchanges: &[Exchange]) -> Load {
        let count = exchanges.len() as f64;
        let busy: u64 = exchanges.iter().map(|exchange| exchange.reply.origin_us).sum();
        let errors = exchanges.iter().filter(|exchange| exchange.reply.status >= 500).count();
        let mixed = |old: f64, new: f64| old.mul_add(0.8, new * 0.2);
        Load {
            requests: mixed(self.load.requests, count),
            origin_busy: mixed(self.load.origin_busy, busy as f64 / 1e6),
            server_errors: mixed(self.load.server_errors, errors as f64 / count.max(1.0)),
        }
    }

    /// Compiles what is newly proposed or changed, and drops what no longer stands.
    fn follow(&mut self, now: UnixTime) {
        let watch = &self.watch;
        let stands = |standing: &Standing| watch.proposals().any(|proposal| proposal.rule == standing.rule);
        self.standing.retain(stands);
        for proposal in self.watch.proposals() {
            if self.standing.iter().any(|standing| standing.rule == proposal.rule) {
                continue;
            }
            let Some(set) = compile(&proposal.rule) else { continue };
            let ProposalId(id) = proposal.id;
            let storm = self.watch.storm(proposal.storm);
            self.standing.push(Standing {
                rule: proposal.rule.clone(),
                tally: Tally::new(&set),
                set,
                proposed: self.proposed.len(),
            });
            self.proposed.push(Proposed {
                made: now.0,
                id,
                signature: storm.map_or_else(String::new, |view| view.storm.signature.to_string()),
                action: word(&proposal.rule.action).to_owned(),
                storms: vec![Counted::default(); self.storms],
                collateral_upper: proposal.collateral.requests.upper,
                ..Proposed::default()
            });
        }
    }

    /// Judges an exchange by every rule that stands.
    fn judge(&mut self, exchange: &Exchange) -> bool {
        if self.standing.is_empty() {
            return false;
        }
        let mut lines = Vec::with_capacity(exchange.headers.lines.len());
        let facts = exchange.request(&mut lines);
        let now = Now { wall: exchange.at, mono: exchange.at.0 * 1_000_000 };
        let mut is_refused = false;
        for standing in &mut self.standing {
            let decision = standing.set.decide(&facts, &mut self.scratch, &self.table, &standing.tally, now);
            let matches = !matches!(decision.verdict, Verdict::Pass);
            is_refused |= matches;
            let proposed = &mut self.proposed[standing.proposed];
            let count = match exchange.belongs {
                Belongs::Rest | Belongs::Crowd => Some(&mut proposed.rest),
                Belongs::Junk => Some(&mut proposed.junk),
                Belongs::Storm(number) => proposed.storms.get_mut(usize::from(number)),
            };
            if let Some(count) = count {
                count.plus(Counted { total: 1, refused: u64::from(matches) });
            }
        }
        is_refused
    }
}

impl Detector for Seawall {
    fn name(&self) -> &'static str {
        "seawall"
    }

    fn second(&mut self, exchanges: &[Exchange], until: UnixTime, refused: &mut [bool]) {
        for (at, (exchange, is_refused)) in exchanges.iter().zip(refused).enumerate() {
            *is_refused = self.judge(exchange);
            self.observe(exchange, at);
        }
        self.tick(exchanges, until);
    }

    fn proposes(&self) -> bool {
        true
    }

    fn proposed(&self) -> Vec<Proposed> {
        self.proposed.clone()
    }
}

/// What the rule matches is what counts, whatever it would do: so it denies here.
fn compile(rule: &Rule) -> Option<RuleSet> {
    let mut rule = rule.clone();
    rule.action = Action::Deny { status: http::StatusCode::FORBIDDEN, text: None };
    rule.mode = Mode::Enforce;
    rule.expires = None;
    RuleSet::compile(vec![Numbered { revision: 1, definition: Arc::new(rule) }], Vec::new()).ok()
}

const fn word(action: &Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Deny { .. } => "deny",
        Action::Limit { .. } => "limit",
        Action::RefuseMethod { .. } => "refuse-method",
        Action::Absorb => "absorb",
        Action::Drop => "drop",
        Action::Tarpit { .. } => "tarpit",
    }
}
