//! [`Ground`]: why a rise was judged as it was, in a sentence for people.

use std::fmt;

/// One reason for a judgement. Shares are 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Ground {
    /// The operator declared these clients good, by the declaration of this name.
    DeclaredGood(String),
    /// At this hour of earlier days, this share of it was there as well.
    SameHourBefore(f64),
    /// It comes from this many clients.
    FewClients(u64),
    /// It comes from about this many clients.
    ManyClients(u64),
    /// One client comes back every so many seconds.
    FixedPeriod(f64),
    /// It costs the site this share of what it carries, or less.
    TinyCost(f64),
    /// So many of its requests are under way at once.
    OneAtATime(f64),
    /// It asks for many things, hardly any of them twice.
    ManyThings,
    /// It asks for the same again and again.
    SameThing,
    /// This share of it is answered with what was asked for.
    AnsweredWell(f64),
    /// This share of it asks for what is not there, or may not be had.
    AnsweredBadly(f64),
    /// It says that it is this search engine, and comes from as few networks as that would.
    SearchEngine(&'static str),
    /// It says that it is this search engine, and comes from so many unrelated networks.
    SearchEngineImitated {
        /// The search engine.
        name: &'static str,
        /// Networks, as an effective number.
        networks: u64,
    },
    /// It asks for what nobody asked for before.
    NewThing,
    /// This share of it are programs that people use to fetch files.
    DownloadTools(f64),
    /// Its clients are as diverse as the site's always were, by all that is known of them.
    AsDiverseAsBefore,
    /// This share of its clients fetches pages with what these are made of, as the site's readers do.
    BrowseAsBefore(f64),
    /// One value of this fact has this share of it, and had that share of the past.
    OneKind {
        /// The fact, in words.
        fact: &'static str,
        /// In the rise.
        now: f64,
        /// In the past.
        before: f64,
    },
    /// Hardly any of its values of this fact was seen before.
    Strangers {
        /// The fact, in words.
        fact: &'static str,
        /// The share of it whose value was seen before.
        known: f64,
    },
    /// It uses this method where the past did not.
    UnusualMethod(String),
    /// It goes past the cache, which answers this share of what others ask there.
    PastTheCache(f64),
    /// It wants one thing: this share of it.
    OneThingWanted(f64),
    /// It is named by what sends it or where it comes from, not by what is asked for.
    NamedBySource,
    /// It looks like the site's own readers in all that is known: nothing tells the two apart.
    CannotSeparate,
    /// It was named before the process started.
    NamedBefore,
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: &f64| Percent(*share);
        match self {
            Self::DeclaredGood(name) => write!(f, "the configuration declares its clients good (`{name}`)"),
            Self::SameHourBefore(share) => {
                write!(f, "at this hour of earlier days {} of it was there as well", percent(share))
            }
            Self::FewClients(1) => f.write_str("it comes from one client"),
            Self::FewClients(clients) => write!(f, "it comes from {clients} clients"),
            Self::ManyClients(clients) => write!(f, "it comes from about {clients} clients"),
            Self::FixedPeriod(secs) => write!(f, "its client comes back every {secs:.0} s"),
            Self::TinyCost(share) => write!(f, "it costs {} of what the site carries", percent(share)),
            Self::OneAtATime(concurrency) if *concurrency <= 1.0 => {
                f.write_str("it waits for one answer before it asks again")
            }
            Self::OneAtATime(concurrency) => {
                write!(f, "about {concurrency:.0} of its requests are under way at once")
            }
            Self::ManyThings => f.write_str("it asks for many things, hardly any of them twice"),
            Self::SameThing => f.write_str("it asks for the same again and again"),
            Self::AnsweredWell(share) => write!(f, "{} of it gets what it asks for", percent(share)),
            Self::AnsweredBadly(share) => {
                write!(f, "{} of it asks for what is not there or may not be had", percent(share))
            }
            Self::SearchEngine(name) => {
                write!(f, "it says that it is {name}, and comes from as few networks as {name} would")
            }
            Self::SearchEngineImitated { name, networks } => {
                write!(f, "it says that it is {name}, but comes from {networks} unrelated networks")
            }
            Self::NewThing => f.write_str("it asks for what nobody asked for before"),
            Self::DownloadTools(share) => {
                write!(f, "{} of it are programs that people fetch files with", percent(share))
            }
            Self::AsDiverseAsBefore => f.write_str(
                "its clients are as diverse as the site's always were, by all that is known of them",
            ),
            Self::BrowseAsBefore(share) => write!(
                f,
                "{} of its clients fetch pages with what these are made of, as the site's readers do",
                percent(share)
            ),
            Self::OneKind { fact, now, before } => {
                write!(f, "one {fact} makes {} of it, and made {} of the past", percent(now), percent(before))
            }
            Self::Strangers { fact, known } => {
                write!(f, "only {} of it has a {fact} that was seen before", percent(known))
            }
            Self::UnusualMethod(method) => write!(f, "it uses {method} where the past did not"),
            Self::PastTheCache(share) => {
                write!(f, "it goes past the cache, which answers {} of what others ask there", percent(share))
            }
            Self::OneThingWanted(share) => write!(f, "{} of it wants one thing", percent(share)),
            Self::NamedBySource => {
                f.write_str("what it has in common is what sends it, not what is asked for")
            }
            Self::CannotSeparate => f.write_str(
                "it looks like the site's own readers in all that is known: nothing tells them apart",
            ),
            Self::NamedBefore => f.write_str("it was named before the last start"),
        }
    }
}

/// A share as people read it: two digits that count, and never 100 % of what is not all.
pub(crate) struct Percent(pub(crate) f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No share is below nothing, and nothing has no sign.
        let percent = if self.0 > 0.0 { self.0 * 100.0 } else { 0.0 };
        match percent {
            _ if percent >= 99.95 || percent <= 0.0 => write!(f, "{percent:.0} %"),
            _ if percent >= 99.0 || (1.0..10.0).contains(&percent) => write!(f, "{percent:.1} %"),
            _ if percent >= 10.0 => write!(f, "{percent:.0} %"),
            _ if percent >= 0.1 => write!(f, "{percent:.2} %"),
            _ => write!(f, "{percent:.3} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_the_digits_that_count() {
        let written =
            [0.0, 0.000_04, 0.0021, 0.034, 0.5, 0.994, 0.9999, 1.0].map(|share| Percent(share).to_string());
        assert_eq!(written, ["0 %", "0.004 %", "0.21 %", "3.4 %", "50 %", "99.4 %", "100 %", "100 %"]);
    }

    #[test]
    fn grounds_are_sentences() {
        let grounds = [
            Ground::FewClients(1),
            Ground::OneKind { fact: "user agent", now: 0.994, before: 0.0 },
            Ground::SearchEngineImitated { name: "Googlebot", networks: 312 },
        ];
        assert_eq!(
            grounds.map(|ground| ground.to_string()),
            [
                "it comes from one client",
                "one user agent makes 99.4 % of it, and made 0 % of the past",
                "it says that it is Googlebot, but comes from 312 unrelated networks",
            ]
        );
    }
}
