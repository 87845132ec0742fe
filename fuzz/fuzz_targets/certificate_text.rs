#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_certdata::check::check_certificate_text(bytes));
