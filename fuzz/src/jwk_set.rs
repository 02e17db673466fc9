//! A JWK Set, as an issuer publishes it, as KV keeps it and as a secret holds it.

use edgeward::core::algorithm::Algorithm;
use edgeward::core::json::parse_strict;
use edgeward::core::keys::{Material, VerificationKey};
use edgeward::core::remote_keys::{KeptSet, jwks_uri};
use edgeward::core::sealed::{MOST_VALUE_BYTES, Purpose};
use edgeward::core::secret::{self, MAX_KEYS};
use serde_json::{Value, json};

use super::fixture::{ISSUER, NOW, sealing_key};

/// Checks an input.
pub fn check(data: &[u8]) {
    if let Ok(url) = jwks_uri(data, ISSUER) {
        assert!(url.starts_with("https://"), "{url}");
    }
    let Ok(set) = parse_strict(data) else { return };
    let published = secret::published(&set);
    let Ok((keys, warnings)) = published else { return };
    let listed = set["keys"].as_array().expect("it has keys");
    assert!(!keys.is_empty() && keys.len() <= MAX_KEYS && listed.len() <= MAX_KEYS);
    for (at, key) in keys.iter().enumerate() {
        assert!(!keys[..at].contains(key), "twice");
        check_published(key, listed);
    }
    for warning in &warnings {
        assert!(!warning.contains('\n'), "{warning:?}");
    }
    check_kept(&set, &keys);
    check_as_secret(data, &set, &keys);
}

/// A published key is public, is what one entry says, and is the same when it is written and read again.
fn check_published(key: &VerificationKey, listed: &[Value]) {
    if let Material::Hmac(_) = key.material {
        panic!("a shared secret that everybody can read");
    }
    let is_entry = |entry: &&Value| entry["kid"].as_str() == key.kid.as_deref();
    let entry = listed.iter().find(is_entry).expect("an entry of its name");
    assert!(entry.get("d").is_none() || listed.iter().filter(is_entry).count() > 1);
    let mut jwk = key.material.public_jwk().expect("it is public");
    for (name, value) in [("kid", key.kid.as_deref()), ("alg", key.algorithm.map(Algorithm::name))]
    {
        if let Some(value) = value {
            jwk[name] = value.into();
        }
    }
    let (again, warnings) = secret::published(&json!({ "keys": [jwk] })).expect("it was good");
    assert_eq!(warnings, [""; 0]);
    assert!(again.as_slice() == std::slice::from_ref(key), "it is another one");
    match &key.material {
        Material::Rsa { n, e } => {
            assert!((256..=1024).contains(&n.len()) && n[0] != 0);
            assert!(n[n.len() - 1] % 2 == 1 && e[e.len() - 1] % 2 == 1 && e != &[1]);
        }
        Material::Ec { curve, x, y } => {
            assert_eq!((x.len(), y.len()), (curve.coordinate_bytes(), curve.coordinate_bytes()));
        }
        Material::Ed25519 { .. } | Material::Hmac(_) => {}
    }
}

/// KV gives back the set that was put there.
fn check_kept(set: &Value, keys: &[VerificationKey]) {
    let (key, kv_key) = (sealing_key(Purpose::KeySet), Purpose::KeySet.kv_key(ISSUER));
    match KeptSet::seal(&key, &kv_key, set, NOW) {
        Some(value) => {
            let kept = KeptSet::open(&key, &kv_key, &value, NOW, 0).expect("it was sealed");
            assert!(kept.fetched_at == NOW && kept.keys == keys);
        }
        None => assert!(set.to_string().len() + 100 > MOST_VALUE_BYTES),
    }
}

/// As a secret, it has these keys, and perhaps shared secrets besides.
fn check_as_secret(data: &[u8], set: &Value, keys: &[VerificationKey]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let (Ok(parsed), Value::Object(_)) = (secret::parse("JWT_KEYS", text), set) {
        assert!(keys.iter().all(|key| parsed.keys.contains(key)));
        let is_secret = |key: &&VerificationKey| matches!(key.material, Material::Hmac(_));
        assert_eq!(parsed.keys.iter().filter(|key| !is_secret(key)).count(), keys.len());
    }
}
