//! The HTTP/1.1 front.
//!
//! Ours rather than hyper's for two reasons. Framing: every octet of a head and of a chunk is judged by one strict
//! parser ([`seawall_http::h1`]), where hyper repairs some of what RFC 9112 calls invalid. Cost: a refusal is decided
//! and written from the bytes where they were read, without a header map, a task wake-up or a buffer per connection.

mod accepted;
mod close;
mod connection;
mod content;
mod hit;
mod intake;
mod interim;
mod output;
mod refuse;
mod respond;
mod response;

pub(crate) use accepted::to_parts;
pub(crate) use connection::serve;
pub(crate) use interim::Interim;
pub(crate) use refuse::{head_refusal, refused};
pub(crate) use response::{write_field, write_status_line};
