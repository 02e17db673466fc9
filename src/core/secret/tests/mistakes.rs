use serde_json::json;

use super::*;
use crate::core::secret::{MAX_SECRET_BYTES, Problem};

const PRIVATE_PEM: &str = "a private key does not belong here; store the public key instead, as \
                           `openssl pkey -in private.pem -pubout` prints it";
const PRIVATE_DER: &str = "a private key does not belong here; store the public key instead, as \
                           `openssl pkey -inform DER -in private.der -pubout` prints it";
const PRIVATE_SSH: &str = "a private key does not belong here; store the public key instead as \
                           PEM, which for RSA and ECDSA `ssh-keygen -e -m PKCS8 -f private` prints";
const PRIVATE_JWK: &str = "a private key does not belong here; store the JWK without d, p, q, dp, \
                           dq, qi, oth instead";
const TRUNCATED: &str = "a PEM block has no matching END line, so it was probably cut; store the \
                         whole text, from -----BEGIN to the end of the END line";
const MALFORMED: &str = "it resembles PEM but has no -----BEGIN ...----- and -----END ...----- \
                         lines with five hyphens on each side; store the whole text unchanged";
const CUT: &str = "the key is damaged or was cut; store the whole text unchanged";
const EMPTY: &str = "it holds no secret; set it with `wrangler secret put JWT_KEYS`";
const NAME: &str = "it is or begins with the name of a binding; store the value alone";
const DISGUISED: &str = "the encoded bytes are themselves JSON, a public key or a private key, \
                         which never serve as an HMAC key; store that text without the prefix if \
                         it is a public key";
const SSH: &str = "a key in SSH's own form cannot be used; store the public key as PEM, which for \
                   RSA and ECDSA `ssh-keygen -e -m PKCS8 -f key.pub` prints";
const TOKEN: &str = "it is a token, not the key that verifies tokens; store the issuer's key";
const QUOTE: &str = "it has a quotation mark at one end only; remove it, or store the key as \
                     base64:<base64 of the bytes> if the mark belongs to the key";

/// Text, format and problem.
type Case = (String, &'static str, &'static str);

fn assert_diagnosed(cases: Vec<Case>) {
    for (text, format, problem) in cases {
        assert_eq!(message(&text), format!("JWT_KEYS (read as {format}): {problem}"), "{text}");
    }
}

#[test]
fn an_empty_secret_is_diagnosed() {
    assert_diagnosed(vec![
        (String::new(), "empty text", EMPTY),
        (" \t\r\n".into(), "empty text", EMPTY),
        ("\u{feff}".into(), "empty text", EMPTY),
        ("\"\"".into(), "quoted empty text", EMPTY),
        ("{\"secret\":\"\"}".into(), "JSON wrapper holding empty text", EMPTY),
    ]);
}

#[test]
fn something_that_is_no_key_is_diagnosed() {
    assert_diagnosed(vec![
        ("JWT_KEYS".into(), "text", NAME),
        ("${JWT_KEYS}".into(), "text", NAME),
        ("$OTHER_SECRET".into(), "text", NAME),
        ("JWT_KEYS_PREVIOUS".into(), "text", NAME),
        (format!("JWT_KEYS={RAW}"), "text", NAME),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ".into(), "text", TOKEN),
        (
            "https://issuer.example/.well-known/jwks.json".into(),
            "text",
            "it is an address, not a key; store the document found there",
        ),
        (
            RSA_SPKI.chars().flat_map(|character| [character, '\0']).collect(),
            "text",
            "it contains NUL characters, as text in UTF-16 does; store it in UTF-8",
        ),
    ]);
}

