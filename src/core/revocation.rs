//! Tokens that do not count any more although they are in time.
//!
//! A revocation names tokens by something that they say ([`target`]), within one issuer. Revocations
//! are the entries of a log ([`entry`]): each has a number, and what came later about the same target
//! takes its place. Whoever has the log up to a number needs only what came after it ([`delta`]), and
//! keeps what is left of it in memory in a form that can be asked for each request ([`list`]). What is to
//! be revoked is asked for in words ([`order`]).
//!
//! In scope: all that can be computed of this. Out of scope: where the log is kept and how it gets
//! around (`crate::edge`), who may add to it ([`crate::gate`]), and how old a list may be ([`super::refresh`]).

pub mod delta;
pub mod entry;
pub mod list;
pub mod order;
pub mod published;
pub mod region;
pub mod target;
