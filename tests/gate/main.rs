//! The gate as a whole, natively: configuration and secrets in, permits and denials out.
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

mod boot;
mod cache;
mod claims;
mod explain;
mod fixture;
mod health;
mod logs;
mod memory;
mod metrics;
#[path = "../support/native.rs"]
mod native;
mod order;
mod outages;
mod page;
mod permits;
mod properties;
mod published_keys;
mod put_back;
mod rehearsals;
mod revocations;
mod shadow;
mod sockets;
mod texts;
mod timing;
#[allow(dead_code, reason = "the benchmarks use the rest of it")]
#[path = "../support/usual.rs"]
mod usual;
#[path = "../support/vectors.rs"]
mod vectors;
#[allow(dead_code, reason = "the benchmarks use the rest of it")]
#[path = "../support/verified.rs"]
mod verified;
mod warm_and_cold;
mod wire;
mod world;
