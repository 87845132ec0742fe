#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seawall_logs::check::check_log_line(bytes));
