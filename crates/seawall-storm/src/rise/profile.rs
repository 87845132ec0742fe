//! [`Profile`]: what a set of exchanges looks like, so that a rise can be held against the past.

/// How many different values there are among the exchanges of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diversity {
    /// Distinct values in the sample.
    pub distinct: u64,
    /// The number of equally frequent values that would be as diverse (the inverse of Simpson's index, unbiased for the
    /// size of the sample), so a small and a large sample can be compared. At most the square of the sample's size.
    pub effective: f64,
    /// Share of the most frequent one, 0 to 1.
    pub top: f64,
}

/// What a set of exchanges looks like. Shares are of requests, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    /// How many specimens that rests on.
    pub sample: u64,
    /// Requests per second.
    pub requests: f64,
    /// Who sent them.
    pub clients: Diversity,
    /// /24 and /56 networks.
    pub networks: Diversity,
    /// /16 and /32 networks.
    pub regions: Diversity,
    /// `User-Agent` fields.
    pub agents: Diversity,
    /// Header shapes.
    pub header_shapes: Diversity,
    /// TLS fingerprints.
    pub tls_fingerprints: Diversity,
    /// Paths.
    pub paths: Diversity,
    /// Hosts of `Referer` fields.
    pub referers: Diversity,
    /// `GET`.
    pub get: f64,
    /// `HEAD`.
    pub head: f64,
    /// Answered from what the cache holds, or together with another fetch.
    pub cached: f64,
    /// With a query.
    pub queries: f64,
    /// With a `Referer`.
    pub referred: f64,
    /// Of style sheets, scripts, images and fonts, by the path's extension.
    pub assets: f64,
    /// Of clients of whom two exchanges or more are in the sample: those with a page and an asset; 0 if there is no
    /// such client.
    pub sessions: f64,
    /// How many clients `sessions` rests on.
    pub returning: u64,
    /// Answered 2xx.
    pub ok: f64,
    /// Answered 304.
    pub not_modified: f64,
    /// Answered 3xx other than 304.
    pub redirected: f64,
    /// Answered 4xx by the site, not by a rule.
    pub client_errors: f64,
    /// Answered 5xx by the site.
    pub server_errors: f64,
    /// Refused by a rule or limit.
    pub refused: f64,
    /// Mean time in which the origin was busy with one, in microseconds.
    pub origin_time_us: f64,
}
