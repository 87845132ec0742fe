#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_certdata::check::check_foreign_bytes(bytes));
