//! What the admin API says of the cache, and what it purges.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the cache holds and did since the process started.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CacheView {
    /// Hosts of the sites that have a cache.
    #[schema(example = json!(["site.example"]))]
    pub hosts: Vec<String>,
    /// Requests answered from it, fresh.
    pub hits: u64,
    /// Requests answered from it, stale.
    pub stale: u64,
    /// Requests that the origin was needed for, those that shared another's fetch included.
    pub forwards: u64,
    /// Of these, answered by another's fetch.
    pub collapsed: u64,
    /// Its memory.
    pub memory: TierView,
    /// Its disk; absent without one.
    #[schema(inline)]
    pub disk: Option<TierView>,
    /// How the disk is; absent without one.
    #[schema(inline)]
    pub disk_state: Option<DiskState>,
}

/// How the cache's disk is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskState {
    /// Its folder is being opened, or what is in it being found.
    Opening,
    /// Another process has its folder: memory goes on alone until that process lets go.
    InUse,
    /// It is in use.
    Open,
    /// Its folder cannot be opened, or it failed and is left alone for a while: memory goes on alone.
    Failing,
}

impl DiskState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Opening, Self::InUse, Self::Open, Self::Failing];

    /// As the API and the metrics name it.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::InUse => "in-use",
            Self::Open => "open",
            Self::Failing => "failing",
        }
    }
}

/// Memory or disk.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TierView {
    /// What is kept, overhead included.
    pub bytes: u64,
    /// Its bound.
    pub bytes_max: u64,
    /// How many: URIs in memory, files on disk.
    pub count: u64,
    /// Forgotten to make room.
    pub evictions: u64,
    /// Reads and writes that failed, and files that were damaged.
    pub errors: u64,
}

/// Which stored responses are to be purged: one of `url`, `prefix`, `key` and `all`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PurgeRequest {
    /// All variants of this URL, over http and https. Parameters that the site's cache does not tell apart are taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://site.example/feed")]
    pub url: Option<String>,
    /// What begins so, over http and https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://site.example/static/")]
    pub prefix: Option<String>,
    /// What the origin gave this surrogate key, at every site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "article-17")]
    pub key: Option<String>,
    /// Everything, of every site.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Whether it only counts as stale from now on: validated before use, and served stale where the response permits
    /// that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
}

/// What was purged. It took effect before the answer: no request that comes after it gets what was stored before.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Purged {
    /// As the cache names it: URIs, prefixes, a surrogate key; absent with `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["https://site.example/feed", "http://site.example/feed"]))]
    pub purged: Vec<String>,
    /// Everything, of every site; absent where only what `purged` names was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Whether it only counts as stale.
    pub soft: bool,
    /// Whether it holds after a restart too; false if the disk could not be written, where a crash may bring back what
    /// was purged.
    pub durable: bool,
}
