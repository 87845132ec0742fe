//! What a stored response holds in memory, and how it holds no more than that.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use seawall_cache::StoredResponse;

/// Lets go of the buffer that the fields were read into: values are often slices of it, and one that is 20 bytes long
/// would keep a read buffer of 400 KiB. All values become slices of one buffer that is exactly as long.
pub(crate) fn detach(mut response: StoredResponse) -> StoredResponse {
    let fields = std::mem::take(&mut response.fields);
    let mut buffer = BytesMut::with_capacity(fields.values().map(HeaderValue::len).sum());
    fields.values().for_each(|value| buffer.extend_from_slice(value.as_bytes()));
    let mut buffer = buffer.freeze();
    let mut detached = HeaderMap::with_capacity(fields.keys_len());
    for (name, value) in &fields {
        let bytes = buffer.split_to(value.len());
        detached.append(name.clone(), same_value(value, bytes));
    }
    response.fields = detached;
    response
}

fn same_value(value: &HeaderValue, bytes: Bytes) -> HeaderValue {
    // Equal bytes are as valid as the value that they come from; should that ever change, the value itself will do.
    let mut same = HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| value.clone());
    same.set_sensitive(value.is_sensitive());
    same
}

/// Bytes that a response without its content holds.
pub(crate) fn response_bytes(response: &StoredResponse) -> u64 {
    let fields = &response.fields;
    let own_names = fields.keys().filter(|name| !is_standard(name.as_str()));
    let bytes = size_of::<StoredResponse>()
        + 2 * size_of::<usize>()
        + fields.capacity() * FIELD_BYTES
        + (fields.len() - fields.keys_len()) * FURTHER_LINE_BYTES
        + fields.values().map(HeaderValue::len).sum::<usize>()
        + response.selected_by.fields().map(selecting_bytes).sum::<usize>()
        + response.selected_by.sent_bytes()
        + size_of_val(response.surrogate_keys.hashes())
        + own_names.map(|name| name.as_str().len() + ALLOCATION_BYTES).sum::<usize>()
        + lines_bytes(fields)
        + ALLOCATIONS * ALLOCATION_BYTES;
    bytes as u64
}

/// What is prepared of a response to be sent ([`crate::Variant::lines`]), whether it is already or not.
fn lines_bytes(fields: &HeaderMap) -> usize {
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + LINE_BYTES;
    fields.iter().map(line).sum::<usize>() + LINES_BYTES_MORE
}

/// `: ` and CRLF.
const LINE_BYTES: usize = 4;

/// A status line with a long reason phrase, and a length that is no field of the response.
const LINES_BYTES_MORE: usize = 96;

fn selecting_bytes((name, value): (&HeaderName, Option<&[u8]>)) -> usize {
    let own_name = if is_standard(name.as_str()) { 0 } else { name.as_str().len() + ALLOCATION_BYTES };
    size_of::<(HeaderName, Option<Vec<u8>>)>()
        + own_name
        + value.map_or(0, |value| value.len() + ALLOCATION_BYTES)
}

/// A name that `http` knows is one byte; any other is an allocation. They cannot be told apart from outside, but by
/// this: nearly all that servers send and `http` does not know begin so.
fn is_standard(name: &str) -> bool {
    !name.starts_with("x-") && !matches!(name, "surrogate-key" | "cdn-cache-control")
}

/// One place in a `HeaderMap`: hash, name (32), value (40), links (24), and up to two places of 4 bytes in its index.
const FIELD_BYTES: usize = 8 + 32 + 40 + 24 + 8;

/// A second line of the same name: value and links.
const FURTHER_LINE_BYTES: usize = 40 + 32;

/// What an allocator rounds up by, on average, and the counter that shared bytes have.
pub(crate) const ALLOCATION_BYTES: usize = 32;

/// Entries and index of the map, values, the response, the variant, the list of variants, the key, the content, the lines.
const ALLOCATIONS: usize = 9;
