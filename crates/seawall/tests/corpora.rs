//! The kept inputs of the fuzz targets, as plain tests.

use seawall_testkit::corpus;

#[test]
fn foreign_certdata_is_read_or_refused() {
    corpus("certdata").iter().for_each(|(_, bytes)| seawall_certdata::check::check_foreign_bytes(bytes));
}

#[test]
fn forwarded_fields_keep_their_laws() {
    corpus("forwarded").iter().for_each(|(_, bytes)| seawall_http::forwarded::check_foreign_bytes(bytes));
}

#[test]
fn proxy_protocol_headers_read_the_same_in_any_pieces() {
    corpus("proxy_protocol")
        .iter()
        .for_each(|(_, bytes)| seawall_http::proxy_protocol::check_incremental(bytes));
}

#[test]
fn client_hellos_read_the_same_in_any_pieces() {
    corpus("client_hello")
        .iter()
        .for_each(|(_, bytes)| seawall_http::client_hello::check_foreign_bytes(bytes));
}

#[test]
fn invented_receipts_do_not_open() {
    corpus("receipt_open").iter().for_each(|(_, bytes)| seawall_rules::receipt::check_open(&text(bytes)));
}

#[test]
fn targets_keep_their_laws() {
    corpus("target").iter().for_each(|(_, bytes)| seawall_http::target::check_laws(&text(bytes)));
}

#[test]
fn header_sections_and_chunks_keep_their_laws() {
    corpus("h1_head").iter().for_each(|(_, bytes)| seawall_http::h1::check::head(bytes));
    corpus("h1_chunked").iter().for_each(|(_, bytes)| seawall_http::h1::check::chunked(bytes));
}

#[test]
fn embedded_origin_reads_foreign_paths_and_fields() {
    for (_, bytes) in corpus("files") {
        seawall_proxy::files::check::path(&text(&bytes));
        seawall_proxy::files::check::range(&bytes, 1000);
        seawall_proxy::files::check::fields(&bytes);
    }
}

#[test]
fn addresses_handed_over_are_read_as_they_were_printed() {
    corpus("handover").iter().for_each(|(_, bytes)| seawall_proxy::listen::handover::check_addresses(bytes));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
