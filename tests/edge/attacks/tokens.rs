//! Tokens that were signed by nobody, by somebody else, or for something else.

use super::{
    super::verification::{ED25519_ORDER, P256_ORDER, add, der, hex, subtract, sum},
    *,
};
use mint::{AUDIENCE, HMAC, ISSUER, Key, RSA, from_base64url};

/// The orders of P-384 and P-521 (SEC 2 sections 2.5.1 and 2.6.1).
const P384_ORDER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db2\
                          48b0a77aecec196accc52973";
const P521_ORDER: &str = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa5186\
                          8783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";

/// The order of the curve of an algorithm, if it is ECDSA, in the length of a coordinate.
fn ecdsa_order(algorithm: &str) -> Option<Vec<u8>> {
    let order = match algorithm {
        "ES256" => P256_ORDER,
        "ES384" => P384_ORDER,
        "ES512" => P521_ORDER,
        _ => return None,
    };
    Some(hex(order))
}

/// The padded hash that an RSASSA-PKCS1-v1_5 signature with SHA-256 contains (RFC 8017 section 9.2).
pub(super) fn encoded_message(input: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let information = [&hex(SHA256_INFORMATION)[..], &Sha256::digest(input)].concat();
    let padding = vec![0xff; 256 - 3 - information.len()];
    [&[0, 1], &padding[..], &[0], &information].concat()
}

/// What stands before a SHA-256 hash in it.
const SHA256_INFORMATION: &str = "3031300d060960864801650304020105000420";

/// Signatures that are none, for a token with this input that has this signature.
fn no_signatures(algorithm: &str, input: &str, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let all = good.len();
    let reversed = good.iter().rev().copied().collect();
    let mut none = vec![
        ("none", Vec::new()),
        ("zeros", vec![0; all]),
        ("ones", vec![0xff; all]),
        ("one byte", vec![good[0]]),
        ("one byte less", good[..all - 1].to_vec()),
        ("the first byte less", good[1..].to_vec()),
        ("one byte more", [good, &[0]].concat()),
        ("a zero before", [&[0], good].concat()),
        ("twice", [good, good].concat()),
        ("half", good[..all / 2].to_vec()),
        ("backwards", reversed),
        ("of a megabyte would not fit, of 3000 bytes does", vec![7; 3_000]),
        ("the input itself", input.as_bytes()[..all.min(input.len())].to_vec()),
    ];
    if let Some(order) = ecdsa_order(algorithm) {
        let (n, (r, s)) = (order, good.split_at(all / 2));
        let mut one = vec![0; all / 2];
        one[all / 2 - 1] = 1;
        let beyond = sum(&n, &one);
        none.extend([
            ("DER", der(good)),
            ("r = n + 1", [&beyond, s].concat()),
            ("s = n + 1", [r, &beyond].concat()),
            ("r + n", [&sum(r, &n), s].concat()),
            ("s + n", [r, &sum(s, &n)].concat()),
            ("r and s exchanged", [s, r].concat()),
            ("r = s = n", [&n[..], &n].concat()),
            ("r = n", [&n, s].concat()),
            ("s = n", [r, &n].concat()),
            ("r = 0", [&vec![0; all / 2], s].concat()),
            ("s = 0", [r, &vec![0; all / 2]].concat()),
            ("r = s = 1", [&one[..], &one].concat()),
        ]);
    }
    if algorithm == "EdDSA" {
        let (r, s) = good.split_at(all / 2);
        none.push(("S + L", [r, &add(s, &hex(ED25519_ORDER))[..all / 2]].concat()));
    }
    let n = from_base64url(RSA.jwk()["n"].as_str().unwrap());
    if algorithm.starts_with("RS") || algorithm.starts_with("PS") {
        none.push(("s + n", sum(good, &n)));
    }
    if matches!(algorithm, "RS256" | "PS256") {
        let mut before = n.clone();
        // It is odd.
        before[255] -= 1;
        none.extend([
            ("the padded hash", encoded_message(input.as_bytes())),
            ("n", n),
            ("n - 1", before),
        ]);
    }
    none
}

