#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_proxy::h2_check::readings_agree(bytes));
