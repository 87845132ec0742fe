//! TLS: certificates and their reload, the server side towards clients, the client side towards origins.

pub mod certificate;
pub mod handshake;
pub mod origin;
pub mod self_signed;
pub mod server;
pub mod store;

pub use certificate::CertificateError;
pub use origin::{OriginTlsError, origin_client_config};
pub use server::server_config;
pub use store::{CertificateStore, Certificates};
