//! See `edgeward_fuzz::secret`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::secret::check(data));
