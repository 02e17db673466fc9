//! See `edgeward_fuzz::jwk_set`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::jwk_set::check(data));
