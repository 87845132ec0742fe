//! Which facts explain what, and which of them a site can act on best.

use crate::fact::FactKind;

/// What sends requests, and from where: software and networks. A crowd of people is as diverse in these as people are.
pub(crate) const SENDER: [FactKind; 9] = [
    FactKind::Method,
    FactKind::UserAgent,
    FactKind::AgentProduct,
    FactKind::HeaderShape,
    FactKind::TlsFingerprint,
    FactKind::Network24,
    FactKind::Network22,
    FactKind::Network20,
    FactKind::Network16,
];

/// All that a rule can look at. Not what is known only after the answer (status, the cache's part), nor what rules do
/// not see (country, autonomous system).
pub(crate) const SEARCHED: [FactKind; 19] = [
    FactKind::Host,
    FactKind::Method,
    FactKind::Path,
    FactKind::PathPrefix1,
    FactKind::PathPrefix2,
    FactKind::PathPrefix3,
    FactKind::PathExtension,
    FactKind::QueryShape,
    FactKind::UserAgent,
    FactKind::AgentProduct,
    FactKind::RefererHost,
    FactKind::Network24,
    FactKind::Network22,
    FactKind::Network20,
    FactKind::Network16,
    FactKind::Protocol,
    FactKind::TlsFingerprint,
    FactKind::HeaderShape,
    FactKind::ContentClass,
];

/// What a set is described by: the same, and where it comes from.
pub(super) const DESCRIBED: [FactKind; 21] = {
    let mut kinds = [FactKind::Country; 21];
    let mut index = 0;
    while index < SEARCHED.len() {
        kinds[index] = SEARCHED[index];
        index += 1;
    }
    kinds[20] = FactKind::Asn;
    kinds
};

/// Kinds of so many values that the middle one tells how all grew: what sends.
pub(super) const GROWTH_OF_SENDERS: [FactKind; 6] = [
    FactKind::UserAgent,
    FactKind::AgentProduct,
    FactKind::HeaderShape,
    FactKind::TlsFingerprint,
    FactKind::Network16,
    FactKind::Country,
];

/// And what is wanted.
pub(super) const GROWTH_OF_WANTED: [FactKind; 5] =
    [FactKind::Path, FactKind::PathPrefix1, FactKind::PathExtension, FactKind::RefererHost, FactKind::Host];

/// How well a site can act on a fact: less is better. What people can name and every other machine understands comes
/// before what only this one sees.
pub(super) const fn effort(kind: FactKind) -> u32 {
    match kind {
        FactKind::Method | FactKind::Path | FactKind::UserAgent => 1,
        FactKind::AgentProduct
        | FactKind::PathPrefix1
        | FactKind::PathPrefix2
        | FactKind::PathPrefix3
        | FactKind::QueryShape => 2,
        FactKind::RefererHost | FactKind::PathExtension | FactKind::Host => 3,
        FactKind::Network24 | FactKind::Network22 | FactKind::Network20 | FactKind::Network16 => 4,
        FactKind::ContentClass | FactKind::Protocol => 5,
        FactKind::HeaderShape => 6,
        FactKind::TlsFingerprint => 7,
        FactKind::Status | FactKind::Cache | FactKind::Country | FactKind::Asn => 9,
    }
}

/// Of a well-known field's absence or presence.
pub(super) const FIELD_EFFORT: u32 = 4;

/// Whether the value of `narrow` decides that of `wide`.
pub(super) const fn decides(narrow: FactKind, wide: FactKind) -> bool {
    use FactKind::{
        AgentProduct, Network16, Network20, Network22, Network24, Path, PathExtension, PathPrefix1,
        PathPrefix2, PathPrefix3, UserAgent,
    };
    matches!(
        (narrow, wide),
        (Path, PathPrefix1 | PathPrefix2 | PathPrefix3 | PathExtension)
            | (PathPrefix3, PathPrefix1 | PathPrefix2)
            | (PathPrefix2, PathPrefix1)
            | (UserAgent, AgentProduct)
            | (Network24, Network22 | Network20 | Network16)
            | (Network22, Network20 | Network16)
            | (Network20, Network16)
    )
}
