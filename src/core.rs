//! The pure ring: what a token, a key, a rule and a denial are.
//!
//! In scope: everything that can be computed from its arguments. Out of scope: I/O, clocks,
//! randomness and every platform type; `now` is always an argument, in seconds (`NumericDate`), in
//! [`breaker`] and [`refresh`] in milliseconds (`Millis`).
#![forbid(unsafe_code)]
// Beside those in Cargo.toml, which hold for tests, too. No input leads to a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::get_unwrap,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_in_result
    )
)]

pub mod access;
pub mod algorithm;
pub mod assertion;
pub mod breaker;
pub mod cache;
pub mod claims;
pub mod config;
pub mod credentials;
pub mod denial;
pub mod facts;
pub mod introspection;
pub mod json;
pub mod keys;
pub mod log;
pub mod log_budget;
pub mod metrics;
pub mod mode;
pub mod mutate;
pub mod path;
pub mod problem;
pub mod refresh;
pub mod remote_keys;
pub mod request;
pub mod revocation;
pub mod rules;
pub mod sealed;
pub mod secret;
pub mod socket;
pub mod subprotocol;
pub mod tally;
pub mod token;
pub mod trace;
pub mod validation;
pub mod verify;
