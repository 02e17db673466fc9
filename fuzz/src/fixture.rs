//! One gate, its issuer and its secrets, which all targets share.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::algorithm::Algorithm;
use edgeward::core::config::Settings;
use edgeward::core::keys::{Material, SecretBytes};
use edgeward::core::sealed::{Purpose, SealingKey};
use edgeward::core::secret::{self, AssertionKey, AssertionMaterial, ClientKey};
use edgeward::core::verify::{KeyRefused, ReadyKey, SignatureEngine};
use edgeward::gate::{Bindings, Gate};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The time, in seconds.
pub const NOW: i64 = 1_800_000_000;

/// The issuer of every good token.
pub const ISSUER: &str = "https://issuer.example";

/// The audience of every good token.
pub const AUDIENCE: &str = "api";

/// The greatest length of a token.
pub const MOST_TOKEN_BYTES: usize = 4_096;

/// The longest life of a token, in seconds.
pub const MOST_LIFE_SECONDS: i64 = 3_600;

/// The leeway for all times, in seconds.
pub const SKEW_SECONDS: i64 = 5;

/// The `kid` of the one key.
pub const KEY_ID: &str = "k1";

const SECRET: [u8; 32] = *b"a secret that only the tests use";

/// The configuration.
pub const TABLE: &str = r#"{
    "origin": "https://origin.internal",
    "clock_skew_seconds": 5,
    "max_token_bytes": 4096,
    "providers": [{
        "name": "main",
        "issuer": "https://issuer.example",
        "audiences": ["api"],
        "algorithms": ["HS256"],
        "keys": ["JWT_KEYS"],
        "required_claims": ["sub", "org.id"],
        "max_lifetime_seconds": 3600
    }],
    "token": { "sources": [
        "authorization", "websocket-protocol", "cookie:session", "query:token", "header:x-token"
    ] },
    "rules": [
        { "path": "/public", "access": "public" },
        { "path": "/optional", "access": "optional" },
        { "path": "/admin", "scopes_all": ["admin"] },
        { "path": "/team", "claims": { "org.id": [7, "seven"] } }
    ],
    "forward": { "claim_to_headers": { "X-User-Id": "sub", "Tenant": "org.id", "X-Scopes": "scope" } }
}"#;

/// No signature but HMAC, which is not the engine's business.
pub struct HmacAlone;

impl SignatureEngine for HmacAlone {
    type Key = ();
    type SigningKey = ();

    fn import(&self, _: &Material) -> Result<(), KeyRefused> {
        Ok(())
    }

    fn verify(&self, _: Algorithm, (): &(), _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn import_signing(&self, _: &[u8], _: &[u8; 32]) -> Result<(), KeyRefused> {
        Ok(())
    }

    fn import_client(&self, _: &ClientKey) -> Result<(), KeyRefused> {
        Ok(())
    }

    fn sign(&self, (): &(), _: &[u8]) -> Option<Vec<u8>> {
        Some(vec![0x5c; 64])
    }

    fn random(&self) -> u64 {
        7
    }
}

/// The text of the binding `JWT_KEYS`.
#[must_use]
pub fn jwt_keys() -> String {
    let k = URL_SAFE_NO_PAD.encode(SECRET);
    format!(r#"{{"kty":"oct","kid":"{KEY_ID}","alg":"HS256","k":"{k}"}}"#)
}

/// The gate.
#[must_use]
pub fn gate() -> Gate<HmacAlone> {
    let secret = |name: &str| (name == "JWT_KEYS").then(jwt_keys);
    match Gate::boot(TABLE, &secret, Bindings::default(), HmacAlone) {
        Ok(gate) => gate,
        Err(problems) => panic!("{problems:?}"),
    }
}

/// The checked configuration.
#[must_use]
pub fn settings() -> Settings {
    Settings::parse(TABLE).expect("the fixture is good")
}

/// The issuer's keys.
#[must_use]
pub fn keys() -> Vec<ReadyKey<()>> {
    let keys = secret::parse("JWT_KEYS", &jwt_keys()).expect("the fixture is good").keys;
    keys.into_iter().filter_map(|key| ReadyKey::prepare(&HmacAlone, key).ok()).collect()
}

/// HMAC-SHA256 with the issuer's key.
#[must_use]
pub fn mac(message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("every length is a key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A token of these texts, which need not be JSON, rightly signed with HMAC-SHA256.
#[must_use]
pub fn token(header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(mac(input.as_bytes()));
    format!("{input}.{signature}")
}

/// The key that seals what is kept in KV for a purpose.
#[must_use]
pub fn sealing_key(purpose: Purpose) -> SealingKey {
    let material = AssertionMaterial::Hmac(SecretBytes::new(SECRET.to_vec()));
    SealingKey::derive(&AssertionKey { kid: None, material }, purpose)
}
