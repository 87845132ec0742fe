//! HTTP/2 syntax, strictly (RFC 9113), and its header compression (RFC 7541): what a front needs in order to judge
//! requests on its own while a library keeps streams and flow control.
//!
//! [`input`] follows a client's frames and decodes its header sections. It is the only one that does: what is passed
//! on to the library is written anew, so that no two decoders can come to different requests. [`request`] judges a
//! header section, [`output`] follows what the library writes, so that answers of our own can go in between, and
//! [`window`] divides the client's flow-control window between the two.

#[doc(hidden)]
pub mod check;
pub mod frame;
pub mod hpack;
pub mod input;
pub mod output;
pub mod request;
pub mod window;
