//! How a target that has nothing but substitutions comes by the path as rules see it: first what must stay encoded is
//! encoded once more, then everything is decoded once, then slashes are merged and dot segments go.
//!
//! Not exact: octets that are no printable UTF-8 beyond ASCII come out decoded, and of more `..` segments in a row
//! than [`CLIMBS`] those in front stay.

/// One substitution; patterns are PCRE.
pub(crate) struct Step {
    pub(crate) pattern: &'static str,
    pub(crate) replacement: &'static str,
    pub(crate) all: bool,
}

const fn all(pattern: &'static str, replacement: &'static str) -> Step {
    Step { pattern, replacement, all: true }
}

/// `%25`, controls, and a `%` without two digits: decoded once, they are as they were.
pub(crate) const ENCODE: Step =
    all("%(25|0[0-9A-Fa-f]|1[0-9A-Fa-f]|7[Ff]|(?![0-9A-Fa-f][0-9A-Fa-f]))", "%25\\1");

/// After decoding, in order.
pub(crate) const BEFORE_CLIMBING: &[Step] = &[
    all("/+", "/"),
    // A dot segment at the end leaves its slash.
    Step { pattern: r"(/\.\.?)\z", replacement: r"\1/", all: false },
    all(r"(?:/\.)+(?=/)", ""),
];

/// A segment and the `..` that takes it back. One pass takes the innermost pairs.
pub(crate) const CLIMB: Step = all(r"/(?!\.\./)[^/]+/\.\.(?=/)", "");

/// Passes.
pub(crate) const CLIMBS: usize = 10;

/// Nothing is above the root.
pub(crate) const ROOT: Step = Step { pattern: r"^(?:/\.\.)+(?=/)", replacement: "", all: false };
