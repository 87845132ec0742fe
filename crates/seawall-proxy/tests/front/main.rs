//! The HTTP/1.1 and HTTP/2 fronts on real sockets, between scripted origins and clients that say exactly what they
//! are told to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod edge;
mod origin;

mod absorbing;
mod bounds;
mod caching;
mod collapsing;
mod content;
mod encoding;
mod events;
mod evidence;
mod faults;
mod fields;
mod framing;
mod hits;
mod http2;
mod http2_filter;
mod http2_frames;
mod http2_wire;
mod informational;
mod messages;
mod parts;
mod poisoning;
mod refusals;
mod running;
mod slicing;
mod tunnels;
