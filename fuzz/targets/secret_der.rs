//! See `edgeward_fuzz::secret_der`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::secret_der::check(data));
