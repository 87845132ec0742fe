//! [`Evidence`]: what up to some hundred exchanges of one storm looked like, opened on purpose, and gone after a time.
//!
//! It answers what a signature cannot: which fields the requests send in which order, how long their content is and of
//! what type, and, only if somebody asked for it, how the content begins. No address is in it, and no value of a field
//! but those that signatures know anyway. Which exchanges are kept is left to chance (Vitter's algorithm R, 1985), so that those of the
//! first second do not stand for the whole.

use std::time::Duration;

use seawall_http::UnixTime;

use crate::storm::StormId;

/// What is to be collected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Exchanges that are kept, at most [`EXHIBITS_MAX`].
    pub exchanges: u16,
    /// Whether the first [`CONTENT_BYTES`] bytes of their content are kept. They may hold anything that clients send.
    pub with_content: bool,
    /// How long after it was opened it is deleted.
    pub kept: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { exchanges: EXHIBITS_MAX, with_content: false, kept: Duration::from_hours(72) }
    }
}

/// Exchanges of one storm.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Of this one.
    pub storm: StormId,
    /// What is collected.
    pub terms: Terms,
    /// When it was opened.
    pub opened: UnixTime,
    /// Exchanges that were offered.
    pub offered: u64,
    exhibits: Vec<Exhibit>,
    chance: SplitMix,
}

/// What one exchange looked like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exhibit {
    /// When it began, to the second.
    pub at: UnixTime,
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The normalised path.
    pub path: String,
    /// Names of the query's parameters.
    pub query_shape: Option<String>,
    /// The protocol.
    pub protocol: &'static str,
    /// Names of the fields as sent, in order.
    pub fields: Vec<String>,
    /// The `User-Agent` field.
    pub user_agent: Option<String>,
    /// The `Content-Type` field.
    pub content_type: Option<String>,
    /// Announced content in bytes.
    pub content_length: Option<u64>,
    /// How the content begins, if that was asked for and the request was let in.
    pub content: Option<Vec<u8>>,
    /// JA4 of the connection.
    pub tls_fingerprint: Option<String>,
    /// Whether a rule or limit refused it.
    pub is_refused: bool,
}

impl Evidence {
    /// Opens it. `seed` decides by chance which exchanges are kept.
    pub fn open(storm: StormId, mut terms: Terms, seed: u64, now: UnixTime) -> Self {
        terms.exchanges = terms.exchanges.min(EXHIBITS_MAX);
        Self { storm, terms, opened: now, offered: 0, exhibits: Vec::new(), chance: SplitMix(seed) }
    }

    /// Takes one in, perhaps instead of another. What is longer than its bound is cut.
    pub fn offer(&mut self, mut exhibit: Exhibit) {
        self.offered += 1;
        if !self.terms.with_content {
            exhibit.content = None;
        }
        exhibit.cut();
        let room = usize::from(self.terms.exchanges);
        if self.exhibits.len() < room {
            self.exhibits.push(exhibit);
            return;
        }
        let place = self.chance.below(self.offered);
        if let Some(old) = usize::try_from(place).ok().and_then(|place| self.exhibits.get_mut(place)) {
            *old = exhibit;
        }
    }

    /// What was kept, in order of time.
    pub fn exhibits(&self) -> Vec<&Exhibit> {
        let mut exhibits: Vec<&Exhibit> = self.exhibits.iter().collect();
        exhibits.sort_by_key(|exhibit| exhibit.at);
        exhibits
    }

    /// When it is to be deleted.
    pub fn expires(&self) -> UnixTime {
        self.opened.saturating_add(self.terms.kept)
    }
}

impl Exhibit {
    /// Holds it within [`TEXT_BYTES`] a text, [`FIELDS_MAX`] names and [`CONTENT_BYTES`] of content.
    fn cut(&mut self) {
        // A second is as exact as a storm needs, and too coarse to find a request in somebody else's log.
        self.at = UnixTime::from_secs(self.at.as_secs());
        self.fields.truncate(FIELDS_MAX);
        self.fields.iter_mut().for_each(|name| cut(name, NAME_BYTES));
        [&mut self.method, &mut self.host, &mut self.path].into_iter().for_each(|text| cut(text, TEXT_BYTES));
        [&mut self.query_shape, &mut self.user_agent, &mut self.content_type, &mut self.tls_fingerprint]
            .into_iter()
            .flatten()
            .for_each(|text| cut(text, TEXT_BYTES));
        if let Some(content) = &mut self.content {
            content.truncate(CONTENT_BYTES);
        }
    }
}

fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}

/// Exchanges of one evidence.
pub const EXHIBITS_MAX: u16 = 200;

/// Content of one exchange.
pub const CONTENT_BYTES: usize = 256;

/// A path or an agent.
const TEXT_BYTES: usize = 512;

/// Names of fields.
const FIELDS_MAX: usize = 64;

/// A name of a field.
const NAME_BYTES: usize = 64;

/// `SplitMix64` (Steele, Lea and Flood, 2014): enough for a fair choice, and the same for the same seed.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Lemire 2019, without the rejection: the bias is below bound / 2^64.
        ((u128::from(z ^ (z >> 31)) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exhibit(secs: u64) -> Exhibit {
        Exhibit {
            at: UnixTime(secs * 1000 + 789),
            method: String::from("POST"),
            host: String::from("site.example"),
            path: String::from("/ca/cacert.pem"),
            query_shape: None,
            protocol: "HTTP/1.1",
            fields: vec![String::from("Host"), String::from("User-Agent")],
            user_agent: Some("ä".repeat(600)),
            content_type: None,
            content_length: Some(12),
            content: Some(vec![0; 1000]),
            tls_fingerprint: None,
            is_refused: true,
        }
    }

    fn filled(terms: Terms, seed: u64) -> Evidence {
        let mut evidence = Evidence::open(StormId(7), terms, seed, UnixTime(0));
        (0..10_000).for_each(|secs| evidence.offer(exhibit(secs)));
        evidence
    }

    #[test]
    fn every_exchange_has_the_same_chance() {
        let early = (0..50)
            .map(|seed| {
                let evidence = filled(Terms::default(), seed);
                let exhibits = evidence.exhibits();
                assert_eq!((exhibits.len(), evidence.offered), (200, 10_000));
                exhibits.iter().filter(|exhibit| exhibit.at.as_secs() < 5_000).count()
            })
            .sum::<usize>();
        // 10,000 kept in 50 runs: half of them early, with a deviation of 50.
        assert!((4_750..=5_250).contains(&early), "{early}");
    }

    #[test]
    fn content_is_kept_only_if_asked_for() {
        assert!(filled(Terms::default(), 1).exhibits().iter().all(|exhibit| exhibit.content.is_none()));
        let asked = filled(Terms { with_content: true, ..Terms::default() }, 1);
        assert!(asked.exhibits().iter().all(|exhibit| exhibit.content.as_ref().map(Vec::len) == Some(256)));
    }

    #[test]
    fn texts_are_cut_and_times_are_coarse() {
        let evidence = filled(Terms::default(), 1);
        let first = evidence.exhibits()[0];
        assert_eq!(first.user_agent.as_ref().map(String::len), Some(512));
        assert_eq!(first.at.0 % 1000, 0);
    }

    #[test]
    fn no_terms_exceed_the_bounds() {
        let evidence = filled(Terms { exchanges: 5_000, ..Terms::default() }, 1);
        assert_eq!(evidence.exhibits().len(), 200);
        assert_eq!(evidence.expires(), UnixTime::from_secs(72 * 3600));
    }
}
