#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_http::client_hello::check_foreign_bytes(bytes));
