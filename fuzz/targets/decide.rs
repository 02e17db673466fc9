//! See `edgeward_fuzz::decide`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::decide::check(data));
