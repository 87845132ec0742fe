//! Encoding that leaves the other side's dynamic table as it is: indexes of the static table, and literals without
//! indexing (RFC 7541 §6.1, §6.2.2).
//!
//! So two encoders can share a connection, as long as at most one of them uses the table. Strings are not coded: that
//! would cost more than the bytes that it saves.

use super::integer;

/// Names in the static table, by their index there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Name {
    /// `:method`
    Method = 2,
    /// `:path`
    Path = 4,
    /// `:status`
    Status = 8,
    /// `age`
    Age = 21,
    /// `allow`
    Allow = 22,
    /// `cache-control`
    CacheControl = 24,
    /// `content-length`
    ContentLength = 28,
    /// `content-type`
    ContentType = 31,
    /// `date`
    Date = 33,
    /// `retry-after`
    RetryAfter = 53,
}

/// `:scheme: http`, in whole.
pub const SCHEME_HTTP: u8 = 0x86;

/// Appends a field whose name is in the static table.
pub fn named(name: Name, value: &[u8], out: &mut Vec<u8>) {
    integer::write(0, 4, name as usize, out);
    string(value, out);
}

/// Appends any field.
pub fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(0);
    string(name, out);
    string(value, out);
}

/// Appends `:method`.
pub fn method(method: &str, out: &mut Vec<u8>) {
    match method {
        "GET" => out.push(0x82),
        "POST" => out.push(0x83),
        _ => named(Name::Method, method.as_bytes(), out),
    }
}

/// Appends `:status`.
pub fn status(status: &str, out: &mut Vec<u8>) {
    match status {
        "200" => out.push(0x88),
        "204" => out.push(0x89),
        "206" => out.push(0x8a),
        "304" => out.push(0x8b),
        "400" => out.push(0x8c),
        "404" => out.push(0x8d),
        "500" => out.push(0x8e),
        _ => named(Name::Status, status.as_bytes(), out),
    }
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    integer::write(0, 7, bytes.len(), out);
    out.extend_from_slice(bytes);
}
