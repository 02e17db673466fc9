//! The text of a secret, of whatever kind it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use edgeward::core::keys::{Material, VerificationKey};
use edgeward::core::secret::{
    self, AssertionMaterial, MAX_SECRET_BYTES, ParsedSecret, parse_assertion_key, parse_client_key,
};
use serde_json::Value;

use super::model::{self, Read};

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check_text(text);
}

/// Checks a text.
pub fn check_text(text: &str) {
    let read = secret::parse("JWT_KEYS", text);
    match &read {
        Ok(parsed) => check_parsed(text, parsed),
        Err(error) => {
            assert_eq!(error.binding, "JWT_KEYS");
            assert_hides(text, &format!("{error} {error:?}"));
        }
    }
    match parse_assertion_key("ASSERTION_KEY", text) {
        Ok(key) => {
            let private = match &key.material {
                AssertionMaterial::Ed25519 { d, .. } => d.expose(),
                AssertionMaterial::Hmac(secret) => secret.expose(),
            };
            assert!(private.len() >= 32);
        }
        Err(error) => assert_hides(text, &format!("{error} {error:?}")),
    }
    match parse_client_key("CLIENT_KEY", text) {
        Ok(key) => {
            // What holds a private key is no verification key.
            assert!(read.is_err());
            assert!(key.jwk.expose().starts_with(b"{"));
        }
        Err(error) => assert_hides(text, &format!("{error} {error:?}")),
    }
}

fn check_parsed(text: &str, parsed: &ParsedSecret) {
    assert!(text.len() <= MAX_SECRET_BYTES && !parsed.keys.is_empty());
    assert_hides(text, &format!("{:?} {:?}", parsed.warnings, parsed.format));
    for key in &parsed.keys {
        check_key(key);
    }
    // A newline at the end changes nothing, nor do quotation marks and base64 around JSON or public keys. What
    // is any other text is a shared secret, and base64 of it is another.
    let is_plain = !text.trim().starts_with(['"', '\'']) && !text.contains(['\\', '\u{feff}']);
    let again = |text: &str| secret::parse("JWT_KEYS", text).ok().map(|parsed| parsed.keys);
    let is_secret = |key: &VerificationKey| matches!(key.material, Material::Hmac(_));
    let is_marked = text.starts_with('{') || !parsed.keys.iter().any(is_secret);
    if is_plain && is_marked && parsed.format.layers.is_empty() {
        assert!(again(&format!("{text}\n")).as_ref() == Some(&parsed.keys), "a newline");
        assert!(again(&format!("'{text}'")).as_ref() == Some(&parsed.keys), "quotation marks");
        let encoded = STANDARD.encode(text);
        if encoded.len() <= MAX_SECRET_BYTES {
            // Bytes that nobody prints are no text to what decodes: never another key, but none at all.
            let is_printed = !text.contains(|one: char| one.is_control() && !one.is_whitespace());
            let decoded = again(&encoded);
            let same = decoded.as_ref() == Some(&parsed.keys);
            assert!(same || (decoded.is_none() && !is_printed), "base64");
        }
    }
}

fn check_key(key: &VerificationKey) {
    match &key.material {
        Material::Hmac(secret) => {
            let bytes = secret.expose();
            assert!(bytes.len() >= 32, "{}", bytes.len());
            // Bytes that only begin like JSON were chosen by whoever encoded them.
            let is_json =
                matches!(model::json(bytes), Read::Value(Value::Object(_) | Value::Array(_)));
            let is_pem = String::from_utf8_lossy(bytes).contains("-----BEGIN");
            assert!(!is_json && !is_pem, "known to everybody");
        }
        Material::Rsa { n, e } => assert!((256..=1024).contains(&n.len()) && e.len() <= 4),
        Material::Ec { curve, x, y } => {
            assert_eq!((x.len(), y.len()), (curve.coordinate_bytes(), curve.coordinate_bytes()));
        }
        Material::Ed25519 { .. } => {}
    }
}

/// No 24 characters in a row that could be a key are shown. A `kid` may be, and is no key.
fn assert_hides(text: &str, shown: &str) {
    if text.contains("kid") {
        return;
    }
    let is_of_key = |one: char| one.is_ascii_alphanumeric() || "+/-_=".contains(one);
    let runs = text.split(|one: char| !is_of_key(one)).filter(|run| run.len() >= 24);
    for run in runs.take(16) {
        for part in run.as_bytes().windows(24).take(64) {
            let part = std::str::from_utf8(part).expect("it is ASCII");
            // Our own words, such as those of the mend, are no secret.
            assert!(!shown.contains(part) || OURS.iter().any(|own| own.contains(part)), "{shown}");
        }
    }
}

const OURS: [&str; 1] = ["-----"];
