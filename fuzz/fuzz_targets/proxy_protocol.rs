#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_http::proxy_protocol::check_incremental(bytes));