#[test]
fn json_that_holds_no_key_is_diagnosed() {
    assert_diagnosed(vec![
        (
            "{\"signingKey\":\"abc".into(),
            "JSON",
            "it begins like JSON but is not valid at line 1, column 18, perhaps because it was \
             cut or its quotes were lost; store the whole text unchanged, or base64:<base64 of \
             the bytes> if it is an HMAC key",
        ),
        (
            "{signingKey:0123456789012345678901234567890123456789}".into(),
            "JSON",
            "it begins like JSON but is not valid at line 1, column 2, perhaps because it was cut \
             or its quotes were lost; store the whole text unchanged, or base64:<base64 of the \
             bytes> if it is an HMAC key",
        ),
        (
            "{\"signingKeys\":\"0123456789012345678901234567890123456789\"}".into(),
            "JSON",
            "the object is no JWK, no JWK Set and has none of the fields signingKey, signing_key, \
             secret, key, value; store the key itself, or put it into one of them",
        ),
        (
            "{\"key\":\"a\",\"secret\":\"b\"}".into(),
            "JSON",
            "the object has several fields that could hold the key: secret, key; keep one of them",
        ),
        (
            "{\"key\":[1]}".into(),
            "JSON",
            "the field key is neither a string nor an object; put the key there as a string",
        ),
        (
            "{\"secret\":\"a\",\"secr\\u0065t\":\"b\"}".into(),
            "JSON",
            "an object in it has two members of one name; remove the one that is wrong",
        ),
        (
            format!("[{}]", jwk("rsa", serde_json::json!({}))),
            "JSON",
            "it is an array in JSON, not a key; store a JWK Set {\"keys\":[...]}, or \
             base64:<base64 of the bytes> if it is an HMAC key",
        ),
        (
            "1".repeat(400),
            "text",
            "it is a number in JSON, not a key; store a JWK Set {\"keys\":[...]}, or \
             base64:<base64 of the bytes> if it is an HMAC key",
        ),
        (
            "true".into(),
            "text",
            "it is a boolean in JSON, not a key; store a JWK Set {\"keys\":[...]}, or \
             base64:<base64 of the bytes> if it is an HMAC key",
        ),
        (
            base64(base64(base64(base64(JWKS)))),
            "base64 of base64 of base64 of text",
            "it is wrapped more than 3 times in JSON, base64 or quotes; store what is inside",
        ),
    ]);
}

#[test]
fn a_private_key_is_refused_in_every_form() {
    let private_set = serde_json::json!({
        "keys": [jwk("p256", serde_json::json!({})), jwk("ed", serde_json::json!({ "d": "AA" }))]
    });
    assert_diagnosed(vec![
        (RSA_PRIVATE_PKCS8.into(), "PEM private key", PRIVATE_PEM),
        (RSA_PRIVATE_PKCS1.into(), "PEM private key", PRIVATE_PEM),
        (P256_PRIVATE_SEC1.into(), "PEM private key", PRIVATE_PEM),
        (P256_PRIVATE_ENCRYPTED.into(), "PEM private key", PRIVATE_PEM),
        (ED25519_PRIVATE_PKCS8.replace('\n', "\\n"), "PEM private key", PRIVATE_PEM),
        (RSA_PRIVATE_PKCS8[..200].into(), "PEM private key", PRIVATE_PEM),
        ([RSA_SPKI, RSA_PRIVATE_PKCS8].concat(), "PEM private key", PRIVATE_PEM),
        (
            serde_json::json!({ "signingKey": RSA_PRIVATE_PKCS8 }).to_string(),
            "JSON wrapper holding PEM private key",
            PRIVATE_PEM,
        ),
        (base64(RSA_PRIVATE_PKCS8), "base64 of PEM private key", PRIVATE_PEM),
        (ED25519_PRIVATE_OPENSSH.into(), "PEM private key", PRIVATE_SSH),
        (body(ED25519_PRIVATE_OPENSSH), "base64 of SSH key", PRIVATE_SSH),
        (body(RSA_PRIVATE_PKCS8), "base64 of DER private key", PRIVATE_DER),
        (body(RSA_PRIVATE_PKCS1), "base64 of DER private key", PRIVATE_DER),
        (body(P256_PRIVATE_SEC1), "base64 of DER private key", PRIVATE_DER),
        (body(P256_PRIVATE_ENCRYPTED), "base64 of DER private key", PRIVATE_DER),
        (body(ED25519_PRIVATE_PKCS8), "base64 of DER private key", PRIVATE_DER),
        (RSA_PRIVATE_JWK.into(), "JWK", PRIVATE_JWK),
        (ED25519_PRIVATE_JWK.into(), "JWK", PRIVATE_JWK),
        (base64(RSA_PRIVATE_JWK), "base64 of JWK", PRIVATE_JWK),
        (private_set.to_string(), "JWK Set", PRIVATE_JWK),
        (
            base64([&[0x30, 0x82, 9, 9, 2, 1, 3, 0x30][..], &[7; 60]].concat()),
            "base64 of DER private key",
            "an archive with a private key does not belong here; store the certificate instead, as \
             `openssl pkcs12 -in archive.p12 -nokeys -clcerts` prints it",
        ),
    ]);
}

