//! The guides in docs/: every configuration in them boots, and judges requests as they say.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking, and its items are for itself alone"
)]
#![cfg(not(target_arch = "wasm32"))]

mod check;
mod document;
mod gate;
mod javascript;
mod links;
mod migration;
#[allow(dead_code, reason = "the other tests use the rest of it")]
#[path = "../support/native.rs"]
mod native;
mod providers;
mod threats;
mod vendors;
