use super::*;
use crate::core::algorithm::{Algorithm, Curve};
use crate::core::secret::{Kind, Layer};

const RSA: Family = Family::Rsa;

#[test]
fn each_format_yields_its_keys_and_its_name_without_a_warning() {
    let set: Vec<Family> = vec![
        RSA,
        Family::Ec(Curve::P256),
        Family::Ec(Curve::P384),
        Family::Ec(Curve::P521),
        Family::Ed25519,
    ];
    let one = |family| vec![family];
    let rsa_jwk = jwk("rsa", serde_json::json!({})).to_string();
    let key = [0xa5; 32];
    let cases: Vec<(String, Vec<Family>, &str)> = vec![
        (JWKS.into(), set.clone(), "JWK Set"),
        (rsa_jwk.clone(), one(RSA), "JWK"),
        (RSA_SPKI.into(), one(RSA), "PEM SPKI public key"),
        (RSA_PKCS1.into(), one(RSA), "PEM PKCS#1 public key"),
        (RSA_CERT.into(), one(RSA), "PEM X.509 certificate"),
        (P256.into(), one(Family::Ec(Curve::P256)), "PEM SPKI public key"),
        (P384.into(), one(Family::Ec(Curve::P384)), "PEM SPKI public key"),
        (P521.into(), one(Family::Ec(Curve::P521)), "PEM SPKI public key"),
        (ED25519.into(), one(Family::Ed25519), "PEM SPKI public key"),
        (RSA_SPKI.replace('\n', "\r\n"), one(RSA), "PEM SPKI public key"),
        (RSA_SPKI.replace('\n', "\\n"), one(RSA), "PEM SPKI public key"),
        (RSA_SPKI.replace('\n', "\\r\\n"), one(RSA), "PEM SPKI public key"),
        (RSA_SPKI.replace('\n', "\\\\n"), one(RSA), "PEM SPKI public key"),
        (RSA_SPKI.trim().replace('\n', " "), one(RSA), "PEM SPKI public key"),
        (RSA_SPKI.replace('\n', ""), one(RSA), "PEM SPKI public key"),
        ([RSA_SPKI, P256].concat(), vec![RSA, Family::Ec(Curve::P256)], "PEM SPKI public key"),
        ([RSA_PKCS1, P256].concat(), vec![RSA, Family::Ec(Curve::P256)], "PEM bundle"),
        (body(RSA_SPKI), one(RSA), "base64 of DER SPKI public key"),
        (body(RSA_PKCS1), one(RSA), "base64 of DER PKCS#1 public key"),
        (body(RSA_CERT), one(RSA), "base64 of DER X.509 certificate"),
        (body(ED25519), one(Family::Ed25519), "base64 of DER SPKI public key"),
        (base64url(der(P256)), one(Family::Ec(Curve::P256)), "base64 of DER SPKI public key"),
        (hex(der(P256)), one(Family::Ec(Curve::P256)), "hex of DER SPKI public key"),
        (base64(RSA_SPKI), one(RSA), "base64 of PEM SPKI public key"),
        (base64url(RSA_SPKI), one(RSA), "base64 of PEM SPKI public key"),
        (base64(JWKS), set.clone(), "base64 of JWK Set"),
        (base64(&rsa_jwk), one(RSA), "base64 of JWK"),
        (base64(base64(JWKS)), set.clone(), "base64 of base64 of JWK Set"),
        (
            serde_json::json!({ "signingKey": RSA_SPKI }).to_string(),
            one(RSA),
            "JSON wrapper holding PEM SPKI public key",
        ),
        (
            serde_json::json!({ "signing_key": JWKS }).to_string(),
            set.clone(),
            "JSON wrapper holding JWK Set",
        ),
        (
            serde_json::json!({ "value": base64(RSA_SPKI) }).to_string(),
            one(RSA),
            "JSON wrapper holding base64 of PEM SPKI public key",
        ),
        (format!("{{\"key\":{JWKS}}}"), set.clone(), "JSON wrapper holding JWK Set"),
        (
            format!("{{\"secret\":{{\"value\":{rsa_jwk}}}}}"),
            one(RSA),
            "JSON wrapper holding JSON wrapper holding JWK",
        ),
        (
            serde_json::json!({ "secret": RAW }).to_string(),
            one(Family::Hmac),
            "JSON wrapper holding raw HMAC secret",
        ),
        (RAW.into(), one(Family::Hmac), "raw HMAC secret"),
        (format!("base64:{}", base64(key)), one(Family::Hmac), "base64: HMAC secret"),
        (format!("base64url:{}", base64url(key)), one(Family::Hmac), "base64url: HMAC secret"),
        (format!("HEX:{}", "A5".repeat(32)), one(Family::Hmac), "hex: HMAC secret"),
        (format!("{{\"kty\":\"oct\",\"k\":\"{}\"}}", base64url(key)), one(Family::Hmac), "JWK"),
    ];
    for (text, expected, format) in cases {
        let parsed = good(&text);
        assert_eq!(families(&text), expected, "{text}");
        assert_eq!(parsed.format.to_string(), format, "{text}");
        assert_eq!(parsed.warnings, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn every_form_of_one_key_yields_the_same_numbers() {
    let reference = &good(RSA_SPKI).keys[0].material;
    let mut wrapped = base64(RSA_SPKI);
    for end in (1..wrapped.len() / 76).rev() {
        wrapped.insert(end * 76, '\n');
    }
    for text in [
        RSA_PKCS1.to_owned(),
        RSA_CERT.to_owned(),
        jwk("rsa", serde_json::json!({})).to_string(),
        body(RSA_SPKI),
        wrapped.clone(),
        wrapped.replace('\n', "\\n"),
        base64(RSA_SPKI.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
    ] {
        assert!(&good(&text).keys[0].material == reference, "{text}");
    }
    for (kid, pem) in [("p256", P256), ("p384", P384), ("p521", P521), ("ed", ED25519)] {
        let text = jwk(kid, serde_json::json!({})).to_string();
        assert!(good(&text).keys[0].material == good(pem).keys[0].material, "{kid}");
    }
}

#[test]
fn an_encoded_hmac_secret_is_its_decoded_bytes_and_a_raw_one_its_characters() {
    let key: Vec<u8> = (100..164).collect();
    let hex = hex(&key);
    for text in [
        format!("base64:{}", base64(&key)),
        format!("base64:{}\n", base64(&key).trim_end_matches('=')),
        format!("base64url:{}", base64url(&key)),
        format!("hex:{hex}"),
        format!("{{\"kty\":\"oct\",\"k\":\"{}\"}}", base64url(&key)),
        serde_json::json!({ "secret": format!("hex:{hex}") }).to_string(),
    ] {
        assert_eq!(secret_of(&good(&text)), key, "{text}");
    }
    assert_eq!(secret_of(&good(RAW)), RAW.as_bytes());
    // Whoever encoded a brace meant a brace.
    let braces = "{".repeat(32);
    assert_eq!(secret_of(&good(&format!("base64:{}", base64(&braces)))), braces.as_bytes());
}

#[test]
fn margins_and_quotes_are_removed_and_reported() {
    const QUOTES: &str = "quotation marks around the secret were removed; store \
                          base64:<base64 of the bytes> if they belong to the key";
    const SPACE: &str = "whitespace around the secret was removed; store \
                         base64:<base64 of the bytes> if it belongs to the key";
    const MARGIN: &str = "whitespace around the secret was removed";
    const MARK: &str = "a byte order mark before the secret was removed";
    let literal = serde_json::json!(RSA_SPKI).to_string();
    let cases: Vec<(String, &[&str])> = vec![
        (format!("{RAW}\n"), &[SPACE]),
        (format!(" {RAW}"), &[SPACE]),
        (format!("\"{RAW}\""), &[QUOTES]),
        (format!("'{RAW}'"), &[QUOTES]),
        (format!("'{RAW}'\n"), &[QUOTES]),
        (format!("\u{feff}{RAW}"), &[MARK]),
        (format!("{JWKS}\r\n\n"), &[]),
        (format!("  {JWKS}"), &[MARGIN]),
        (format!("\u{feff}{JWKS}"), &[MARK]),
        (format!("\u{feff}{RSA_SPKI}"), &[MARK]),
        (literal, &[QUOTES]),
        (format!("\"{RSA_SPKI}\""), &[QUOTES]),
        (format!("'{JWKS}'"), &[QUOTES]),
        (format!("\"{}\"", jwk("rsa", serde_json::json!({}))), &[QUOTES]),
    ];
    for (text, warnings) in cases {
        let parsed = good(&text);
        assert_eq!(parsed.warnings, warnings, "{text}");
        if let Material::Hmac(secret) = &parsed.keys[0].material {
            assert_eq!(secret.expose(), RAW.as_bytes(), "{text}");
        }
    }
}

#[test]
fn quotes_and_wrappers_are_part_of_the_format() {
    let text = serde_json::json!({ "key": format!("'{RAW}'") }).to_string();
    let format = good(&text).format;
    assert_eq!(format.layers, [Layer::JsonField("key"), Layer::Quotes]);
    assert_eq!(format.kind, Kind::RawHmac);
    assert_eq!(format.to_string(), "JSON wrapper holding quoted raw HMAC secret");
}

#[test]
fn of_a_certificate_chain_the_leaf_is_the_key() {
    let parsed = good(CHAIN);
    assert_eq!(parsed.keys.len(), 1);
    assert!(parsed.keys[0].serves(Algorithm::Es256));
    assert_eq!(
        parsed.warnings,
        [
            "it holds 2 certificates; only the first, the leaf, is used as a key, because a chain is \
          not a set of signing keys"
        ]
    );
}

#[test]
fn text_around_pem_blocks_is_ignored_with_a_warning() {
    let parsed = good(&format!("subject=CN = edgeward test\n{RSA_CERT}"));
    assert_eq!(parsed.warnings, ["the text around the PEM blocks was ignored"]);
}

#[test]
fn other_fields_of_a_wrapper_are_ignored_with_a_warning() {
    let text = serde_json::json!({ "signingKey": RAW, "rotated": "2026-01-01" }).to_string();
    assert_eq!(
        good(&text).warnings,
        ["the secret was taken from the field signingKey; the JSON object has other fields, 1 in \
          number, which were ignored"]
    );
}

#[test]
fn a_raw_secret_that_reads_like_an_encoding_is_used_as_it_is_with_a_warning() {
    for (text, name, prefix, bytes) in [
        (base64([0xa5; 32]), "base64", "base64:", 32),
        (base64url([0xfb; 48]), "base64url", "base64url:", 48),
        ("a5".repeat(32), "hexadecimal digits", "hex:", 32),
    ] {
        let parsed = good(&text);
        assert_eq!(secret_of(&parsed), text.as_bytes());
        assert_eq!(
            parsed.warnings,
            [format!(
                "the secret could be {name} of {bytes} bytes, but its characters are used as they \
                 are; put {prefix} before it if the decoded bytes are the key"
            )]
        );
    }
}

#[test]
fn a_raw_secret_that_ends_with_a_written_newline_keeps_it_with_a_warning() {
    let parsed = good(&format!("{RAW}\\n"));
    assert_eq!(secret_of(&parsed).len(), RAW.len() + 2);
    assert_eq!(
        parsed.warnings,
        ["the secret ends with a backslash and an n, which are used as part of the key"]
    );
}

#[test]
fn repeated_keys_are_kept_once() {
    assert_eq!(good(&[P256, RSA_SPKI, P256].concat()).keys.len(), 2);
    let entry = jwk("rsa", serde_json::json!({}));
    let set = serde_json::json!({ "keys": [entry, entry] });
    let parsed = good(&set.to_string());
    assert_eq!(parsed.keys.len(), 1);
    assert!(parsed.warnings.is_empty());
}
