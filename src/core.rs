//! The pure ring: what a token, a key, a rule and a denial are.
//!
//! In scope: everything that can be computed from its arguments. Out of scope: I/O, clocks,
//! randomness and every platform type; `now` is always an argument, in seconds (NumericDate).
#![forbid(unsafe_code)]

pub mod algorithm;
pub mod keys;
pub mod path;
pub mod rules;
pub mod secret;
