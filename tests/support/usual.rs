//! What is taken for usual where time and memory are measured: access tokens as an identity
//! provider issues them to a browser application, and a gate that maps four of their claims and
//! signs an assertion.

use edgeward::gate::{Bindings, Gate};
use serde_json::{Value, json};

use crate::native::{NativeCrypto, Signer, engine};

/// The time of every request.
pub const NOW: i64 = 1_800_000_000;

/// The issuer of every token.
pub const ISSUER: &str = "https://login.example.com/realms/main";
/// The private key that signs assertions, as a JWK.
pub const ASSERTION_KEY: &str = include_str!("../fixtures/keys/ed25519.private.jwk.json");
/// A `kid` in the form of RFC 7638: the hash of the key.
const KEY_ID: &str = "VlhxpGuCCYDOBqxsZ748vKpO3fkHtSFvWyIk6Q-UyWE";

/// The configuration.
pub fn table(algorithm: &str) -> Value {
    json!({
        "origin": "https://app.internal",
        "providers": [{
            "name": "main",
            "issuer": ISSUER,
            "audiences": ["https://api.example.com"],
            "algorithms": [algorithm],
            "keys": ["JWT_KEYS"],
        }],
        "rules": [
            { "path": "/public", "access": "public" },
            { "path": "/admin", "scopes_all": ["admin"] },
        ],
        "forward": {
            "claim_to_headers": claims_to_headers(),
            "assertion": { "key": "ASSERTION_KEY", "audience": "https://app.internal" },
        },
    })
}

/// The four claims that the origin gets as headers.
pub fn claims_to_headers() -> Value {
    json!({
        "X-Auth-Subject": "sub",
        "X-Auth-Email": "email",
        "X-Auth-Client": "client_id",
        "X-Auth-Scope": "scope",
    })
}

/// The issuer's keys, as it publishes them.
pub fn key_set(issuer: &Signer) -> String {
    json!({ "keys": [issuer.jwk(KEY_ID)] }).to_string()
}

/// A gate with the usual configuration.
pub fn gate(algorithm: &str, issuer: &Signer) -> Gate<NativeCrypto> {
    let keys = key_set(issuer);
    let secret = |name: &str| match name {
        "JWT_KEYS" => Some(keys.clone()),
        "ASSERTION_KEY" => Some(ASSERTION_KEY.to_owned()),
        _ => None,
    };
    Gate::boot(
        &table(algorithm).to_string(),
        &secret,
        Bindings { has_kv: true, ..Bindings::default() },
        engine(),
    )
    .unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The claims of the token with this number.
pub fn claims(number: u32) -> Value {
    json!({
        "iss": ISSUER,
        "aud": "https://api.example.com",
        "sub": uuid(number, 0x5a),
        "exp": NOW + 600,
        "iat": NOW,
        "jti": uuid(number, 0xc3),
        "scope": "openid profile email read write",
        "client_id": "0c6d5b9e-93a4-4f0e-8f0a-1d2b7c3e4f50",
        "email": format!("user-{number:06}@example.com"),
    })
}

/// A token with these claims.
pub fn token(algorithm: &str, issuer: &Signer, claims: &Value) -> String {
    issuer.token(&header(algorithm), claims)
}

/// The header of every token.
pub fn header(algorithm: &str) -> Value {
    json!({ "alg": algorithm, "kid": KEY_ID, "typ": "at+jwt" })
}

/// The head of a browser's request with this credential, as the edge packs it.
pub fn request(path: &str, authorization: &str) -> String {
    let headers = [
        ("accept", "application/json, text/plain, */*"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
        ("authorization", authorization),
        ("cf-connecting-ip", "2001:db8:85a3::8a2e:370:7334"),
        ("cf-ipcountry", "DE"),
        ("cf-ray", "8f1c2d3e4f5a6b7c-FRA"),
        ("cf-visitor", r#"{"scheme":"https"}"#),
        ("host", "api.example.com"),
        ("referer", "https://app.example.com/orders"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-site"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "2001:db8:85a3::8a2e:370:7334"),
        ("x-requested-with", "XMLHttpRequest"),
    ];
    let mut packed = format!("GET\nhttps://api.example.com{path}");
    for (name, value) in headers {
        packed.extend(["\n", name, "\n", value]);
    }
    packed
}

/// A text in the form of a UUID that no other number has.
fn uuid(number: u32, family: u8) -> String {
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let digits = format!("{:032x}", mixed ^ u128::from(family));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
