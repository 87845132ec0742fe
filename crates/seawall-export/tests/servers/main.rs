//! The real programs, each with exported rules, against the rules' own verdict on several hundred raw requests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apache;
mod battery;
mod caddy;
mod cloudflare;
mod compare;
mod envoy;
mod fastly;
mod haproxy;
mod limits;
mod modsecurity;
mod nftables;
mod nginx;
mod oracle;
mod random;
mod request;
mod rules;
mod traefik;
mod varnish;