#[test]
fn a_public_key_that_is_damaged_or_in_another_form_is_diagnosed() {
    let cut = &RSA_SPKI[..RSA_SPKI.len() / 2];
    assert_diagnosed(vec![
        (cut.into(), "PEM", TRUNCATED),
        (format!("{cut}\n{RSA_SPKI}"), "PEM", TRUNCATED),
        (base64(cut), "base64 of PEM", TRUNCATED),
        (RSA_SPKI[27..].into(), "PEM", MALFORMED),
        (RSA_SPKI.replace("-----", "--"), "PEM", MALFORMED),
        (
            RSA_SPKI.replace("MII", "M!I"),
            "PEM",
            "the body of block 1 is not base64, so it was probably damaged in copying; store the \
             whole text unchanged",
        ),
        (
            RSA_SPKI.replace("PUBLIC KEY", "CERTIFICATE REQUEST"),
            "PEM",
            "block 1 is none of PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE; store the public key \
             as `openssl pkey -pubout` prints it",
        ),
        (RSA_SPKI.replace("PUBLIC KEY", "CERTIFICATE"), "PEM X.509 certificate", CUT),
        (body(RSA_SPKI)[..200].into(), "base64 of DER SPKI public key", CUT),
        (body(RSA_CERT)[..500].into(), "base64 of DER X.509 certificate", CUT),
        (body(RSA_SPKI)[..201].into(), "text", CUT),
        (format!("{}%", body(RSA_SPKI)), "text", CUT),
        (jwk("rsa", serde_json::json!({})).to_string()[10..].into(), "text", CUT),
        (
            jwk("rsa", serde_json::json!({})).to_string().trim_matches(['{', '}']).into(),
            "quoted text",
            CUT,
        ),
        (ED25519_SSH.into(), "SSH key", SSH),
        (ED25519_SSH.split(' ').nth(1).unwrap().into(), "base64 of SSH key", SSH),
        (
            "<RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>".into(),
            "XML RSA key",
            "an RSA key in XML cannot be used; store the public key as PEM or JWK",
        ),
    ]);
}

#[test]
fn an_unfit_hmac_secret_is_diagnosed() {
    let short = "x".repeat(31);
    assert_diagnosed(vec![
        (
            short.clone(),
            "raw HMAC secret",
            "the HMAC key is 31 bytes long and needs at least 32; use a longer one, such as \
             `openssl rand -hex 64` prints",
        ),
        (
            format!("\"{short}\""),
            "quoted raw HMAC secret",
            "the HMAC key is 31 bytes long and needs at least 32; use a longer one, such as \
             `openssl rand -hex 64` prints",
        ),
        (
            format!("base64:{}", base64(&short)),
            "base64: HMAC secret",
            "the HMAC key is 31 bytes long and needs at least 32; use a longer one, such as \
             `openssl rand -hex 64` prints",
        ),
        (
            format!("hex:{RAW}"),
            "hex: HMAC secret",
            "what follows the prefix hex: is not in that encoding; encode the bytes of the key \
             again, or remove the prefix if it belongs to no encoding",
        ),
        (format!("base64:{}", base64(RSA_SPKI)), "base64: HMAC secret", DISGUISED),
        (format!("base64:{}", body(RSA_SPKI)), "base64: HMAC secret", DISGUISED),
        (format!("base64:{}", base64(body(RSA_SPKI))), "base64: HMAC secret", DISGUISED),
        (format!("base64:{}", base64(JWKS)), "base64: HMAC secret", DISGUISED),
        (format!("base64url:{}", base64url(ED25519_SSH)), "base64url: HMAC secret", DISGUISED),
        (format!("\"{RAW}"), "text", QUOTE),
        (format!("{RAW}'"), "text", QUOTE),
        (format!("{RSA_SPKI}\""), "text", QUOTE),
    ]);
}

