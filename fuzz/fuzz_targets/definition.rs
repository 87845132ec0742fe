#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| seawall_rules::definition::check_foreign_text(text));
