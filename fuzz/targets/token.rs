//! See `edgeward_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::token::check(data));
