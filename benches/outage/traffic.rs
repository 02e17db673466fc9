//! What is sent: requests with valid tokens, known ones and new ones.

use serde_json::json;

use super::mint::{self, Key, P256, now};
use super::origin::ECHO;

/// How many tokens come again and again.
const KNOWN: usize = 200;
/// How long tokens are valid, in seconds: longer than any outage here.
const LIFETIME: i64 = 86_400;

/// Whether a token was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of those that come again and again.
    Known,
    /// One that nobody has seen yet.
    New,
}

/// Four of five tokens are known.
#[derive(Clone, Copy)]
pub struct Mix;

impl Mix {
    /// The kind that a random number stands for.
    #[allow(clippy::unused_self, reason = "the schedule has one that depends on it")]
    pub const fn kind(self, random: u64) -> Kind {
        if random.is_multiple_of(5) { Kind::New } else { Kind::Known }
    }
}

/// The tokens.
pub struct Supply {
    known: Vec<String>,
}

impl Supply {
    pub fn new() -> Self {
        Self { known: (0..KNOWN).map(|_| token()).collect() }
    }

    /// A request of this kind. Of the known tokens it has the one that the random number stands for.
    pub fn request(&self, kind: Kind, random: u64) -> Vec<u8> {
        match kind {
            Kind::Known => request(&self.known[pick(random, self.known.len())]),
            Kind::New => request(&token()),
        }
    }
}

/// The position below `length` that a random number stands for.
pub fn pick(random: u64, length: usize) -> usize {
    #[allow(clippy::cast_possible_truncation, reason = "it is below a length")]
    let position = (random % length as u64) as usize;
    position
}

/// A request whose answer says what has arrived at the origin.
pub fn request(token: &str) -> Vec<u8> {
    format!(
        "GET {ECHO} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: outage/1\r\n\
         Accept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// A token that was never sent.
pub fn token() -> String {
    let key: &Key = &P256;
    let claims = mint::claims_with(json!({ "exp": now() + LIFETIME, "scope": "read write" }));
    key.token_with_header(&json!({ "alg": "ES256" }), &claims)
}
