#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_http::h2::check::section(bytes));
