//! Tokens for tests.

use edgeward::core::algorithm::Algorithm;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Bindings, Decision, Findings, Gate};
use serde_json::{Value, json as object};

use crate::json;
use crate::native::engine;
use crate::program::{Folder, run};

/// Whether a gate with this key permits a token.
fn is_permitted(algorithm: Algorithm, key: &str, token: &str) -> bool {
    let table = object!({
        "origin": "https://origin.test",
        "providers": [{
            "name": "main",
            "issuer": "https://issuer.test",
            "audiences": ["api"],
            "algorithms": [algorithm.name()],
            "keys": ["JWT_KEYS"],
        }],
    });
    let secret = |name: &str| (name == "JWT_KEYS").then(|| key.to_owned());
    let gate = Gate::boot(&table.to_string(), &secret, Bindings::default(), engine());
    let gate = gate.unwrap_or_else(|problems| panic!("{problems:?}"));
    let head = format!("GET\nhttps://edge.test/\nauthorization\nBearer {token}");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let (head, now) = (RequestHead::unpack(&head), i64::try_from(now).unwrap());
    matches!(gate.decide(&head, now, &mut Findings::default()), Ok(Decision::Forward(_)))
}

const CLAIMS: [&str; 6] = ["--iss", "https://issuer.test", "--aud", "api", "--sub", "alice"];

#[test]
fn the_gate_permits_tokens_of_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let folder = Folder::new();
        let name = algorithm.name();
        let pair = folder.run(&["keygen", name]).must_be(0).out;
        let (private, public) = pair.split_once('\n').unwrap();
        folder.write("key", private);
        let arguments = [&["mint", "--key", "key"][..], &CLAIMS].concat();
        let token = folder.run(&arguments).must_be(0).out;
        let public = if public.is_empty() { private } else { public };
        assert!(is_permitted(algorithm, public, token.trim_end()), "{name}");
        // The same key, but it did not sign this.
        let forged = folder.run(&["mint", "--key", "-", "--alg", name]);
        assert_eq!(forged.code, Some(2), "standard input is empty");
        let expired = folder.run(&[&arguments[..], &["--exp-in=-5m"]].concat()).must_be(0).out;
        assert!(!is_permitted(algorithm, public, expired.trim_end()), "{name}");
    }
}

#[test]
fn the_gate_permits_tokens_that_a_pem_key_has_signed() {
    for name in ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"] {
        let folder = Folder::new();
        let files = ["--private", "key.pem", "--public", "public.pem"];
        folder.run(&[&["keygen", name, "--format", "pem"][..], &files].concat()).must_be(0);
        let arguments = [&["mint", "--key", "key.pem", "--alg", name][..], &CLAIMS].concat();
        let token = folder.run(&arguments).must_be(0).out;
        let algorithm = Algorithm::from_name(name).unwrap();
        assert!(is_permitted(algorithm, &folder.read("public.pem"), token.trim_end()), "{name}");
    }
}

/// What a token says.
fn parts(folder: &Folder, arguments: &[&str]) -> (Value, Value) {
    let arguments = [&["mint", "--key", "key", "--json"][..], arguments].concat();
    let made = json(&folder.run(&arguments).must_be(0).out);
    (made["header"].clone(), made["claims"].clone())
}

fn with_key() -> Folder {
    let folder = Folder::new();
    folder.run(&["keygen", "ES256", "--kid", "k1", "--private", "key"]).must_be(0);
    folder
}

#[test]
fn claims_and_header_are_as_they_were_asked_for() {
    let folder = with_key();
    let (header, claims) = parts(&folder, &[]);
    assert_eq!(header, object!({ "alg": "ES256", "kid": "k1", "typ": "JWT" }));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    let (header, claims) = parts(
        &folder,
        &[
            "--typ",
            "",
            "--kid",
            "k2",
            "--header",
            "crit=[\"x\"]",
            "--aud",
            "a",
            "--aud",
            "b",
            "--scope",
            "read write",
            "--jti",
            "t-1",
            "--exp-in",
            "2h",
            "--nbf-in",
            "1m",
            "--claim",
            "roles=[\"admin\"]",
            "--claim",
            "name=Alice",
            "--claim",
            "iat=null",
        ],
    );
    assert_eq!(header, object!({ "alg": "ES256", "kid": "k2", "crit": ["x"] }));
    assert_eq!(claims["aud"], object!(["a", "b"]));
    assert_eq!(claims["roles"], object!(["admin"]));
    assert_eq!((&claims["name"], &claims["jti"]), (&object!("Alice"), &object!("t-1")));
    assert_eq!(claims.get("iat"), None);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 7_140);
}

#[test]
fn without_json_it_is_the_token_and_nothing_else() {
    let said = with_key().run(&["mint", "--key", "key"]).must_be(0);
    assert_eq!(said.err, "");
    assert_eq!(said.out.trim_end().matches('.').count(), 2);
    assert_eq!(said.out.lines().count(), 1);
}

#[test]
fn what_cannot_sign_is_refused_and_not_shown() {
    let folder = with_key();
    let public = json(&folder.run(&["keygen", "ES256", "--private", "other"]).must_be(0).out);
    folder.write("public", &public.to_string());
    folder.write("nonsense", "a secret that is no key");
    folder
        .write("short", r#"{"kty":"EC","crv":"P-256","d":"c2VjcmV0LW51bWJlcg","x":"AA","y":"AA"}"#);
    for (key, words) in [
        ("public", "public cannot be used as a key: it is a public key"),
        ("nonsense", "neither a JWK nor PEM"),
        ("short", "do not make a private key"),
        ("missing", "missing cannot be read"),
    ] {
        let said = folder.run(&["mint", "--key", key]).must_refuse(words);
        for secret in ["a secret that", "c2VjcmV0LW51bWJlcg"] {
            assert!(!said.err.contains(secret), "{}", said.err);
        }
    }
    for (arguments, words) in [
        (&["--alg", "RS256"][..], "it is not for RS256; --alg ES256 fits it"),
        (&["--alg", "ES384"], "it is not for ES384"),
        (&["--exp-in", "soon"], "--exp-in: expected a span"),
        (&["--claim", "roles"], "--claim: expected NAME=VALUE"),
        (&["--header", "=x"], "--header: expected NAME=VALUE"),
    ] {
        folder.run(&[&["mint", "--key", "key"][..], arguments].concat()).must_refuse(words);
    }
    run(&["mint"]).must_be(2);
}
