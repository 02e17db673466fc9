//! Keys and tokens of the tests, made by aws-lc and the `jsonwebtoken` crate.

use std::{
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsBigEndian, AsDer, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding,
        RsaKeyPair,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

/// The issuer of the default provider.
pub const ISSUER: &str = "https://issuer.example";
/// The audience that the default provider expects.
pub const AUDIENCE: &str = "api";
/// The audience of assertions.
pub const ORIGIN_AUDIENCE: &str = "https://app.internal";
/// Everything that the Worker can verify.
pub const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "ES512", "EdDSA",
];

/// A private key with its `kid`.
pub struct Key {
    /// The `kid` in its JWK and in the header of its tokens.
    pub kid: &'static str,
    secret: Secret,
}

enum Secret {
    Hmac(Vec<u8>),
    Rsa(RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// The keys of the default issuer, one of each kind.
pub static HMAC: LazyLock<Key> = LazyLock::new(|| Key::hmac("hmac"));
/// RSA with 2048 bits.
pub static RSA: LazyLock<Key> = LazyLock::new(|| Key::rsa("rsa"));
/// P-256.
pub static P256: LazyLock<Key> = LazyLock::new(|| Key::ec("p256", "P-256"));
/// P-384.
pub static P384: LazyLock<Key> = LazyLock::new(|| Key::ec("p384", "P-384"));
/// P-521.
pub static P521: LazyLock<Key> = LazyLock::new(|| Key::ec("p521", "P-521"));
/// Ed25519.
pub static ED25519: LazyLock<Key> = LazyLock::new(|| Key::ed25519("ed"));
/// Signs assertions.
pub static ASSERTION: LazyLock<Key> = LazyLock::new(|| Key::ed25519("assertion-1"));

/// One key of each kind.
pub fn all() -> [&'static Key; 6] {
    [&HMAC, &RSA, &P256, &P384, &P521, &ED25519]
}

/// The default issuer's key for an algorithm.
pub fn key_for(algorithm: &str) -> &'static Key {
    match algorithm {
        "ES256" => &P256,
        "ES384" => &P384,
        "ES512" => &P521,
        "EdDSA" => &ED25519,
        _ if algorithm.starts_with("HS") => &HMAC,
        _ => &RSA,
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    now_millis().div_euclid(1_000)
}

/// Milliseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "a client has a clock of its own")]
pub fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Claims that the default provider accepts for the next five minutes.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": now(),
        "exp": now() + 300,
        "jti": format!("id-{}", STANDARD.encode(random(9))),
    })
}

/// [`claims`] with these members added or replaced; `null` removes one.
pub fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap().clone() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(&name),
            _ => claims.as_object_mut().unwrap().insert(name, value),
        };
    }
    claims
}

/// A good ES256 token of the default issuer.
pub fn token() -> String {
    P256.token("ES256", &claims())
}

/// A good ES256 token with these changes to its claims.
pub fn token_with(changes: Value) -> String {
    P256.token("ES256", &claims_with(changes))
}

