//! What is sent: requests of users, and of those who have no token that is any good.

use std::hash::BuildHasher as _;

use foldhash::quality::FixedState;
use serde_json::{Value, json};

use super::mint::{self, AUDIENCE, ISSUER, base64url, now};

/// The issuer whose keys are fetched.
pub const PUBLISHING_ISSUER: &str = "https://publishing.example";
/// The issuer whose auth service is asked about tokens that nobody else can read.
pub const ASKED_ISSUER: &str = "https://asked.example";
/// How long tokens are valid, in seconds: longer than any measurement.
const LIFETIME: i64 = 86_400;
/// How many users come back again and again.
pub const USERS: usize = 2_000;
/// How long the longest token may be, unless the configuration says otherwise.
const MAX_TOKEN_BYTES: usize = 8_192;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The token of a user who has been here before.
    User,
    /// A valid token that is sent once, for a path that nobody has asked for.
    New,
    /// No token, and a public path that nobody has asked for.
    Public,
    /// No token at all under the name of one.
    Garbage,
    /// The same, as long as a token may be.
    Long,
    /// The same, longer than a token may be.
    TooLong,
    /// A token of this algorithm whose signature is made up.
    Forged(&'static str),
    /// The same, of an ES256 key that nobody has.
    UnknownKey,
    /// The same, of the issuer whose keys are fetched.
    UnknownPublishedKey,
    /// A rightly signed token that was valid until an hour ago.
    Expired,
    /// What only an auth service could read, if there were such a token: it is asked about each.
    Opaque,
}

/// Requests, made when they are sent.
pub struct Supply {
    users: Vec<String>,
}

impl Kind {
    /// Whom the others are compared with: they are as many, and their tokens are good.
    pub const REFERENCE: Self = Self::User;

    /// Those of nobody who is welcome.
    pub const ABUSE: [Self; 14] = [
        Self::Garbage,
        Self::Long,
        Self::TooLong,
        Self::UnknownKey,
        Self::UnknownPublishedKey,
        Self::Expired,
        Self::Forged("HS256"),
        Self::Forged("RS256"),
        Self::Forged("PS256"),
        Self::Forged("ES256"),
        Self::Forged("EdDSA"),
        Self::Forged("HS512"),
        Self::Forged("ES384"),
        Self::Forged("ES512"),
    ];

    /// Whether to refuse it takes many times what it takes to permit somebody who has been here before: there
    /// are algorithms like that, and nobody needs to list them.
    pub const fn is_dear(self) -> bool {
        matches!(self, Self::Forged(algorithm) if matches!(algorithm.as_bytes(), b"ES384" | b"ES512"))
    }

    pub fn name(self) -> String {
        match self {
            Self::User => "valid tokens".to_owned(),
            Self::New => "new valid tokens".to_owned(),
            Self::Public => "public paths".to_owned(),
            Self::Garbage => "garbage".to_owned(),
            Self::Long => format!("garbage of {MAX_TOKEN_BYTES} bytes"),
            Self::TooLong => format!("garbage of {} bytes", MAX_TOKEN_BYTES + 1),
            Self::Forged(algorithm) => format!("forged {algorithm} tokens"),
            Self::UnknownKey => "ES256 tokens of random keys".to_owned(),
            Self::UnknownPublishedKey => "the same, of an issuer who publishes his".to_owned(),
            Self::Expired => "expired HS256 tokens".to_owned(),
            Self::Opaque => "invented opaque tokens".to_owned(),
        }
    }

    /// The status that the answer must have.
    pub const fn status(self) -> u16 {
        match self {
            Self::User | Self::New | Self::Public => 200,
            _ => 401,
        }
    }

