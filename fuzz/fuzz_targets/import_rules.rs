#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| seawall_export::check_foreign_text(text));
