//! Real servers, clients and load for tests: nginx and Apache from packages, curl, raw bytes on a socket, and `seawall` itself.
//!
//! Everything listens on loopback, on a port that no other test has, in a folder of its own, and ends with the
//! value that holds it, or with the test's thread. What goes wrong panics, with the server's log: a test has
//! nothing better to do. A missing program panics with the command that installs it.

#![expect(clippy::print_stderr, reason = "a failing test tells what its servers said")]

mod access_log;
mod apache;
mod certificate;
mod corpus;
mod curl;
mod dir;
mod held;
mod load;
mod nginx;
mod port;
mod process;
mod program;
mod raw;
mod seawall;
pub mod story;

pub use access_log::{AccessLog, LogLine};
pub use apache::{Apache, ApacheBuilder};
pub use certificate::Certificate;
pub use corpus::corpus;
pub use curl::{Curl, CurlError, Reply};
pub use dir::Dir;
pub use held::{HELD_BYTES, Held};
pub use load::{Load, Plan, Sent};
pub use nginx::{Nginx, NginxBuilder};
pub use port::free_port;
pub use process::Process;
pub use program::find_program;
pub use raw::{End, Raw, RawReply};
pub use rustix::process::Signal;
pub use seawall::{Seawall, SeawallBuilder};
