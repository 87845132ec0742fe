//! Rules in the languages of other servers and CDNs: pure functions from rules to text, and back for what is simple.
//!
//! [`export()`] is exact, or an error: what a target cannot say is named with its rule, unless the caller allows
//! something near ([`Options::approximate`]), which is then noted. `docs/reference/export.md` has what each target
//! can say and the limits that are known; tests start the real programs and compare their answers with the rules'.
//!
//! How a text of a rule stays a text: comparisons that a target writes with quotes are used for texts of harmless
//! characters alone (`pattern::plain`); every other text becomes a regular expression whose printed form has no
//! character that means anything to a target (`regex`).

mod export;
mod import;
#[cfg(test)]
mod laws;
mod normal;
mod pattern;
mod plan;
mod regex;
mod target;

pub use export::{Export, Named, Note, Options, Part, Problem, Skip, export};
#[doc(hidden)]
pub use import::check_foreign_text;
pub use import::{Import, LeftOut, Source, import};
pub use target::Target;
