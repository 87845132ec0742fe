//! `[[limit]]` tables: each counts the requests that its conditions hold of and that no rule decides about.

use seawall_rules::definition::describe_limit;
use seawall_rules::limit::{KeyPart, Limit, PartitionKey, Rate};
use seawall_rules::rule::Mode;

use super::{Language, Literal, Lowered, Plan, Subject, Verdict, lower, one_line};
use crate::export::{Named, Note, Options, Problem, Skip};

/// A limit that a target can say.
#[derive(Clone, Debug)]
pub(crate) struct Limited<'r> {
    pub(crate) name: &'r str,
    /// For a comment: one line.
    pub(crate) description: String,
    /// All must hold of a request that is counted.
    pub(crate) literals: Vec<Literal>,
    pub(crate) rate: Rate,
    pub(crate) by: &'r PartitionKey,
}

/// What stands around a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    /// Whether a rule passes requests, which no limit then counts.
    pub(crate) allows: bool,
    /// How many limits stand before it.
    pub(crate) before: usize,
}

/// Whether a limit can be said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Counting {
    Exact,
    /// Something near it, and how it differs.
    Near(&'static str),
    /// Not at all, and why.
    Not(&'static str),
}

impl Limited<'_> {
    /// Whether its key has a value that rules may look at too.
    pub(crate) fn counts_by(&self, wanted: &Subject) -> bool {
        self.by.0.iter().any(|part| match part {
            KeyPart::Host => *wanted == Subject::Host,
            KeyPart::Path => *wanted == Subject::Path,
            _ => false,
        })
    }

    /// A window in which as many as may come at once are as many as the rate lets pass, in milliseconds, and how many
    /// those are.
    pub(crate) fn window(&self) -> (u64, u128) {
        let requests = u64::from(self.rate.requests.max(self.rate.burst));
        let per = self.rate.per.as_millis() * u128::from(requests);
        (requests, (per / u128::from(self.rate.requests.max(1))).max(1))
    }
}

pub(super) fn plan<'r>(
    limits: &'r [Limit],
    language: &Language,
    options: &Options,
    plan: &mut Plan<'r>,
    problems: &mut Vec<Problem>,
) {
    let allows = plan.rules.iter().any(|rule| matches!(rule.verdict, Verdict::Allow));
    for limit in limits {
        let of = || Named::Limit(limit.name.clone());
        if limit.mode == Mode::Observe {
            plan.notes.push(Note::LeftOut { of: of(), why: Skip::Observes });
            continue;
        }
        let gap = match one(limit, language) {
            Ok(None) => {
                plan.notes.push(Note::LeftOut { of: of(), why: Skip::NeverMatches });
                continue;
            }
            Ok(Some(limited)) => {
                let around = Around { allows, before: plan.limits.len() };
                match (language.counts)(&limited, &around) {
                    Counting::Exact => {
                        plan.limits.push(limited);
                        continue;
                    }
                    Counting::Near(how) if options.approximate => {
                        plan.notes.push(Note::Approximated { of: of(), what: RATE.to_owned(), how });
                        plan.limits.push(limited);
                        continue;
                    }
                    Counting::Near(why) | Counting::Not(why) => (RATE.to_owned(), why),
                }
            }
            Err(gap) => gap,
        };
        let (what, why) = gap;
        match options.approximate {
            // What cannot be said of a limit would make it count what it should not.
            true => plan.notes.push(Note::LeftOut { of: of(), why: Skip::Inexpressible(what, why) }),
            false => problems.push(Problem { of: of(), what, why }),
        }
    }
}

/// Whether the fields that are counted by can be named there.
pub(super) fn sees_key(by: &PartitionKey, language: &Language) -> Result<(), &'static str> {
    by.0.iter().try_for_each(|part| match part {
        KeyPart::Field(name) => (language.sees)(&Subject::Field(name.clone())),
        _ => Ok(()),
    })
}

const RATE: &str = "its rate";

fn one<'r>(limit: &'r Limit, language: &Language) -> Result<Option<Limited<'r>>, (String, &'static str)> {
    let mut literals = Vec::new();
    for condition in &limit.conditions {
        match lower(condition, language) {
            Ok(Lowered::Always) => {}
            Ok(Lowered::Never) => return Ok(None),
            Ok(Lowered::Holds(literal)) => literals.push(literal),
            Err(gap) => return Err((gap.what, gap.why)),
        }
    }
    sees_key(&limit.by, language).map_err(|why| (RATE.to_owned(), why))?;
    let description = one_line(&describe_limit(limit));
    Ok(Some(Limited { name: &limit.name, description, literals, rate: limit.rate, by: &limit.by }))
}