    /// What a request of it takes of the Worker is the same each time; this makes it another one.
    fn token(self, number: u64, users: &[String]) -> String {
        match self {
            Self::User => users[usize::try_from(number).expect("64 bits") % users.len()].clone(),
            Self::New => valid(number, now()),
            Self::Public => String::new(),
            Self::Garbage => filled(120, number),
            Self::Long => filled(MAX_TOKEN_BYTES, number),
            Self::TooLong => filled(MAX_TOKEN_BYTES + 1, number),
            Self::Forged(algorithm) => {
                forged(ISSUER, algorithm, mint::key_for(algorithm).kid, number)
            }
            Self::UnknownKey => forged(ISSUER, "ES256", &format!("{number:016x}"), number),
            Self::UnknownPublishedKey => {
                forged(PUBLISHING_ISSUER, "ES256", &format!("{number:016x}"), number)
            }
            Self::Expired => valid(number, now() - LIFETIME - 3_600),
            Self::Opaque => filled(43, number),
        }
    }
}

impl Supply {
    pub fn new() -> Self {
        let user = |number: u64| {
            mint::P256.token_with_header(
                &json!({ "alg": "ES256", "typ": "at+jwt", "kid": mint::P256.kid }),
                &claims(ISSUER, number, now()),
            )
        };
        Self { users: (0..USERS as u64).map(user).collect() }
    }

    /// Writes a request in the place of what is in `request`. The same number makes the same one.
    pub fn write(&self, kind: Kind, number: u64, request: &mut Vec<u8>) {
        let token = kind.token(number, &self.users);
        let path = match kind {
            Kind::New => format!("/api/orders/{number}"),
            Kind::Public => format!("/assets/{number}?version={number}"),
            _ => "/api/orders".to_owned(),
        };
        let authorization = match kind {
            Kind::Public => String::new(),
            _ => format!("Authorization: Bearer {token}\r\n"),
        };
        request.clear();
        request.extend_from_slice(
            format!(
                "GET {path} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: abuse/1\r\n\
                 Accept: application/json\r\n{authorization}\r\n"
            )
            .as_bytes(),
        );
    }
}

fn valid(number: u64, issued: i64) -> String {
    mint::HMAC.token_with_header(
        &json!({ "alg": "HS256", "typ": "at+jwt", "kid": mint::HMAC.kid }),
        &claims(ISSUER, number, issued),
    )
}

/// A token with a signature that costs as much as any to find out that it is wrong.
fn forged(issuer: &str, algorithm: &str, kid: &str, number: u64) -> String {
    let length = match algorithm {
        "HS256" => 32,
        "HS512" | "ES256" | "EdDSA" => 64,
        "ES384" => 96,
        "ES512" => 132,
        _ => 256,
    };
    let mut signature: Vec<u8> =
        (0..).flat_map(|at| random(number, at).to_ne_bytes()).take(length).collect();
    // The numbers in it are below the modulus of RSA and the orders of the curves, so that nobody can tell
    // that it is wrong before the work is done.
    let numbers = if algorithm.starts_with("ES") { 2 } else { 1 };
    for number in signature.chunks_mut(length / numbers) {
        number[0] = 0;
    }
    if let (Some(last), "EdDSA") = (signature.last_mut(), algorithm) {
        *last = 0;
    }
    let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid });
    let parts =
        [header, claims(issuer, number, now())].map(|it| base64url(it.to_string().as_bytes()));
    format!("{}.{}.{}", parts[0], parts[1], base64url(&signature))
}

fn claims(issuer: &str, number: u64, since: i64) -> Value {
    json!({
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": format!("user-{number:08}"),
        "exp": since + LIFETIME,
        "iat": since,
        "jti": format!("01890f3c-7b2e-7cc0-9d3f-{number:012}"),
        "scope": "read write",
        "client_id": "web",
        "email": format!("user-{number:08}@mail.example"),
    })
}

/// So many letters, with a number in them.
fn filled(length: usize, number: u64) -> String {
    let text = format!("{number:016x}");
    text.chars().cycle().take(length).collect()
}

fn random(number: u64, at: u64) -> u64 {
    FixedState::with_seed(0).hash_one((number, at))
}
