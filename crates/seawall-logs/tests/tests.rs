//! Lines of every format, real logs, and laws.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "logs/damage.rs"]
mod damage;
#[path = "logs/formats.rs"]
mod formats;
#[path = "logs/json.rs"]
mod json;
#[path = "logs/laws.rs"]
mod laws;
#[path = "logs/page.rs"]
mod page;
#[path = "logs/real.rs"]
mod real;
#[path = "logs/servers.rs"]
mod servers;
#[path = "logs/told.rs"]
mod told;
