//! The traffic that a site has without any storm: made from nothing, or grown from a real log.

pub mod log;
pub mod rhythm;
pub mod synthetic;
