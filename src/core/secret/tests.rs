//! The fixtures are described in `tests/fixtures/keys/README.md`.

mod assertion;
mod formats;
mod jwk;
mod mistakes;
mod properties;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{ParsedSecret, parse};
use crate::core::algorithm::Family;
use crate::core::keys::Material;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name))
    };
}

const RSA_SPKI: &str = fixture!("rsa2048.spki.pem");
const RSA_PKCS1: &str = fixture!("rsa2048.pkcs1.pem");
const RSA_CERT: &str = fixture!("rsa2048.cert.pem");
const RSA_1024: &str = fixture!("rsa1024.spki.pem");
const RSA_PSS: &str = fixture!("rsapss.spki.pem");
const RSA_PRIVATE_PKCS1: &str = fixture!("rsa2048.private.pkcs1.pem");
const RSA_PRIVATE_PKCS8: &str = fixture!("rsa2048.private.pkcs8.pem");
const RSA_PRIVATE_JWK: &str = fixture!("rsa2048.private.jwk.json");
const CHAIN: &str = fixture!("chain.cert.pem");
const P256: &str = fixture!("p256.spki.pem");
const P256_COMPRESSED: &str = fixture!("p256.compressed.spki.pem");
const P256_EXPLICIT: &str = fixture!("p256.explicit.spki.pem");
const P256_PRIVATE_SEC1: &str = fixture!("p256.private.sec1.pem");
const P256_PRIVATE_ENCRYPTED: &str = fixture!("p256.private.encrypted.pem");
const P384: &str = fixture!("p384.spki.pem");
const P521: &str = fixture!("p521.spki.pem");
const SECP256K1: &str = fixture!("secp256k1.spki.pem");
const ED25519: &str = fixture!("ed25519.spki.pem");
const ED25519_PRIVATE_PKCS8: &str = fixture!("ed25519.private.pkcs8.pem");
const ED25519_PRIVATE_JWK: &str = fixture!("ed25519.private.jwk.json");
const ED25519_PRIVATE_OPENSSH: &str = fixture!("ed25519.private.openssh.pem");
const ED25519_SSH: &str = fixture!("ed25519.ssh.pub");
const X25519: &str = fixture!("x25519.spki.pem");
const JWKS: &str = fixture!("set.jwks.json");

/// 40 characters that are no base64, no name and no JSON.
const RAW: &str = "correct-horse!battery?staple.and+more~40";

/// The body of a PEM text, which is base64 of its DER.
fn body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(body(pem)).unwrap()
}

fn base64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(digit.into(), 16).unwrap())
        .collect()
}

fn good(text: &str) -> ParsedSecret {
    parse("JWT_KEYS", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn families(text: &str) -> Vec<Family> {
    good(text).keys.iter().map(|key| key.material.family()).collect()
}

fn message(text: &str) -> String {
    match parse("JWT_KEYS", text) {
        Err(error) => error.to_string(),
        Ok(parsed) => panic!("accepted as {}", parsed.format),
    }
}

fn secret_of(parsed: &ParsedSecret) -> &[u8] {
    match &parsed.keys[0].material {
        Material::Hmac(secret) => secret.expose(),
        _ => panic!("not an HMAC key"),
    }
}

/// One JWK of the fixture, with members replaced, or removed by null.
fn jwk(kid: &str, changes: serde_json::Value) -> serde_json::Value {
    let set: serde_json::Value = serde_json::from_str(JWKS).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let mut jwk = keys.iter().find(|key| key["kid"] == kid).unwrap().as_object().unwrap().clone();
    let serde_json::Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        if value.is_null() {
            jwk.remove(&name);
        } else {
            jwk.insert(name, value);
        }
    }
    jwk.into()
}
