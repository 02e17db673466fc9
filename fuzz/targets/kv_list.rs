//! See `edgeward_fuzz::kv_list`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeward_fuzz::kv_list::check(data));
