//! Regular expressions as rules use them: over octets, in linear time, without groups, with bounded memory.
//!
//! The `regex` crate keeps the memory of a search in a pool that threads share; here the caller owns it, so that
//! a worker never meets another one's lock. The syntax is the `regex` crate's, with Unicode classes on and
//! `(?-u)` allowed to match any octet.

use regex_automata::MatchKind;
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;

/// Compiled size of one expression. `\w{60}` with Unicode classes comes close to it; a list of some hundred words
/// stays far below.
pub(crate) const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Memory of one expression's lazy automaton, per worker.
const CACHE_BYTES: usize = 256 << 10;

/// Memory of the lazy automaton of many expressions searched at once, per worker.
const SET_CACHE_BYTES: usize = 4 << 20;

/// Compiles one expression.
pub(crate) fn compile(pattern: &str) -> Result<Regex, PatternError> {
    let config = config().nfa_size_limit(Some(PATTERN_BYTES_MAX)).hybrid_cache_capacity(CACHE_BYTES);
    Regex::builder()
        .configure(config)
        .syntax(syntax())
        .build(pattern)
        .map_err(|error| PatternError::new(&error))
}

/// Compiles expressions, each of which [`compile`] accepts, to be searched in one pass.
pub(crate) fn compile_many(patterns: &[&str]) -> Result<Regex, PatternError> {
    // Not the leftmost match: every expression that matches.
    let config =
        config().match_kind(MatchKind::All).nfa_size_limit(None).hybrid_cache_capacity(SET_CACHE_BYTES);
    Regex::builder()
        .configure(config)
        .syntax(syntax())
        .build_many(patterns)
        .map_err(|error| PatternError::new(&error))
}

/// Why an expression was not compiled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PatternError {
    /// Compiled, it would be larger than this many bytes.
    TooLarge(usize),
    /// It is not a regular expression: what is wrong with it, and at which byte.
    Syntax { why: String, at: Option<usize> },
}

impl PatternError {
    fn new(error: &BuildError) -> Self {
        if let Some(limit) = error.size_limit() {
            return Self::TooLarge(limit);
        }
        match error.syntax_error() {
            Some(regex_syntax::Error::Parse(parse)) => {
                Self::Syntax { why: parse.kind().to_string(), at: Some(parse.span().start.offset) }
            }
            Some(regex_syntax::Error::Translate(translate)) => {
                Self::Syntax { why: translate.kind().to_string(), at: Some(translate.span().start.offset) }
            }
            _ => Self::Syntax { why: error.to_string(), at: None },
        }
    }
}

fn config() -> Config {
    // Rules ask whether an expression matches, never what its groups do. (Without any capture, not even that of
    // the whole, the library reports no match at all.) Empty matches may split characters.
    Regex::config().which_captures(WhichCaptures::Implicit).utf8_empty(false)
}

fn syntax() -> syntax::Config {
    syntax::Config::new().utf8(false)
}
