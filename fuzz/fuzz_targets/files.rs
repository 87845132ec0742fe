//! The path and the fields that the embedded origin reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    seawall_proxy::files::check::path(&String::from_utf8_lossy(data));
    seawall_proxy::files::check::range(data, 1000);
    seawall_proxy::files::check::fields(data);
});
