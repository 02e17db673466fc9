//! Public test vectors, judged by the engine of production where it runs in production: in
//! workerd, through the functions that guard an origin (`src/edge/probe.rs`).
//!
//! `make build` first, for the test that the Worker does not contain the probe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a panic is how a test says what went wrong"
)]

#[path = "../support/probe.rs"]
mod probe;
#[path = "../support/vectors.rs"]
mod vectors;
#[path = "../support/workerd.rs"]
mod workerd;

mod isolation;
mod judged;
mod keys;
mod malleability;
mod panics;
mod primitives;
mod rfc;
mod tokens;
