#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_http::h1::check::head(bytes));
