#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_proxy::listen::handover::check_addresses(bytes));
