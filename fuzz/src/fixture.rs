//! One gate, its issuer and its secrets, which all targets share.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::algorithm::Algorithm;
use edgeward::core::config::Settings;
use edgeward::core::keys::{Material, SecretBytes};
use edgeward::core::revocation::delta::{Delta, Head};
use edgeward::core::revocation::entry::{Effect, Entry};
use edgeward::core::revocation::target::{Fingerprint, Kind};
use edgeward::core::sealed::{Purpose, SealingKey};
use edgeward::core::secret::{self, AssertionKey, AssertionMaterial, ClientKey};
use edgeward::core::verify::{KeyRefused, ReadyKey, SignatureEngine};
use edgeward::gate::{Bindings, Gate};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

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

/// What signs tokens: the algorithm, and the `kid` of the only key that serves it.
pub const SIGNERS: [(&str, &str); 3] = [("HS256", "k1"), ("HS512", "k2"), ("EdDSA", "k3")];

/// The `jti` of tokens that are revoked.
pub const REVOKED_ID: &str = "revoked";

/// The subject of whom what was issued before [`REVOKED_BEFORE`] is revoked.
pub const REVOKED_SUBJECT: &str = "mallory";

/// In seconds.
pub const REVOKED_BEFORE: i64 = NOW - 60;

/// A site, not the gate's own, that may use a visitor's cookie.
pub const ALLOWED_ORIGIN: &str = "https://app.example";

/// The host that has a rule of its own.
pub const OPEN_HOST: &str = "open.example";

const SECRET: [u8; 32] = *b"a secret that only the tests use";
const LONG_SECRET: [u8; 64] = *b"another secret that only the tests use, of the length of SHA-512";
/// A point of Ed25519: the one of RFC 8032 section 7.1, test 1.
const PUBLIC_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// The configuration.
pub const TABLE: &str = r#"{
    "origin": "https://origin.internal",
    "clock_skew_seconds": 5,
    "max_token_bytes": 4096,
    "providers": [{
        "name": "main",
        "issuer": "https://issuer.example",
        "audiences": ["api"],
        "algorithms": ["HS256", "HS512", "EdDSA"],
        "keys": ["JWT_KEYS"],
        "required_claims": ["sub", "org.id"],
        "max_lifetime_seconds": 3600
    }],
    "token": {
        "sources": [
            "authorization", "websocket-protocol", "cookie:session", "query:token", "header:x-token"
        ],
        "allowed_origins": ["https://app.example"]
    },
    "rules": [
        { "path": "/public", "access": "public" },
        { "path": "/optional", "access": "optional" },
        { "path": "/admin", "scopes_all": ["admin"] },
        { "path": "/team", "claims": { "org.id": [7, "seven"] } },
        { "path": "/method", "methods": ["GET"], "access": "public" },
        { "path": "/host", "hosts": ["open.example"], "access": "public" },
        { "path": "/host", "scopes_any": ["admin", "host"] },
        { "path": "/shadow", "scopes_all": ["admin"], "enforce": "shadow" },
        { "path": "/shadow/real", "scopes_all": ["admin"] }
    ],
    "forward": { "claim_to_headers": { "X-User-Id": "sub", "Tenant": "org.id", "X-Scopes": "scope" } }
}"#;

/// HMAC is not the engine's business. What it calls `EdDSA` is an HMAC, too, with the public key in the place of a
/// secret: which key counts for which algorithm is decided before, and a real signature would take most of the
/// time.
pub struct HmacAlone;

impl SignatureEngine for HmacAlone {
    type Key = Option<[u8; 32]>;
    type SigningKey = ();

    fn import(&self, material: &Material) -> Result<Self::Key, KeyRefused> {
        Ok(match material {
            Material::Ed25519 { x } => Some(*x),
            _ => None,
        })
    }

