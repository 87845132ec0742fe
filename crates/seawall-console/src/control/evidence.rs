//! What the admin API says of evidence: what exchanges of one storm looked like. The same form is kept on disk.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Evidence of one storm. Times are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceView {
    /// Of this form: 2. Files of form 1 are read too.
    pub version: u32,
    /// The storm's name.
    #[schema(example = "s0ABC12")]
    pub storm: String,
    /// Whether more is collected.
    #[serde(default)]
    pub collecting: bool,
    /// When it was opened.
    pub opened: u64,
    /// When it is deleted.
    pub expires: u64,
    /// Exchanges from which those were chosen by chance.
    pub offered: u64,
    /// What they looked like, in order of time.
    pub exhibits: Vec<ExhibitView>,
    /// Networks that the storm comes from, of those with enough clients behind them (`least-clients`), the greatest
    /// share first. Since form 2.
    #[serde(default)]
    pub networks: Vec<EvidenceNetworkView>,
}

/// A network that many clients of a storm share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceNetworkView {
    /// It: /24 or /16, /56 or /32 of IPv6.
    #[schema(example = "203.0.113.0/24")]
    pub network: String,
    /// Share of the storm's requests, 0 to 1, at least.
    pub share: f64,
    /// At least so many clients of it came in one hour; at most 32 are counted.
    pub clients: u32,
}

/// What one exchange looked like.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExhibitView {
    /// When it began.
    pub at: u64,
    /// The method.
    #[schema(example = "POST")]
    pub method: String,
    /// The host.
    pub host: String,
    /// The path, normalised.
    #[schema(example = "/ca/cacert.pem")]
    pub path: String,
    /// Names of the query's parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_shape: Option<String>,
    /// The protocol.
    #[schema(example = "HTTP/1.1")]
    pub protocol: String,
    /// Names of its fields as sent, in order.
    #[schema(example = json!(["Host", "User-Agent", "Content-Length"]))]
    pub fields: Vec<String>,
    /// The `User-Agent` field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The `Content-Type` field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Announced content in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    /// How its content begins, in hexadecimal digits, if that was asked for and the request was let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// JA4 of its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_fingerprint: Option<String>,
    /// Whether a rule or limit refused it.
    pub refused: bool,
}

/// What is to be collected; all of it may be left out.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EvidenceRequest {
    /// Whether the first 256 bytes of content are kept: they may hold anything that clients send.
    #[serde(default)]
    pub content: bool,
    /// How many exchanges are kept, 1 to 200; 200 if this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 200, minimum = 1, maximum = 200)]
    pub exchanges: Option<u16>,
}
