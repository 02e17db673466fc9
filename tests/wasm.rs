//! What the core must also do as wasm, where `usize` has 32 bits and the platform is a JavaScript
//! engine. `make test` runs these in Node and in headless Chromium; natively this file is empty.
#![cfg(target_arch = "wasm32")]

use edgeward::core::algorithm::Algorithm;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn every_algorithm_is_found_by_its_own_name() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
}
