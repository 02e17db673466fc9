//! The pure ring: what a token, a key, a rule and a denial are.
//!
//! In scope: everything that can be computed from its arguments. Out of scope: I/O, clocks,
//! randomness and every platform type; `now` is always an argument, in seconds (`NumericDate`).
#![forbid(unsafe_code)]

pub mod access;
pub mod algorithm;
pub mod assertion;
pub mod cache;
pub mod claims;
pub mod config;
pub mod credentials;
pub mod denial;
pub mod facts;
pub mod json;
pub mod keys;
pub mod log_budget;
pub mod mutate;
pub mod path;
pub mod problem;
pub mod request;
pub mod rules;
pub mod secret;
pub mod tally;
pub mod token;
pub mod verify;
