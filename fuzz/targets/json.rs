//! See `edgeward_fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::json::check(data));