#[test]
fn a_weak_or_unsupported_public_key_is_diagnosed() {
    assert_diagnosed(vec![
        (
            RSA_1024.into(),
            "PEM SPKI public key",
            "the RSA key has 1024 bits and needs at least 2048; have the issuer sign with a larger \
             key",
        ),
        (
            P256_COMPRESSED.into(),
            "PEM SPKI public key",
            "the point is compressed; store the key as `openssl ec -pubin -in key.pem -pubout \
             -conv_form uncompressed` prints it",
        ),
        (
            P256_EXPLICIT.into(),
            "PEM SPKI public key",
            "the curve is none of P-256, P-384 and P-521, or is not given by its name; use a key \
             on one of these",
        ),
        (
            SECP256K1.into(),
            "PEM SPKI public key",
            "the curve is none of P-256, P-384 and P-521, or is not given by its name; use a key \
             on one of these",
        ),
        (
            X25519.into(),
            "PEM SPKI public key",
            "its key is for X25519; use an RSA, P-256, P-384, P-521 or Ed25519 key",
        ),
        (
            RSA_PSS.into(),
            "PEM SPKI public key",
            "its key is for RSASSA-PSS alone; use an RSA, P-256, P-384, P-521 or Ed25519 key",
        ),
    ]);
}

#[test]
fn explicit_curve_parameters_in_bare_base64_are_recognised_too() {
    assert!(message(&body(P256_EXPLICIT)).contains("DER SPKI public key"));
}

#[test]
fn a_text_beyond_the_limit_is_refused_and_one_at_the_limit_is_read() {
    assert_eq!(good(&"x!".repeat(MAX_SECRET_BYTES / 2)).keys.len(), 1);
    assert_eq!(
        message(&"x".repeat(MAX_SECRET_BYTES + 1)),
        "JWT_KEYS (read as text): it is 65537 bytes long and the limit is 65536; store the keys \
         alone"
    );
}

#[test]
fn more_than_a_hundred_keys_are_refused() {
    let entry = jwk("ed", serde_json::json!({}));
    let set = |count| serde_json::json!({ "keys": vec![&entry; count] }).to_string();
    assert_eq!(good(&set(100)).keys.len(), 1);
    assert!(message(&set(101)).contains("it holds 101 keys and the limit is 100"));
    assert_eq!(good(&ED25519.repeat(100)).keys.len(), 1);
    assert!(message(&ED25519.repeat(101)).contains("it holds 101 keys and the limit is 100"));
}

#[test]
fn a_name_longer_than_a_secret_is_a_secret_unless_it_is_the_bindings_own() {
    let name = "A_SCREAMING_PASSPHRASE_OF_MORE_THAN_32_BYTES";
    assert_eq!(secret_of(&good(name)), name.as_bytes());
    let error = parse(name, name).unwrap_err();
    assert_eq!(error.problem, Problem::BindingName);
}

