use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::core::secret::parse_assertion_key;

/// Everything that could reach a log: errors, warnings and every `Debug`.
fn shown(text: &str) -> String {
    let verification = match parse("JWT_KEYS", text) {
        Ok(parsed) => format!("{parsed:?} {} {:?}", parsed.format, parsed.warnings),
        Err(error) => format!("{error} {error:?}"),
    };
    let assertion = match parse_assertion_key("ASSERTION_KEY", text) {
        // The public half may be shown; what is looked for below is private.
        Ok(key) => format!("{key:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    format!("{verification} {assertion}")
}

/// Whether any 12 characters in a row of `secret` are in `text`.
fn leaks(text: &str, secret: &str) -> bool {
    let characters: Vec<char> = secret.chars().collect();
    characters.windows(12).any(|window| text.contains(&window.iter().collect::<String>()))
}

fn material() -> impl Strategy<Value = String> {
    vec(any::<u8>(), 12..80).prop_map(base64)
}

fn good_texts() -> Vec<String> {
    vec![
        JWKS.to_owned(),
        RSA_SPKI.to_owned(),
        RSA_PKCS1.to_owned(),
        CHAIN.to_owned(),
        RSA_PRIVATE_PKCS8.to_owned(),
        RSA_PRIVATE_JWK.to_owned(),
        ED25519_PRIVATE_JWK.to_owned(),
        ED25519_PRIVATE_OPENSSH.to_owned(),
        ED25519_SSH.to_owned(),
        RSA_SPKI.replace('\n', "\\n"),
        body(RSA_CERT),
        base64(JWKS),
        serde_json::json!({ "signingKey": P256, "other": 1 }).to_string(),
        format!("\"{RAW}\""),
        format!("hex:{}", "a5".repeat(40)),
    ]
}

fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0_usize..4, any::<char>());
    (select(good_texts()), vec(edit, 1..6)).prop_map(|(text, edits)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (place, kind, character) in edits {
            if characters.is_empty() {
                break;
            }
            let place = place.index(characters.len());
            match kind {
                0 => characters[place] = character,
                1 => characters.insert(place, character),
                2 => drop(characters.remove(place)),
                _ => characters.truncate(place),
            }
        }
        characters.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        shown(&text);
    }

    #[test]
    fn no_text_of_the_marks_that_matter_panics(
        pieces in vec(select(vec![
            "{", "}", "[", "\"", "'", ":", ",", "\\n", "\\", "\n", " ", "\u{feff}", "\0", "-----",
            "BEGIN ", "END ", "PUBLIC KEY", "CERTIFICATE", "base64:", "hex:", "keys", "kty", "oct",
            "MIIB", "AAAA", "=", "_", "ssh-rsa", "secret", "e30", "0", "$", "é",
        ]), 0..40)
    ) {
        shown(&pieces.concat());
    }

    #[test]
    fn no_change_of_a_good_text_panics_or_shows_key_material(text in mutated()) {
        let output = shown(&text);
        let private: serde_json::Value = serde_json::from_str(RSA_PRIVATE_JWK).unwrap();
        let secrets = [
            body(RSA_PRIVATE_PKCS8),
            body(ED25519_PRIVATE_OPENSSH),
            private["d"].as_str().unwrap().to_owned(),
            body(RSA_SPKI),
            RAW.to_owned(),
        ];
        for secret in &secrets {
            prop_assert!(!leaks(&output, secret), "{}", output);
        }
    }

    #[test]
    fn no_der_panics_and_none_becomes_an_hmac_key(
        pem in select(vec![RSA_SPKI, RSA_PKCS1, RSA_CERT, P256, P256_EXPLICIT, ED25519]),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut der = der(pem);
        // The first bytes make it recognisable; without them it is a random string of bytes.
        for (place, byte) in edits {
            let place = place.index(der.len() - 16) + 16;
            der[place] = byte;
        }
        for text in [base64(&der), base64url(&der), format!("base64:{}", base64(&der))] {
            if let Ok(parsed) = parse("JWT_KEYS", &text) {
                prop_assert!(parsed.keys[0].material.family() != Family::Hmac);
            }
        }
    }

    #[test]
    fn no_shape_of_a_random_secret_shows_any_of_it(
        secret in prop_oneof![material(), "[ -~]{12,80}", "\\PC{12,60}"],
        shape in 0_usize..12,
    ) {
        let quoted = serde_json::json!(secret);
        let text = match shape {
            0 => secret.clone(),
            1 => format!("{{\"signingKey\":{quoted}}}"),
            2 => format!("{{\"unknown\":{quoted}}}"),
            3 => format!("{{{quoted}:1,{quoted}:2}}"),
            4 => format!("base64:{secret}"),
            5 => format!("hex:{secret}"),
            6 => format!("{{\"kty\":\"oct\",\"k\":{quoted},\"alg\":{quoted},\"use\":{quoted}}}"),
            7 => format!("{{\"keys\":[{{\"kty\":{quoted},\"k\":{quoted}}},{quoted}]}}"),
            8 => format!("-----BEGIN {secret}-----\n{secret}\n-----END {secret}-----"),
            9 => format!("{{\"secret\":{{\"value\":{quoted}"),
            10 => format!("\"{secret}"),
            _ => format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":{quoted},\"x\":{quoted}}}"),
        };
        prop_assert!(!leaks(&shown(&text), &secret), "{}", shown(&text));
    }

    #[test]
    fn random_bytes_in_base64_are_a_raw_secret(key in vec(any::<u8>(), 32..65)) {
        for text in [base64(&key), base64url(&key)] {
            let parsed = good(&text);
            prop_assert_eq!(secret_of(&parsed), text.as_bytes());
        }
        let explicit = good(&format!("base64:{}", base64(&key)));
        prop_assert_eq!(secret_of(&explicit), key);
    }
}
