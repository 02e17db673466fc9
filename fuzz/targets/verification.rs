//! See `edgeward_fuzz::verification`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::verification::check(data));