#[tokio::test]
async fn no_algorithm_takes_something_else_for_a_signature() {
    let mut siege = Siege::of(|setup| setup).await;
    for algorithm in mint::ALGORITHMS {
        let key = mint::key_for(algorithm);
        let good = key.token(algorithm, &good_claims());
        let (input, signature) = good.rsplit_once('.').unwrap();
        for (what, bytes) in no_signatures(algorithm, input, &from_base64url(signature)) {
            let name = format!("{algorithm}, {what}");
            let hostile = format!("{input}.{}", base64url(&bytes));
            siege.refuses_token(&name, (&good, &hostile), "bad_signature").await;
        }
    }
    siege.must_have_held().await;
}

/// A token with (r, n - s) in the place of (r, s).
fn twin(algorithm: &str, token: &str) -> String {
    let [header, claims, signature] = parts(token);
    let signature = from_base64url(signature);
    let (r, s) = signature.split_at(signature.len() / 2);
    let order = ecdsa_order(algorithm).unwrap();
    format!("{header}.{claims}.{}", base64url(&[r, &subtract(&order, s)].concat()))
}

/// Anybody can compute it from the first, and it is as valid (docs/revocation.md says what follows). So it is
/// worth what the first is worth, and nothing more.
#[tokio::test]
async fn the_second_signature_of_ecdsa_makes_the_same_token_and_no_other() {
    let mut siege = Siege::of(|setup| {
        setup.set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
    })
    .await;
    for algorithm in ["ES256", "ES384", "ES512"] {
        let key = mint::key_for(algorithm);
        let good = key.token(algorithm, &good_claims());
        siege.passes(algorithm, &get("/").bearer(&good)).await;
        let second = twin(algorithm, &good);
        assert!(second != good && twin(algorithm, &second) == good);
        for cache in ["cold", "warm"] {
            let name = format!("{algorithm}, {cache}");
            if let Some(seen) = siege.passes(&name, &get("/").bearer(&second)).await {
                assert_eq!(seen.folded("x-auth-subject"), ["alice"], "{name}");
            }
        }
        // Not for other claims, and not for longer.
        let [header, _, signature] = parts(&second);
        let claims = base64url(claims_with(json!({ "sub": "mallory" })).to_string().as_bytes());
        let hostile = format!("{header}.{claims}.{signature}");
        siege.refuses_token(algorithm, (&second, &hostile), "bad_signature").await;
        let ended = key.token(algorithm, &claims_with(json!({ "exp": mint::now() - 3_600 })));
        for ended in [&ended, &twin(algorithm, &ended)] {
            let request = get("/").bearer(ended);
            siege.refuses(algorithm, &request, (401, "expired_token"), "expired").await;
        }
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn no_part_of_a_known_token_serves_in_another() {
    let mut siege = Siege::of(|setup| setup).await;
    let tokens = mint::ALGORITHMS.map(|algorithm| {
        let token = |sub: &str| claims_with(json!({ "sub": sub }));
        let key = mint::key_for(algorithm);
        (algorithm, key.token(algorithm, &token("alice")), key.token(algorithm, &token("mallory")))
    });
    // All are known before the first is taken apart, so that only warm caches are asked.
    for (algorithm, ours, theirs) in &tokens {
        for good in [ours, theirs] {
            siege.passes(algorithm, &get("/").bearer(good)).await;
        }
    }
    for (algorithm, ours, theirs) in &tokens {
        let ([header, claims, signature], [_, other_claims, other]) = (parts(ours), parts(theirs));
        for (what, hostile) in [
            ("the claims of another", format!("{header}.{other_claims}.{signature}")),
            ("the signature of another", format!("{header}.{claims}.{other}")),
        ] {
            let name = format!("{algorithm}, {what}");
            let request = get("/").bearer(&hostile);
            siege.refuses(&name, &request, INVALID_TOKEN, "bad_signature").await;
        }
        // Under the header of any other algorithm, with its key's name, and by its signature.
        for (foreign, _, third) in tokens.iter().filter(|(foreign, ..)| foreign != algorithm) {
            let [foreign_header, _, foreign_signature] = parts(third);
            for (what, hostile) in [
                ("header", format!("{foreign_header}.{claims}.{signature}")),
                ("signature", format!("{header}.{claims}.{foreign_signature}")),
            ] {
                let name = format!("{algorithm} with the {what} of {foreign}");
                let request = get("/").bearer(&hostile);
                siege.refuses(&name, &request, INVALID_TOKEN, "bad_signature").await;
            }
        }
    }
    siege.must_have_held().await;
}

/// Whether the key of this name may verify this algorithm.
fn fits(kid: &str, algorithm: &str) -> bool {
    mint::key_for(algorithm).kid == kid
}

#[tokio::test]
async fn an_algorithm_wants_a_key_of_its_own_kind_whatever_the_header_says() {
    let mut siege = Siege::of(|setup| setup).await;
    for algorithm in mint::ALGORITHMS {
        for named in mint::all() {
            for signer in mint::all() {
                let header = json!({ "alg": algorithm, "kid": named.kid }).to_string();
                // What the signer can do best: its own algorithm, if it has not that one.
                let token = raw_token(header, good_claims().to_string(), |input| {
                    let own = mint::ALGORITHMS.into_iter().find(|own| fits(signer.kid, own));
                    let can = fits(signer.kid, algorithm);
                    signer.sign(if can { algorithm } else { own.unwrap() }, input)
                });
                let name = format!("{algorithm}, kid {}, signed by {}", named.kid, signer.kid);
                let request = get("/").bearer(&token);
                match (fits(named.kid, algorithm), named.kid == signer.kid) {
                    (true, true) => {
                        siege.passes(&name, &request).await;
                    }
                    (true, false) => {
                        siege.refuses(&name, &request, INVALID_TOKEN, "bad_signature").await;
                    }
                    (false, _) => {
                        siege.refuses(&name, &request, INVALID_TOKEN, "unknown_key").await;
                    }
                }
            }
        }
    }
    // Hashes and paddings of one family are not exchanged either.
    for family in [["RS256", "RS384", "RS512"], ["PS256", "PS384", "PS512"]].concat() {
        for signed in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
            let header = json!({ "alg": family, "kid": "rsa" }).to_string();
            let token =
                raw_token(header, good_claims().to_string(), |input| RSA.sign(signed, input));
            let (name, request) = (format!("{family} as {signed}"), get("/").bearer(&token));
            if family == signed {
                siege.passes(&name, &request).await;
            } else {
                siege.refuses(&name, &request, INVALID_TOKEN, "bad_signature").await;
            }
        }
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn an_issuer_signs_for_nobody_else_although_all_call_their_key_alike() {
    let issuers: Vec<(&str, Key)> = vec![
        ("ES256", Key::ec("1", "P-256")),
        ("ES256", Key::ec("1", "P-256")),
        ("EdDSA", Key::ed25519("1")),
        ("RS256", Key::rsa("1")),
        ("HS256", Key::hmac("1")),
        ("HS256", Key::hmac("1")),
    ];
    let issuer = |at: usize| format!("{ISSUER}/{at}");
    let mut siege = Siege::of(|mut setup| {
        for (at, (_, key)) in issuers.iter().enumerate() {
            let binding = format!("KEYS_{at}");
            setup = setup.secret(&binding, &mint::jwks(&[key])).set(
                &format!("providers.{at}"),
                json!({
                    "name": format!("issuer-{at}"), "issuer": issuer(at),
                    "audiences": [format!("{AUDIENCE}-{at}")], "keys": [binding],
                    "algorithms": ["ES256", "EdDSA", "RS256", "HS256"],
                }),
            );
        }
        setup
    })
    .await;
    for cache in ["cold", "warm"] {
        for (by, (algorithm, key)) in issuers.iter().enumerate() {
            for (about, (other, _)) in issuers.iter().enumerate() {
                let claims = claims_with(
                    json!({ "iss": issuer(about), "aud": format!("{AUDIENCE}-{about}") }),
                );
                let token = key.token(algorithm, &claims);
                let name = format!("issuer {by} as issuer {about}, {cache}");
                let request = get("/").bearer(&token);
                if by == about {
                    siege.passes(&name, &request).await;
                    continue;
                }
                let same_kind = algorithm == other;
                let reason = if same_kind { "bad_signature" } else { "unknown_key" };
                siege.refuses(&name, &request, INVALID_TOKEN, reason).await;
            }
            // For the audience of another, or of no known issuer.
            let other = (by + 1) % issuers.len();
            for (claims, reason) in [
                (json!({ "iss": issuer(by), "aud": format!("api-{other}") }), "wrong_audience"),
                (json!({ "iss": issuer(99), "aud": format!("api-{by}") }), "unknown_issuer"),
                (json!({ "iss": ISSUER, "aud": format!("api-{by}") }), "unknown_issuer"),
                (json!({ "iss": [issuer(by)], "aud": format!("api-{by}") }), "unknown_issuer"),
            ] {
                let name = format!("issuer {by} with {claims}, {cache}");
                let request = get("/").bearer(&key.token(algorithm, &claims_with(claims)));
                siege.refuses(&name, &request, INVALID_TOKEN, reason).await;
            }
        }
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn nothing_but_a_signed_compact_token_is_one() {
    let mut siege = Siege::of(|setup| setup).await;
    let good = mint::token();
    let [header, claims, signature] = parts(&good);
    let encoded = |text: &str| base64url(text.as_bytes());
    let jwe = |header: &str| {
        let part = base64url(&[7; 24]);
        format!("{}.{part}.{part}.{part}.{part}", encoded(header))
    };
    // JWE in all five parts, and the headers of JWE before something that was signed.
    let encrypted = [
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}"#,
        r#"{"alg":"RSA1_5","enc":"A128CBC-HS256","kid":"rsa"}"#,
        r#"{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}"#,
        r#"{"alg":"A256KW","enc":"A256GCM","kid":"hmac"}"#,
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAA"}"#,
        r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"HS256","enc":"A256GCM","kid":"hmac"}"#,
    ];
    for header in encrypted {
        siege.refuses_token(header, (&good, &jwe(header)), "malformed_token").await;
        let signed = hmac_token(header, good_claims().to_string());
        let known = header.contains("HS256\",\"enc");
        let reason = if known { "refused_header_member" } else { "algorithm_not_allowed" };
        siege.refuses_token(header, (&good, &signed), reason).await;
    }
    let nested = hmac_token(r#"{"alg":"HS256","kid":"hmac","cty":"JWT"}"#, &good);
    for (name, hostile, reason) in [
        ("a token in a token", nested, "malformed_token"),
        ("the header twice", format!("{header}.{header}.{signature}"), "unknown_issuer"),
        ("the claims first", format!("{claims}.{header}.{signature}"), "malformed_header"),
        ("the claims twice", format!("{claims}.{claims}.{signature}"), "malformed_header"),
        ("a dot before", format!(".{good}"), "malformed_token"),
        ("a dot behind", format!("{good}."), "malformed_token"),
        ("four parts", format!("{good}.{signature}"), "malformed_token"),
        ("two parts", format!("{header}.{claims}"), "malformed_token"),
        ("detached", format!("{header}..{signature}"), "malformed_token"),
        ("no signature", format!("{header}.{claims}."), "bad_signature"),
        ("padded", format!("{header}=.{claims}.{signature}"), "malformed_credentials"),
        ("padded at the end", format!("{good}="), "malformed_token"),
        ("padded at length", format!("{good}===="), "malformed_token"),
        ("a tilde", format!("{good}~"), "malformed_token"),
        ("an SD-JWT", format!("{good}~WyJhIiwiYiIsImMiXQ~"), "malformed_token"),
        ("a plus", good.replacen('e', "+", 1), "malformed_token"),
        ("a slash", good.replacen('e', "/", 1), "malformed_token"),
        ("a PASETO", "v4.public.eyJzdWIiOiJhIn0AAAA".to_owned(), "malformed_token"),
        ("dots", ".".repeat(8_000), "malformed_token"),
        ("two letters and dots", "ab.".repeat(2_700), "malformed_token"),
        ("an empty object each", format!("{0}.{0}.{0}", encoded("{}")), "malformed_header"),
    ] {
        let code = if reason == "malformed_credentials" { INVALID_REQUEST } else { INVALID_TOKEN };
        for cache in ["cold", "warm"] {
            let name = format!("{name}, {cache}");
            siege.refuses(&name, &get("/").bearer(&hostile), code, reason).await;
            siege.passes(&name, &get("/").bearer(&good)).await;
        }
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn every_character_of_a_known_token_counts_for_every_algorithm() {
    let mut siege = Siege::of(|setup| setup).await;
    for algorithm in mint::ALGORITHMS {
        let good = mint::key_for(algorithm).token(algorithm, &good_claims());
        siege.passes(algorithm, &get("/").bearer(&good)).await;
        // A step that hits every residue of four, so that each place in a group of base64 is changed.
        for at in (0..good.len()).step_by(13) {
            let letter = good.as_bytes()[at];
            for other in [b'A', b'_'].into_iter().filter(|other| *other != letter) {
                let mut hostile = good.clone().into_bytes();
                hostile[at] = other;
                let hostile = String::from_utf8(hostile).unwrap();
                let reply = get("/").bearer(&hostile).send(&siege.gate).await;
                let name = format!("{algorithm}, character {at} as {}", char::from(other));
                if reply.verdict() != (401, "invalid_token".to_owned()) {
                    siege.wrong.push(format!("{name}: {} {}", reply.status, reply.text()));
                }
            }
        }
        siege.passes(algorithm, &get("/").bearer(&good)).await;
    }
    assert!(siege.wrong.is_empty(), "{:#?}", siege.wrong);
    assert_eq!(siege.origin.count(), siege.permitted);
    siege.gate.must_be_calm();
}

#[tokio::test]
async fn the_gates_own_statements_are_no_tokens() {
    let mut siege = Siege::of(|setup| setup.assertion(60)).await;
    let seen = siege.passes("good", &get("/").bearer(&mint::token())).await.unwrap();
    let assertion = seen.header("x-auth-assertion")[0].to_owned();
    for cache in ["cold", "warm"] {
        // The assertion, and what the assertion key would sign as the issuer.
        let request = get("/").bearer(&assertion);
        siege.refuses(cache, &request, INVALID_TOKEN, "unknown_issuer").await;
        for kid in ["assertion-1", "ed"] {
            let header = json!({ "alg": "EdDSA", "kid": kid });
            let token = mint::ASSERTION.token_with_header(&header, &good_claims());
            let reason = if kid == "ed" { "bad_signature" } else { "unknown_key" };
            siege.refuses(kid, &get("/").bearer(&token), INVALID_TOKEN, reason).await;
        }
        let request = get("/").bearer(gate::ADMIN_TOKEN);
        siege.refuses(cache, &request, INVALID_TOKEN, "malformed_token").await;
    }
    // Not as a secret of the issuer either.
    let secret = mint::assertion_jwk()["d"].as_str().unwrap().to_owned();
    for secret in [secret.clone().into_bytes(), from_base64url(&secret), gate::ADMIN_TOKEN.into()] {
        let token =
            raw_token(HMAC_HEADER, good_claims().to_string(), |input| mint::hs256(&secret, input));
        siege.refuses("HMAC", &get("/").bearer(&token), INVALID_TOKEN, "bad_signature").await;
    }
    siege.passes("HMAC", &get("/").bearer(&HMAC.token("HS256", &good_claims()))).await;
    siege.must_have_held().await;
}
