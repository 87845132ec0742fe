#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_http::forwarded::check_foreign_bytes(bytes));
