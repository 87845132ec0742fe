#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_store::check_head(bytes));
