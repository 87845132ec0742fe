#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| seawall_http::target::check_laws(text));
