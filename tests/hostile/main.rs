//! Hostile input, without a fuzzer: the corpora of the fuzz targets, and requests that are put together at
//! random.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking, and its items are for itself alone"
)]
#![cfg(not(target_arch = "wasm32"))]

mod corpora;
mod decisions;
#[path = "../../fuzz/src/lib.rs"]
mod targets;
