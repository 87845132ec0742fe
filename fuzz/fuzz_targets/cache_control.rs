#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| seawall_cache::directive::check_foreign_bytes(line));
