use serde_json::{Value, json};

use super::*;
use crate::core::algorithm::Algorithm;

/// The message of a JWK that stands alone, without its beginning.
fn fault(jwk: &Value) -> String {
    let message = message(&jwk.to_string());
    message.strip_prefix("JWT_KEYS (read as JWK): ").unwrap().to_owned()
}

/// A modulus of so many bits, odd or even.
fn modulus(bits: usize, last: u8) -> String {
    let mut n = vec![0xff_u8; bits / 8];
    *n.last_mut().unwrap() = last;
    base64url(n)
}

#[test]
fn each_unfit_jwk_gets_its_diagnosis() {
    let wrong = |member: &str| {
        format!(
            "the member {member} of the JWK is not base64url without padding (RFC 7515 section \
             2); encode it again"
        )
    };
    let exponent = "the RSA exponent must be odd, at least 3 and at most 32 bits long; have the \
                    issuer sign with a sound key, usually with exponent 65537"
        .to_owned();
    let curve = "the crv of the JWK is not supported for its kty; use EC with P-256, P-384 or \
                 P-521, or OKP with Ed25519"
        .to_owned();
    let order = "the Ed25519 key is a point of small order, for which anyone can sign; use a key \
                 that was generated properly"
        .to_owned();
    let not_sig = "the use of the JWK is not \"sig\", so it never verifies; store the signing key";
    let not_verify = "the key_ops of the JWK do not contain \"verify\"; store a key that may, or \
                      leave key_ops out";
    let oct = |k: &str, alg: &str| json!({ "kty": "oct", "k": k, "alg": alg });
    let zero48 = base64url([0; 48]);
    let p256_x = jwk("p256", json!({}))["x"].as_str().unwrap().to_owned();
    let cases: Vec<(Value, String)> = vec![
        (jwk("rsa", json!({ "kty": null })), "the JWK has no kty; add it from the key's source".into()),
        (jwk("rsa", json!({ "n": null })), "the JWK has no n; add it from the key's source".into()),
        (jwk("p256", json!({ "y": null })), "the JWK has no y; add it from the key's source".into()),
        (jwk("p256", json!({ "crv": null })), "the JWK has no crv; add it from the key's source".into()),
        (jwk("rsa", json!({ "e": 65537 })), "the member e of the JWK must be a string".into()),
        (jwk("rsa", json!({ "kid": 1 })), "the member kid of the JWK must be a string".into()),
        (jwk("rsa", json!({ "alg": ["RS256"] })), "the member alg of the JWK must be a string".into()),
        (jwk("rsa", json!({ "key_ops": "verify" })), "the member key_ops of the JWK must be an array of strings".into()),
        (jwk("rsa", json!({ "key_ops": ["verify", 1] })), "the member key_ops of the JWK must be an array of strings".into()),
        (jwk("rsa", json!({ "kty": "rsa" })), "the kty of the JWK is none of RSA, EC, OKP and oct; use a key of one of these".into()),
        (jwk("rsa", json!({ "use": "enc" })), not_sig.into()),
        (jwk("rsa", json!({ "key_ops": ["encrypt"] })), not_verify.into()),
        (jwk("rsa", json!({ "key_ops": [] })), not_verify.into()),
        (jwk("rsa", json!({ "alg": "RSA-OAEP" })), "the alg of the JWK is none of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA; use a key for one of these".into()),
        (jwk("rsa", json!({ "alg": "ES256" })), "the alg ES256 of the JWK does not fit its kty and crv; correct it or leave it out".into()),
        (jwk("rsa", json!({ "alg": "HS256" })), "the alg HS256 of the JWK does not fit its kty and crv; correct it or leave it out".into()),
        (jwk("p256", json!({ "alg": "ES384" })), "the alg ES384 of the JWK does not fit its kty and crv; correct it or leave it out".into()),
        // RSA numbers.
        (jwk("rsa", json!({ "n": modulus(1024, 1) })), "the RSA key has 1024 bits and needs at least 2048; have the issuer sign with a larger key".into()),
        (jwk("rsa", json!({ "n": base64url([&[0; 8][..], &[0x7f; 256]].concat()) })), "the RSA key has 2047 bits and needs at least 2048; have the issuer sign with a larger key".into()),
        (jwk("rsa", json!({ "n": "" })), "the RSA key has 0 bits and needs at least 2048; have the issuer sign with a larger key".into()),
        (jwk("rsa", json!({ "n": modulus(32_768, 1) })), "the RSA key has 32768 bits and the limit is 8192; have the issuer sign with a smaller key".into()),
        (jwk("rsa", json!({ "n": modulus(2048, 2) })), "the RSA modulus is even, so this is no RSA key; copy the key from its source again".into()),
        (jwk("rsa", json!({ "e": "" })), exponent.clone()),
        (jwk("rsa", json!({ "e": "AA" })), exponent.clone()),
        (jwk("rsa", json!({ "e": "AQ" })), exponent.clone()),
        (jwk("rsa", json!({ "e": "AAAB" })), exponent.clone()),
        (jwk("rsa", json!({ "e": "Ag" })), exponent.clone()),
        (jwk("rsa", json!({ "e": "AQAA" })), exponent.clone()),
        (jwk("rsa", json!({ "e": "AQAAAAE" })), exponent),
        // Points.
        (jwk("p256", json!({ "x": zero48 })), "a coordinate has 48 bytes and P-256 needs 32; copy the key from its source again".into()),
        (jwk("p256", json!({ "x": base64url([1; 31]) })), "a coordinate has 31 bytes and P-256 needs 32; copy the key from its source again".into()),
        (jwk("p521", json!({ "y": base64url([1; 65]) })), "a coordinate has 65 bytes and P-521 needs 66; copy the key from its source again".into()),
        (jwk("p384", json!({ "x": zero48, "y": zero48 })), "the point is zero, so this is no key; copy the key from its source again".into()),
        (jwk("p256", json!({ "crv": "secp256k1" })), curve.clone()),
        (jwk("p256", json!({ "crv": "Ed25519" })), curve.clone()),
        (jwk("ed", json!({ "crv": "X25519" })), curve.clone()),
        (jwk("ed", json!({ "crv": "Ed448" })), curve),
        (jwk("ed", json!({ "x": base64url([1; 33]) })), "the Ed25519 key has 33 bytes and needs 32; copy the key from its source again".into()),
        (jwk("ed", json!({ "x": base64url([0; 32]) })), order.clone()),
        (jwk("ed", json!({ "x": base64url([&[1_u8][..], &[0; 30], &[0x80]].concat()) })), order.clone()),
        (jwk("ed", json!({ "x": "7P_______________________________________38" })), order.clone()),
        (jwk("ed", json!({ "x": "7f________________________________________8" })), order.clone()),
        (jwk("ed", json!({ "x": "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU" })), order.clone()),
        (jwk("ed", json!({ "x": "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o" })), order),
        // Encoding: padding, standard alphabet, unused bits, whitespace.
        (jwk("rsa", json!({ "e": "AQAB=" })), wrong("e")),
        (jwk("p256", json!({ "x": format!("{p256_x}=") })), wrong("x")),
        (jwk("p256", json!({ "x": base64([0xfb; 32]).trim_end_matches('=') })), wrong("x")),
        (jwk("p256", json!({ "x": format!("{p256_x} ") })), wrong("x")),
        (jwk("rsa", json!({ "e": "AR" })), wrong("e")),
        // Secrets.
        (oct(&base64url([7; 31]), "HS256"), "the HMAC key is 31 bytes long and needs at least 32; use a longer one, such as `openssl rand -hex 64` prints".into()),
        (oct(&base64url([7; 32]), "HS512"), "the HMAC key is 32 bytes long and HS512 needs at least 64; use a longer one".into()),
        (oct(&base64url(RSA_SPKI), "HS256"), "the bytes of k are themselves JSON, a public key or a private key, which never serve as an HMAC key; store a public key as it is".into()),
        (oct(&base64url(der(RSA_SPKI)), "HS256"), "the bytes of k are themselves JSON, a public key or a private key, which never serve as an HMAC key; store a public key as it is".into()),
    ];
    for (jwk, expected) in cases {
        assert_eq!(fault(&jwk), expected, "{jwk}");
    }
}

