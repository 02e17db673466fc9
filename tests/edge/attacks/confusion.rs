//! Public keys in the place of a secret: whoever wants to sign with what everybody may know.

use super::*;
use mint::{ED25519, Key, P256, P384, P521, RSA, from_base64url};

fn in_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Everything of a public key that somebody might have at hand.
fn public_texts(key: &Key) -> Vec<(String, Vec<u8>)> {
    let (jwk, pem, der) = (key.jwk(), key.pem(), key.spki());
    let lines: Vec<&str> = pem.lines().collect();
    let body = lines[1..lines.len() - 1].concat();
    let wrapped = |width: usize, end: &str| {
        let body: Vec<&str> =
            body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        [lines[0], &body.join(end), lines[lines.len() - 1], ""].join(end)
    };
    let set = json!({ "keys": [jwk] });
    let mut texts = vec![
        ("PEM", pem.clone()),
        ("PEM, trimmed", pem.trim().to_owned()),
        ("PEM with two ends", format!("{pem}\n")),
        ("PEM after a line break", format!("\n{pem}")),
        ("PEM after a space", format!(" {pem}")),
        ("PEM and a tab", format!("{pem}\t")),
        ("PEM and NUL", format!("{pem}\0")),
        ("PEM after a byte order mark", format!("\u{feff}{pem}")),
        ("PEM, CRLF", pem.replace('\n', "\r\n")),
        ("PEM, CRLF, trimmed", pem.trim().replace('\n', "\r\n")),
        ("PEM, CR", pem.replace('\n', "\r")),
        ("PEM, escaped", pem.replace('\n', "\\n")),
        ("PEM, escaped twice", pem.replace('\n', "\\\\n")),
        ("PEM on one line", pem.replace('\n', "")),
        ("PEM with spaces", pem.replace('\n', " ")),
        ("PEM in lines of 76", wrapped(76, "\n")),
        ("PEM in lines of 65", wrapped(65, "\n")),
        ("PEM in one long line", wrapped(10_000, "\n")),
        ("PEM of PKCS#1 by its label", pem.replace("PUBLIC KEY", "RSA PUBLIC KEY")),
        ("PEM of a certificate by its label", pem.replace("PUBLIC KEY", "CERTIFICATE")),
        ("PEM in quotes", json!(pem).to_string()),
        ("base64 of DER", body.clone()),
        ("base64 of DER in lines", lines[1..lines.len() - 1].join("\n")),
        ("base64url of DER", base64url(&der)),
        ("base64url of PEM", base64url(pem.as_bytes())),
        ("JWK", jwk.to_string()),
        ("JWK, pretty", serde_json::to_string_pretty(&jwk).unwrap()),
        ("JWK and a line break", format!("{jwk}\n")),
        ("JWK Set", set.to_string()),
        ("JWK Set, pretty", serde_json::to_string_pretty(&set).unwrap()),
        ("all keys as they are bound", mint::jwks(&mint::all())),
        ("its name", key.kid.to_owned()),
    ]
    .into_iter()
    .map(|(form, text)| (form.to_owned(), text.into_bytes()))
    .collect::<Vec<_>>();
    let mut bytes = |form: &str, bytes: Vec<u8>| {
        let hex = in_hex(&bytes);
        texts.push((format!("{form} in hex"), hex.clone().into_bytes()));
        texts.push((format!("{form} in HEX"), hex.to_uppercase().into_bytes()));
        texts.push((format!("{form} in base64url"), base64url(&bytes).into_bytes()));
        texts.push((form.to_owned(), bytes));
    };
    for member in ["n", "e", "x", "y"] {
        if let Some(text) = jwk[member].as_str() {
            bytes(member, from_base64url(text));
            bytes(&format!("{member} with its sign"), [vec![0], from_base64url(text)].concat());
        }
    }
    if let [Some(x), Some(y)] = [&jwk["x"], &jwk["y"]].map(Value::as_str) {
        let [x, y] = [x, y].map(from_base64url);
        bytes("the point", [&[4], &x[..], &y].concat());
        bytes("the compressed point", [&[2 + (y[y.len() - 1] & 1)], &x[..]].concat());
    }
    bytes("DER", der);
    texts.push(("nothing".to_owned(), Vec::new()));
    texts
}

/// `HS256` and its like with any bytes as the key.
pub(super) fn hmac(algorithm: &str, secret: &[u8], input: &[u8]) -> Vec<u8> {
    use aws_lc_rs::hmac;
    let hash = match algorithm {
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(hash, secret), input).as_ref().to_vec()
}

#[tokio::test]
async fn no_text_of_a_public_key_signs_as_an_hmac_secret() {
    let mut siege = Siege::of(|setup| setup).await;
    for (key, own) in
        [(&RSA, "RS256"), (&P256, "ES256"), (&P384, "ES384"), (&P521, "ES512"), (&ED25519, "EdDSA")]
    {
        // The key is in use.
        let good = key.token(own, &good_claims());
        siege.passes(own, &get("/").bearer(&good)).await;
        for (form, secret) in public_texts(key) {
            for (algorithm, kid, reason) in [
                ("HS256", key.kid, "unknown_key"),
                ("HS256", "hmac", "bad_signature"),
                ("HS384", "hmac", "bad_signature"),
                ("HS512", "hmac", "bad_signature"),
            ] {
                let header = json!({ "alg": algorithm, "kid": kid }).to_string();
                let [_, claims, _] = parts(&good);
                let input = format!("{}.{claims}", base64url(header.as_bytes()));
                let signature = hmac(algorithm, &secret, input.as_bytes());
                let hostile = format!("{input}.{}", base64url(&signature));
                let name = format!("{form} of {}, {algorithm}, kid {kid}", key.kid);
                let request = get("/").bearer(&hostile);
                siege.refuses(&name, &request, INVALID_TOKEN, reason).await;
            }
        }
        siege.passes(own, &get("/").bearer(&good)).await;
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn where_only_public_keys_are_no_hmac_passes_at_all() {
    // The algorithms are allowed by mistake; there is no secret.
    let keys = mint::jwks(&[&RSA, &P256, &ED25519]);
    let mut siege = Siege::of(|setup| setup.secret("JWT_KEYS", &keys)).await;
    for key in [&*RSA, &*P256, &*ED25519] {
        for (form, secret) in public_texts(key) {
            for kid in [Some(key.kid), None] {
                let header = json!({ "alg": "HS256", "kid": kid }).to_string();
                let header = header.replace(r#","kid":null"#, "");
                let token = raw_token(header, good_claims().to_string(), |input| {
                    mint::hs256(&secret, input)
                });
                let name = format!("{form} of {}, kid {kid:?}", key.kid);
                let request = get("/").bearer(&token);
                siege.refuses(&name, &request, INVALID_TOKEN, "unknown_key").await;
            }
        }
    }
    siege.passes("ES256", &get("/").bearer(&mint::token())).await;
    siege.must_have_held().await;
}
