//! The built binary, with a real nginx or Apache behind it and curl before it.

mod lifecycle;
mod proxying;
mod story;

use seawall_testkit::{Nginx, Seawall, SeawallBuilder};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_seawall");

/// A `seawall serve` to be described further.
fn seawall() -> SeawallBuilder {
    Seawall::builder(BINARY)
}

/// In front of this origin, with nothing else said.
fn in_front_of(origin: &Nginx) -> Seawall {
    seawall().origin(&origin.url("")).start()
}