#[test]
fn a_member_that_occurs_twice_is_refused() {
    let text = jwk("ed", json!({})).to_string();
    for doubled in [
        text.replacen('{', "{\"kid\":\"a\",", 1),
        text.replacen('{', "{\"\\u006bid\":\"a\",", 1),
        format!("{{\"keys\":[{}]}}", text.replacen('{', "{\"x\":\"a\",", 1)),
    ] {
        assert!(message(&doubled).contains("two members of one name"), "{doubled}");
    }
}

#[test]
fn every_private_member_counts_even_when_it_is_null() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"] {
        let mut jwk = jwk("p256", json!({}));
        jwk[member] = Value::Null;
        assert!(fault(&jwk).starts_with("a private key does not belong here"), "{member}");
        let set = json!({ "keys": [jwk] });
        assert!(message(&set.to_string()).contains("a private key does not belong here"));
    }
}

#[test]
fn leading_zeros_of_rsa_numbers_do_not_count() {
    let plain = jwk("rsa", json!({}));
    let n = URL_SAFE_NO_PAD.decode(plain["n"].as_str().unwrap()).unwrap();
    let padded = jwk("rsa", json!({ "n": base64url([&[0, 0][..], &n].concat()), "e": "AAEAAQ" }));
    let [padded, plain] = [padded, plain].map(|jwk| good(&jwk.to_string()));
    assert!(padded.keys == plain.keys);
}

