use serde_json::{Value, json};

use super::*;
use crate::core::secret::{
    AssertionKey, AssertionMaterial, parse_assertion_key, parse_public_half,
};

/// RFC 8037 appendix A.1: the private key whose thumbprint appendix A.3 gives.
const RFC8037: &str = r#"{"kty":"OKP","crv":"Ed25519",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn read(text: &str) -> AssertionKey {
    parse_assertion_key("ASSERTION_KEY", text).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    parse_assertion_key("ASSERTION_KEY", text).expect_err("must be refused").to_string()
}

fn oct(changes: Value) -> String {
    let mut jwk = json!({ "kty": "oct", "k": base64url([9; 32]) });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    jwk.as_object_mut().unwrap().extend(changes);
    jwk.to_string()
}

fn okp(changes: Value) -> String {
    let mut jwk: Value = serde_json::from_str(ED25519_PRIVATE_JWK).unwrap();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    jwk.as_object_mut().unwrap().extend(changes);
    jwk.to_string()
}

#[test]
fn an_ed25519_key_without_kid_is_named_by_its_thumbprint() {
    let key = read(RFC8037);
    assert_eq!(key.kid.as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    assert_eq!(
        key.public_jwk().unwrap(),
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "use": "sig",
            "alg": "EdDSA",
        })
    );
    let AssertionMaterial::Ed25519 { d, .. } = &key.material else { panic!("not Ed25519") };
    assert_eq!(base64url(d.expose()), "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
}

#[test]
fn a_kid_that_is_given_is_kept() {
    assert_eq!(read(&okp(json!({ "kid": "a" }))).public_jwk().unwrap()["kid"], "a");
    assert_eq!(read(&oct(json!({ "kid": "b" }))).kid.as_deref(), Some("b"));
}

#[test]
fn the_public_half_of_another_key_is_taken_as_it_is_published() {
    for own in [read(RFC8037), read(&okp(json!({ "kid": "a" })))] {
        let public = own.public_jwk().unwrap();
        assert_eq!(parse_public_half(&public), Some(public));
    }
    let public = read(RFC8037).public_jwk().unwrap();
    let mut nameless = public.clone();
    nameless
        .as_object_mut()
        .unwrap()
        .retain(|name, _| ["kty", "crv", "x"].contains(&name.as_str()));
    assert_eq!(parse_public_half(&nameless), Some(public.clone()));
    let but = |members: Value| {
        let mut jwk = public.clone();
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    };
    for other in [
        serde_json::from_str(RFC8037).unwrap(),
        but(json!({ "d": "" })),
        but(json!({ "x": "AAAA" })),
        but(json!({ "x": "A".repeat(43) })),
        but(json!({ "crv": "X25519" })),
        but(json!({ "use": "enc" })),
        but(json!({ "alg": "ES256" })),
        but(json!({ "kid": 1 })),
        serde_json::from_str(&oct(json!({}))).unwrap(),
        json!([public]),
        json!(public.to_string()),
        Value::Null,
    ] {
        assert_eq!(parse_public_half(&other), None, "{other}");
    }
}

#[test]
fn a_symmetric_key_has_no_public_half_and_no_name_from_its_bytes() {
    let key = read(&oct(json!({ "alg": "HS256" })));
    assert_eq!(key.kid, None);
    assert_eq!(key.public_jwk(), None);
    assert!(matches!(key.material, AssertionMaterial::Hmac(secret) if secret.expose() == [9; 32]));
}

#[test]
fn the_wrappings_of_verification_keys_are_opened_here_too() {
    let wrapper = json!({ "signingKey": RFC8037 }).to_string();
    for text in [
        format!("\n{RFC8037}\n"),
        format!("'{RFC8037}'"),
        base64(RFC8037),
        wrapper.clone(),
        base64(wrapper),
        format!("{{\"value\":{RFC8037}}}"),
    ] {
        assert_eq!(read(&text).kid, read(RFC8037).kid, "{text}");
    }
}

