//! The admin API of one process: rules, limits, reload, health and metrics, on loopback.
//!
//! [`serve`] runs it on a thread of its own, apart from the data plane, over whatever implements
//! [`Control`]. [`Client`] is the other side, for the command line.

pub mod client;
pub mod control;
mod guard;
pub mod metrics;
mod openapi;
mod problem;
mod routes;
mod server;
mod token;

pub use self::client::Client;
pub use self::control::{Control, ControlError};
pub use self::problem::Problem;
pub use self::server::{Server, serve};
pub use self::token::{NotAToken, Token};

/// The description of the admin API (OpenAPI 3.1) as JSON.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn openapi() -> Result<String, serde_json::Error> {
    <openapi::Description as utoipa::OpenApi>::openapi().to_pretty_json()
}
