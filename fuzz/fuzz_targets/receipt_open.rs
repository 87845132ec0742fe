#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| seawall_rules::receipt::check_open(text));