#[test]
fn the_limits_of_rsa_are_inside() {
    for (n, e) in [(2048, "Aw"), (8192, "_____w")] {
        let text = jwk("rsa", json!({ "n": modulus(n, 1), "e": e })).to_string();
        assert_eq!(families(&text), [Family::Rsa]);
    }
}

#[test]
fn kid_and_alg_of_a_jwk_stay_with_the_key() {
    let parsed = good(JWKS);
    let kids: Vec<_> = parsed.keys.iter().map(|key| key.kid.as_deref().unwrap()).collect();
    assert_eq!(kids, ["rsa", "p256", "p384", "p521", "ed"]);
    assert_eq!(parsed.keys[0].algorithm, Some(Algorithm::Rs256));
    assert!(!parsed.keys[0].serves(Algorithm::Rs512));
    assert_eq!(parsed.keys[1].algorithm, None);
}

#[test]
fn broken_neighbours_are_skipped_with_index_and_kid() {
    let set = json!({ "keys": [
        7,
        jwk("rsa", json!({ "use": "enc", "kid": "enc" })),
        jwk("p256", json!({})),
        jwk("ed", json!({ "crv": "X25519", "kid": null })),
    ] });
    let parsed = good(&set.to_string());
    assert_eq!(parsed.keys.len(), 1);
    assert_eq!(
        parsed.warnings,
        [
            "a key was skipped, keys[0] without kid: it is not an object; put a JWK there",
            "a key was skipped, keys[1] with kid \"enc\": the use of the JWK is not \"sig\", so it \
             never verifies; store the signing key",
            "a key was skipped, keys[3] without kid: the crv of the JWK is not supported for its \
             kty; use EC with P-256, P-384 or P-521, or OKP with Ed25519",
        ]
    );
}

#[test]
fn a_set_without_a_usable_key_says_why_for_each_of_the_first_five() {
    let unfit = jwk("rsa", json!({ "kty": "AKP" }));
    let message = message(&json!({ "keys": vec![unfit; 7] }).to_string());
    assert!(message.starts_with(
        "JWT_KEYS (read as JWK Set): none of its keys can verify: keys[0] with kid \"rsa\": the \
         kty of the JWK is none of RSA, EC, OKP and oct; use a key of one of these / keys[1] with"
    ));
    assert!(message.ends_with("/ and 2 more"));
    assert!(!message.contains("keys[5]"));
}

#[test]
fn a_set_that_is_empty_or_no_array_says_so() {
    assert_eq!(
        message("{\"keys\":[]}"),
        "JWT_KEYS (read as JWK Set): the set is empty; store the set with at least one key"
    );
    assert_eq!(
        message("{\"keys\":\"abc\"}"),
        "JWT_KEYS (read as JWK Set): its member keys is not an array; store a JWK Set \
         {\"keys\":[...]}"
    );
}

#[test]
fn a_kid_in_a_message_is_short_and_harmless() {
    let kid = format!("a\"\r\n\u{1b}[31m\u{202e}{}", "b".repeat(100));
    let warnings = good(
        &json!({ "keys": [jwk("rsa", json!({ "kid": kid, "use": "enc" })), jwk("ed", json!({}))] })
            .to_string(),
    )
    .warnings;
    assert!(
        warnings[0]
            .contains(&format!("kid \"a\\\"\\r\\n\\u{{1b}}[31m\\u{{202e}}{}...\"", "b".repeat(54))),
        "{}",
        warnings[0]
    );
}

#[test]
fn different_keys_of_one_family_under_one_kid_are_reported_once() {
    let n = modulus(2048, 3);
    let set = json!({ "keys": [
        jwk("rsa", json!({})),
        jwk("rsa", json!({ "n": n })),
        jwk("rsa", json!({ "n": modulus(2048, 5) })),
        jwk("ed", json!({ "kid": "rsa" })),
        jwk("rsa", json!({ "alg": "RS512" })),
    ] });
    let parsed = good(&set.to_string());
    assert_eq!(parsed.keys.len(), 5);
    assert_eq!(
        parsed.warnings,
        ["different keys of one family share the kid \"rsa\"; give each its own"]
    );
}
