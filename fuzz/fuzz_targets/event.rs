#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_storm::derive::check_laws(bytes));
