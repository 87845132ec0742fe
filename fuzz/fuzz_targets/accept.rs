#![no_main]

libfuzzer_sys::fuzz_target!(|accept: &[u8]| seawall_rules::render::check_accept(accept));
