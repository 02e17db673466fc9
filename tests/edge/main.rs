//! The built Worker under real workerd, seen from outside: a client on one side, an origin that
//! records what reaches it on the other, and a configuration of its own for every test.
//!
//! `make build` first: the tests load `build/index.js` and the wasm next to it, or what
//! `EDGEWARD_BUILD` points to. Tokens are minted by other libraries than the Worker's.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    missing_docs,
    unreachable_pub,
    reason = "a panic is how a test says what went wrong; tables are long and handed over whole"
)]

mod admin;
mod alerts;
mod attacks;
mod auth_service;
mod cache;
mod chaos;
mod cli;
mod cost;
mod denials;
mod events;
mod forwarding;
mod guides;
mod harness;
mod logs;
mod metrics;
mod misconfiguration;
mod origins;
mod outages;
mod page;
mod paths;
mod playbooks;
mod published_keys;
mod resets;
mod revocations;
mod rotation;
mod services;
mod shadow;
mod sockets;
mod stored;
mod streaming;
mod targets;
mod traces;
mod verification;
#[path = "../support/workerd.rs"]
mod workerd;