#[test]
fn debug_shows_nothing_private() {
    let shown = format!("{:?}", read(RFC8037));
    assert!(shown.contains("SecretBytes(32 bytes)"), "{shown}");
    assert!(!shown.contains("97, 177"), "{shown}");
}

#[test]
fn each_unfit_assertion_key_gets_its_diagnosis() {
    const NOT_A_JWK: &str = "the assertion key must be a private JWK; store \
         {\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"...\",\"x\":\"...\"}, or \
         {\"kty\":\"oct\",\"k\":\"...\"} with the base64url of at least 32 random bytes";
    const KIND: &str = "assertions are signed with Ed25519 or HS256; store a JWK with kty OKP and \
                        crv Ed25519, or with kty oct";
    const ALG: &str = "the alg of the JWK does not fit an assertion key; use EdDSA with OKP, \
                       HS256 with oct, or leave it out";
    let cases: Vec<(String, &str, &str)> = vec![
        (ED25519_PRIVATE_PKCS8.into(), "PEM private key", NOT_A_JWK),
        (body(ED25519_PRIVATE_PKCS8), "base64 of DER private key", NOT_A_JWK),
        (ED25519.into(), "PEM SPKI public key", NOT_A_JWK),
        (ED25519_PRIVATE_PKCS8[..40].into(), "PEM private key", NOT_A_JWK),
        (ED25519[..60].into(), "PEM", NOT_A_JWK),
        (ED25519_SSH.into(), "SSH key", NOT_A_JWK),
        (RAW.into(), "raw HMAC secret", NOT_A_JWK),
        ("short".into(), "raw HMAC secret", NOT_A_JWK),
        ("base64:!".into(), "base64: HMAC secret", NOT_A_JWK),
        (
            String::new(),
            "empty text",
            "it holds no secret; set it with `wrangler secret put ASSERTION_KEY`",
        ),
        (
            "ASSERTION_KEY".into(),
            "text",
            "it is or begins with the name of a binding; store the value alone",
        ),
        (
            JWKS.into(),
            "JWK Set",
            "the assertion key must be one private JWK, not a set; store the one JWK that signs",
        ),
        (
            jwk("ed", json!({})).to_string(),
            "JWK",
            "the JWK is only the public half and cannot sign; store the private JWK, which has the \
             member d",
        ),
        (RSA_PRIVATE_JWK.into(), "JWK", KIND),
        (okp(json!({ "crv": "Ed448" })), "JWK", KIND),
        (okp(json!({ "alg": "ES256" })), "JWK", ALG),
        (oct(json!({ "alg": "HS512" })), "JWK", ALG),
        (
            okp(json!({ "d": base64url([1; 31]) })),
            "JWK",
            "the member d of the JWK has 31 bytes and Ed25519 needs 32; copy the key from its \
             source again",
        ),
        (
            okp(json!({ "x": base64url([1; 31]) })),
            "JWK",
            "the Ed25519 key has 31 bytes and needs 32; copy the key from its source again",
        ),
        (
            okp(json!({ "x": base64url([0; 32]) })),
            "JWK",
            "the Ed25519 key is a point of small order, for which anyone can sign; use a key that \
             was generated properly",
        ),
        (
            okp(json!({ "use": "enc" })),
            "JWK",
            "the use of the JWK is not \"sig\", so it never verifies; store the signing key",
        ),
        (
            oct(json!({ "key_ops": ["verify"] })),
            "JWK",
            "the key_ops of the JWK do not contain \"sign\"; store a key that may, or leave \
             key_ops out",
        ),
        (
            oct(json!({ "k": base64url([1; 31]) })),
            "JWK",
            "the HMAC key is 31 bytes long and needs at least 32; use a longer one, such as \
             `openssl rand -hex 64` prints",
        ),
    ];
    for (text, format, problem) in cases {
        assert_eq!(
            refused(&text),
            format!("ASSERTION_KEY (read as {format}): {problem}"),
            "{text}"
        );
    }
}
