//! What the core must also do as wasm, where `usize` has 32 bits and the platform is a JavaScript
//! engine. `make test` runs these in Node and in headless Chromium; natively this file is empty.
#![cfg(target_arch = "wasm32")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use edgeward::core::algorithm::Algorithm;
use edgeward::core::cache::MOST_BYTES;
use edgeward::core::denial::Reason;
use edgeward::core::keys::Material;
use edgeward::core::path::RequestPath;
use edgeward::core::request::RequestHead;
use edgeward::core::secret;
use edgeward::core::secret::ClientKey;
use edgeward::core::verify::{KeyRefused, SignatureEngine};
use edgeward::gate::{Bindings, Findings, Gate};
use wasm_bindgen_test::wasm_bindgen_test;

/// The first example of RFC 7515 (appendix A.1): its token, its key, and the end of its life.
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                     eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p\
                     c19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const KEY: &str = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const EXPIRATION: i64 = 1_300_819_380;

/// A platform without cryptography: HMAC must not need any.
struct NoCrypto;

impl SignatureEngine for NoCrypto {
    type Key = ();
    type SigningKey = ();

    fn import(&self, _: &Material) -> Result<(), KeyRefused> {
        Err(KeyRefused)
    }

    fn verify(&self, _: Algorithm, (): &(), _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn import_signing(&self, _: &[u8], _: &[u8; 32]) -> Result<(), KeyRefused> {
        Err(KeyRefused)
    }

    fn import_client(&self, _: &ClientKey) -> Result<(), KeyRefused> {
        Err(KeyRefused)
    }

    fn sign(&self, (): &(), _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn random(&self) -> u64 {
        1
    }
}

fn gate() -> Gate<NoCrypto> {
    // The example has no `aud`, which every provider asks for; so it gets as far as the audience.
    let table = r#"{
        "origin": "https://origin.internal", "clock_skew_seconds": 0,
        "providers": [{ "name": "rfc", "issuer": "joe", "audiences": ["api"],
                        "algorithms": ["HS256"], "keys": ["KEY"], "required_claims": [] }]
    }"#;
    let secret = |name: &str| (name == "KEY").then(|| KEY.to_owned());
    Gate::boot(table, &secret, Bindings { has_kv: true, ..Bindings::default() }, NoCrypto)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn reason(token: &str, now: i64) -> Option<Reason> {
    let packed = format!("GET\nhttps://e.example/\nauthorization\nBearer {token}");
    let head = RequestHead::unpack(&packed);
    gate().decide(&head, now * 1_000, &mut Findings::default()).err().map(|denial| denial.reason)
}

#[wasm_bindgen_test]
fn an_hmac_signature_is_verified_before_time_and_audience() {
    assert_eq!(reason(TOKEN, EXPIRATION - 1), Some(Reason::WrongAudience));
    assert_eq!(reason(TOKEN, EXPIRATION), Some(Reason::Expired));
    let forged = TOKEN.replace("dBjf", "dBjg");
    assert_eq!(reason(&forged, EXPIRATION), Some(Reason::BadSignature));
    assert_eq!(reason("a.b.c", EXPIRATION), Some(Reason::MalformedToken));
}

#[wasm_bindgen_test]
fn times_beyond_32_bits_are_read_whole() {
    assert_eq!(reason(TOKEN, EXPIRATION + (1 << 40)), Some(Reason::Expired));
    assert_eq!(reason(TOKEN, -(1 << 40)), Some(Reason::WrongAudience));
}

#[wasm_bindgen_test]
fn paths_are_read_as_they_are_natively() {
    let path = RequestPath::parse("/a/../%61dmin;x//Y").unwrap();
    assert_eq!(path.literal(), "/%61dmin;x//Y");
    assert_eq!(path.folded(), "/admin/y");
    assert!(RequestPath::parse("/public/%2e%2e%2fadmin").is_err());
}

#[wasm_bindgen_test]
fn secrets_are_read_and_refused_as_they_are_natively() {
    assert_eq!(secret::parse("KEY", KEY).map(|parsed| parsed.keys.len()).ok(), Some(1));
    let wrapped = format!("{{\"signingKey\":{KEY}}}");
    assert_eq!(secret::parse("KEY", &wrapped).map(|parsed| parsed.keys.len()).ok(), Some(1));
    let error = secret::parse("KEY", "short").unwrap_err().to_string();
    assert!(error.contains("KEY") && !error.contains("short"), "{error}");
}

/// The bound of the cache fits into 32 bits.
const _: () = assert!(MOST_BYTES < 1 << 31);