/// A JWK Set with the public halves (and the HMAC secrets) of these keys.
pub fn jwks(keys: &[&Key]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// The private JWK that signs assertions.
pub fn assertion_jwk() -> Value {
    ASSERTION.private_jwk()
}

/// A compact JWS of exactly these bytes, with the signature that `sign` makes of its input.
pub fn raw_token(
    header: impl AsRef<[u8]>,
    claims: impl AsRef<[u8]>,
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> String {
    let input = format!("{}.{}", base64url(header.as_ref()), base64url(claims.as_ref()));
    let signature = base64url(&sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// HMAC-SHA-256 with any bytes as the key.
pub fn hs256(secret: &[u8], input: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input).as_ref().to_vec()
}

/// base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of base64url without padding.
pub fn from_base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// So many random bytes.
pub fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

impl Key {
    /// A new secret of 64 characters, enough for every hash. It is text, so that it can also be
    /// given to programs that take nothing else.
    pub fn hmac(kid: &'static str) -> Self {
        Self { kid, secret: Secret::Hmac(base64url(&random(48)).into_bytes()) }
    }

    /// A new RSA key of 2048 bits.
    pub fn rsa(kid: &'static str) -> Self {
        Self { kid, secret: Secret::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    /// A new key on a NIST curve.
    pub fn ec(kid: &'static str, curve: &'static str) -> Self {
        let algorithm = match curve {
            "P-256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
            "P-384" => &ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        Self { kid, secret: Secret::Ec(curve, EcdsaKeyPair::generate(algorithm).unwrap()) }
    }

    /// A new Ed25519 key.
    pub fn ed25519(kid: &'static str) -> Self {
        Self { kid, secret: Secret::Ed(Ed25519KeyPair::generate().unwrap()) }
    }

    /// The public JWK; for HMAC the secret one, as there is no other.
    pub fn jwk(&self) -> Value {
        match &self.secret {
            Secret::Hmac(secret) => {
                json!({ "kty": "oct", "kid": self.kid, "k": base64url(secret) })
            }
            Secret::Rsa(pair) => json!({
                "kty": "RSA",
                "kid": self.kid,
                "n": base64url(pair.public_key().modulus().big_endian_without_leading_zero()),
                "e": base64url(pair.public_key().exponent().big_endian_without_leading_zero()),
            }),
            Secret::Ec(curve, pair) => {
                // 0x04, then both coordinates (SEC 1 section 2.3.3).
                let (x, y) = pair.public_key().as_ref()[1..]
                    .split_at((pair.public_key().as_ref().len() - 1) / 2);
                json!({
                    "kty": "EC", "kid": self.kid, "crv": curve,
                    "x": base64url(x), "y": base64url(y),
                })
            }
            Secret::Ed(pair) => json!({
                "kty": "OKP", "kid": self.kid, "crv": "Ed25519",
                "x": base64url(pair.public_key().as_ref()),
            }),
        }
    }

    /// The private JWK of an Ed25519 or EC key.
    pub fn private_jwk(&self) -> Value {
        let private = match &self.secret {
            Secret::Ed(pair) => base64url(pair.seed().unwrap().as_be_bytes().unwrap().as_ref()),
            Secret::Ec(_, pair) => base64url(pair.private_key().as_be_bytes().unwrap().as_ref()),
            Secret::Hmac(_) | Secret::Rsa(_) => panic!("no test needs the JWK of {}", self.kid),
        };
        self.jwk_with(json!({ "d": private }))
    }

    /// The public JWK with other members.
    pub fn jwk_with(&self, changes: Value) -> Value {
        let mut jwk = self.jwk();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// The public key as SPKI in DER.
    pub fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &self.secret {
            Secret::Hmac(_) => panic!("a secret has no public half"),
            Secret::Rsa(pair) => pair.public_key().as_der().unwrap(),
            Secret::Ec(_, pair) => pair.public_key().as_der().unwrap(),
            Secret::Ed(pair) => pair.public_key().as_der().unwrap(),
        };
        der.as_ref().to_vec()
    }

    /// The public key as SPKI in PEM.
    pub fn pem(&self) -> String {
        armor("PUBLIC KEY", &self.spki())
    }

    /// The signature of an algorithm over these bytes, in the form that JWS wants.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match &self.secret {
            Secret::Hmac(secret) => {
                let hash = match algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec()
            }
            Secret::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &rng, message, &mut signature).unwrap();
                signature
            }
            Secret::Ec(_, pair) => pair.sign(&rng, message).unwrap().as_ref().to_vec(),
            Secret::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with `typ` JWT and this key's `kid`, made by `jsonwebtoken` where it can (it has
    /// no P-521).
    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        let Ok(named) = algorithm.parse() else {
            return self.token_with_header(&json!({ "alg": algorithm }), claims);
        };
        let mut header = jsonwebtoken::Header::new(named);
        header.kid = Some(self.kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.encoding_key()).unwrap()
    }

    /// A token whose header has these members beside `typ` and `kid`; `null` removes one. The
    /// signature is the one of its `alg`.
    pub fn token_with_header(&self, changes: &Value, claims: &Value) -> String {
        let mut header = json!({ "typ": "JWT", "kid": self.kid });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => header.as_object_mut().unwrap().remove(name),
                _ => header.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        let algorithm = header["alg"].as_str().unwrap_or_default().to_owned();
        raw_token(header.to_string(), claims.to_string(), |input| self.sign(&algorithm, input))
    }

    fn encoding_key(&self) -> EncodingKey {
        match &self.secret {
            Secret::Hmac(secret) => EncodingKey::from_secret(secret),
            Secret::Rsa(pair) => {
                let pkcs8 = pair.as_der().unwrap();
                let pkcs8: &aws_lc_rs::encoding::Pkcs8V1Der<'_> = &pkcs8;
                let pem = armor("PRIVATE KEY", pkcs8.as_ref());
                EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
            }
            Secret::Ec(_, pair) => EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
            Secret::Ed(pair) => EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref()),
        }
    }
}

/// PEM (RFC 7468) with lines of 64 characters.
pub fn armor(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