#[test]
fn no_cut_through_a_public_key_makes_an_hmac_key_of_it() {
    let forms = [
        RSA_SPKI.to_owned(),
        RSA_SPKI.replace('\n', "\\n"),
        RSA_SPKI.replace('\n', " "),
        RSA_PKCS1.to_owned(),
        CHAIN.to_owned(),
        body(RSA_SPKI),
        body(RSA_PKCS1),
        body(RSA_CERT),
        body(P256),
        body(P256_EXPLICIT),
        body(ED25519),
        base64url(der(RSA_SPKI)),
        base64(RSA_SPKI),
        base64(JWKS),
        base64(base64(P256)),
        hex(der(P256)),
        hex(JWKS),
        format!("'{RSA_SPKI}'"),
        format!("\u{feff}{RSA_SPKI}"),
        JWKS.to_owned(),
        ED25519_SSH.to_owned(),
        body(RSA_PRIVATE_PKCS8),
        body(RSA_PRIVATE_PKCS1),
        base64(RSA_PRIVATE_PKCS8),
    ];
    for text in forms {
        for (end, _) in text.char_indices() {
            // Every seventh cut suffices beyond the beginning and runs in a fraction of the time.
            if end > 200 && end % 7 != 0 {
                continue;
            }
            let rest = &text[..end];
            if let Ok(parsed) = parse("JWT_KEYS", rest) {
                let hmac = parsed.keys.iter().any(|key| key.material.family() == Family::Hmac);
                assert!(!hmac, "{rest}");
            }
        }
    }
}

#[test]
fn no_lost_beginning_of_pem_makes_an_hmac_key_of_it() {
    for text in [RSA_SPKI.trim().to_owned(), RSA_SPKI.trim().replace('\n', "\\n")] {
        for start in 0..text.len() - 32 {
            assert!(start == 0 || parse("JWT_KEYS", &text[start..]).is_err(), "{}", &text[start..]);
        }
    }
}

#[test]
fn nesting_of_any_depth_is_refused_without_being_followed() {
    for text in ["[", "{\"key\":", "\"", "'", "base64:", "\\"] {
        let deep = text.repeat(60_000 / text.len());
        assert!(parse("JWT_KEYS", &deep).is_err() || text == "\\", "{text}");
    }
}

/// As `openssl pkcs12` prints it, in whose files a name may have any encoding.
#[test]
fn pem_behind_a_name_that_is_no_utf_8_makes_no_hmac_key() {
    for pem in [P256, RSA_SPKI, RSA_CERT, RSA_PRIVATE_PKCS8] {
        let bytes = [b"Bag Attributes\n    friendlyName: M\xfcller\n", pem.as_bytes()].concat();
        let k = base64url(&bytes);
        let jwk = format!(r#"{{"kty":"oct","k":"{k}"}}"#);
        for text in [base64(&bytes), hex(&bytes), k, format!("base64:{}", base64(&bytes)), jwk] {
            assert!(parse("JWT_KEYS", &text).is_err(), "{text}");
        }
    }
}

/// A terminator that a program wrote with the text, a key that was damaged, a name in Latin-1.
#[test]
fn json_with_bytes_that_nobody_prints_makes_no_hmac_key() {
    let set = JWKS.as_bytes();
    let jwk = jwk("p256", json!({})).to_string();
    let wrapper = json!({ "signingKey": RAW }).to_string();
    let utf16: Vec<u8> = jwk.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let damaged = [&set[..100], b"\x7f", &set[101..]].concat();
    let named = [br#"{"name":"M"#, &b"\xfcller\","[..], &wrapper.as_bytes()[1..]].concat();
    let ended = [set, jwk.as_bytes(), wrapper.as_bytes()].map(|text| [text, &b"\0"[..]].concat());
    for bytes in ended.into_iter().chain([utf16, damaged, named]) {
        let k = base64url(&bytes);
        let jwk = format!(r#"{{"kty":"oct","k":"{k}"}}"#);
        for text in [
            base64(&bytes),
            base64(base64(&bytes)),
            hex(&bytes),
            k,
            format!("base64:{}", base64(&bytes)),
            jwk,
        ] {
            let hmac = parse("JWT_KEYS", &text).is_ok_and(|parsed| {
                parsed.keys.iter().any(|key| key.material.family() == Family::Hmac)
            });
            assert!(!hmac, "{text}");
        }
    }
}
