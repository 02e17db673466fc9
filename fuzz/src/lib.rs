//! What each fuzz target does with its input, and what must hold then.
//!
//! A target is a function of bytes that panics if something is wrong. `fuzz/targets` hands it what libFuzzer
//! makes up; `tests/hostile/corpora.rs` of the main package hands it the inputs in `fuzz/corpus`, without any of that.
//! Wherever there is another way to say what is right, it is compared with that: [`model`], a form that is
//! written and read again, or an order in which things come.

pub mod admin;
pub mod claims;
pub mod configuration;
pub mod decide;
pub mod delta;
pub mod entry;
pub mod fixture;
pub mod headers;
pub mod introspection;
pub mod json;
pub mod jwk_set;
pub mod kv_list;
pub mod model;
#[path = "../../tests/support/obvious.rs"]
pub mod obvious;
pub mod order;
pub mod path;
pub mod places;
pub mod rules;
pub mod secret;
pub mod secret_der;
pub mod subprotocol;
pub mod token;
pub mod verification;