    fn verify(&self, algorithm: Algorithm, key: &Self::Key, message: &[u8], mac: &[u8]) -> bool {
        algorithm == Algorithm::EdDsa && key.is_some_and(|key| mac == long_mac(&key, message))
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
    let [short, long] =
        [SECRET.as_slice(), &LONG_SECRET].map(|secret| URL_SAFE_NO_PAD.encode(secret));
    let x = URL_SAFE_NO_PAD.encode(PUBLIC_KEY);
    format!(
        r#"{{"keys":[
            {{"kty":"oct","kid":"k1","alg":"HS256","k":"{short}"}},
            {{"kty":"oct","kid":"k2","alg":"HS512","k":"{long}"}},
            {{"kty":"OKP","crv":"Ed25519","kid":"k3","x":"{x}"}}
        ]}}"#
    )
}

/// The gate, which knows what is revoked.
#[must_use]
pub fn gate() -> Gate<HmacAlone> {
    let secret = |name: &str| (name == "JWT_KEYS").then(jwt_keys);
    let bindings = Bindings { has_relays: true, ..Bindings::default() };
    let gate = match Gate::boot(TABLE, &secret, bindings, HmacAlone) {
        Ok(gate) => gate,
        Err(problems) => panic!("{problems:?}"),
    };
    revoke(&gate);
    gate
}

/// Tells a gate what is revoked.
pub fn revoke(gate: &Gate<HmacAlone>) {
    let entry = |number, target, effect| Entry { number, target, effect, expires_at: NOW + 86_400 };
    let older = Fingerprint::of(Kind::Subject, ISSUER, REVOKED_SUBJECT).of_older();
    let log = [
        entry(1, Fingerprint::of(Kind::TokenId, ISSUER, REVOKED_ID), Effect::RevokeAll),
        entry(2, older, Effect::RevokeIssuedBefore(REVOKED_BEFORE)),
    ];
    let head = Head { log: 7, after: 0, to: 2, latest: 2, age_ms: Some(0) };
    gate.begin_list(NOW * 1_000);
    let taken = gate.hear_delta(&Delta::write(&head, &log), NOW * 1_000, NOW * 1_000);
    assert!(taken.is_ok_and(|head| head.is_whole()), "the list is good");
}

/// The checked configuration.
#[must_use]
pub fn settings() -> Settings {
    Settings::parse(TABLE).expect("the fixture is good")
}

/// The issuer's keys.
#[must_use]
pub fn keys() -> Vec<ReadyKey<Option<[u8; 32]>>> {
    let keys = secret::parse("JWT_KEYS", &jwt_keys()).expect("the fixture is good").keys;
    keys.into_iter().filter_map(|key| ReadyKey::prepare(&HmacAlone, key).ok()).collect()
}

/// The signature that an algorithm of [`SIGNERS`] gives; nothing for others.
#[must_use]
pub fn signature(algorithm: &str, message: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        "HS256" => {
            let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("every length is a key");
            mac.update(message);
            Some(mac.finalize().into_bytes().to_vec())
        }
        "HS512" => Some(long_mac(&LONG_SECRET, message)),
        "EdDSA" => Some(long_mac(&PUBLIC_KEY, message)),
        _ => None,
    }
}

fn long_mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("every length is a key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Claims that are good but for the changes, as JSON.
#[must_use]
pub fn claims_with(changes: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "org.id": 1, "iat": NOW - 10, "exp": NOW + 600,
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims.to_string()
}

/// A token of these texts, which need not be JSON, signed with an algorithm of [`SIGNERS`] whatever they say.
#[must_use]
pub fn token(algorithm: &str, header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = signature(algorithm, input.as_bytes()).expect("a signer of the fixture");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The key that seals what is kept in KV for a purpose.
#[must_use]
pub fn sealing_key(purpose: Purpose) -> SealingKey {
    let material = AssertionMaterial::Hmac(SecretBytes::new(SECRET.to_vec()));
    SealingKey::derive(&AssertionKey { kid: None, material }, purpose)
}
