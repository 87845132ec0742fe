//! The targets by name.

mod apache;
mod caddy;
mod cloudflare;
mod envoy;
mod fastly;
mod haproxy;
mod modsecurity;
mod nftables;
mod nginx;
mod traefik;
mod varnish;
mod vcl;
mod yaml;

use std::fmt;
use std::str::FromStr;

use crate::export::Part;
use crate::plan::{Language, Plan};

/// A program or service whose configuration can be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Target {
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
    /// HAProxy.
    Haproxy,
    /// Varnish.
    Varnish,
    /// Caddy.
    Caddy,
    /// Traefik.
    Traefik,
    /// Envoy.
    Envoy,
    /// ModSecurity 2 in Apache httpd.
    Modsecurity,
    /// nftables.
    Nftables,
    /// Fastly, as VCL snippets.
    FastlyVcl,
    /// Fastly, as bodies for its API.
    FastlyApi,
    /// Cloudflare's custom rules.
    Cloudflare,
}

impl Target {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Nginx,
        Self::Apache,
        Self::Haproxy,
        Self::Varnish,
        Self::FastlyVcl,
        Self::FastlyApi,
        Self::Cloudflare,
        Self::Caddy,
        Self::Traefik,
        Self::Envoy,
        Self::Modsecurity,
        Self::Nftables,
    ];

    /// As on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Haproxy => "haproxy",
            Self::Varnish => "varnish",
            Self::Modsecurity => "modsecurity",
            Self::Cloudflare => "cloudflare",
            Self::FastlyApi => "fastly-api",
            Self::FastlyVcl => "fastly-vcl",
            Self::Nftables => "nftables",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    pub(crate) const fn language(self) -> &'static Language {
        match self {
            Self::Nginx => &nginx::LANGUAGE,
            Self::Apache => &apache::LANGUAGE,
            Self::Haproxy => &haproxy::LANGUAGE,
            Self::Varnish => &varnish::LANGUAGE,
            Self::Modsecurity => &modsecurity::LANGUAGE,
            Self::Cloudflare => &cloudflare::LANGUAGE,
            Self::FastlyApi => &fastly::LANGUAGE,
            Self::FastlyVcl => &fastly::LANGUAGE,
            Self::Nftables => &nftables::LANGUAGE,
            Self::Caddy => &caddy::LANGUAGE,
            Self::Traefik => &traefik::LANGUAGE,
            Self::Envoy => &envoy::LANGUAGE,
        }
    }

    pub(crate) fn parts(self, plan: &Plan<'_>) -> Vec<Part> {
        match self {
            Self::Nginx => nginx::parts(plan),
            Self::Apache => apache::parts(plan),
            Self::Haproxy => haproxy::parts(plan),
            Self::Varnish => varnish::parts(plan),
            Self::Modsecurity => modsecurity::parts(plan),
            Self::Cloudflare => cloudflare::parts(plan),
            Self::FastlyApi => fastly::api_parts(plan),
            Self::FastlyVcl => fastly::vcl_parts(plan),
            Self::Nftables => nftables::parts(plan),
            Self::Caddy => caddy::parts(plan),
            Self::Traefik => traefik::parts(plan),
            Self::Envoy => envoy::parts(plan),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        Self::ALL.iter().copied().find(|target| target.as_str() == text).ok_or(UnknownTarget)
    }
}

/// Not the name of a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such target")]
pub struct UnknownTarget;
