#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| seawall_cache::check::exchange(lines));
