//! The rows about where clients are.

use super::{Section, words};

pub(crate) static GEO: Section = Section {
    path: "[geo]",
    doc: "Where clients' networks are and who announces them, as facts of storms. Looked up beside the traffic, in memory; no address leaves the machine for it.",
    keys: &[
        words(
            "databases",
            "path, or array of up to 8",
            "none",
            "[\"GeoLite2-Country.mmdb\", \"GeoLite2-ASN.mmdb\"]",
            "Databases in MaxMind's format (MMDB), with countries, autonomous systems, or both: GeoLite2, DB-IP Lite, IPinfo Lite. The first that knows a client's network counts. Read again with the configuration.",
        )
        .foreign(&["database", "geoip", "mmdb", "geoip_country", "geoip2"]),
    ],
    later: &[],
};
