//! What a rehearsal says, next to what the gate says whose settings it has.

use edgeward::core::algorithm::Algorithm;
use edgeward::core::keys::Material;
use edgeward::core::request::RequestHead;
use edgeward::core::secret;
use edgeward::core::verify::SignatureEngine;
use edgeward::gate::{Decision, Findings, Gate, Rehearsal};
use serde_json::{Value, json};

use crate::fixture::{ISSUER, NOW, Setup, claims_with, explain};
use crate::native::{NativeCrypto, Signer, engine};

const THEN: i64 = NOW * 1_000;
const ADMIN_TOKEN: &str = "admin-token-of-these-tests-0123456789";

/// A provider with a public key and a shared secret, and a few rules.
fn setup(public: &Signer) -> Setup {
    let algorithms = ["RS256", "PS256", "ES256", "EdDSA", "HS256"];
    let mut setup = Setup::new(&algorithms, public).with(json!({ "rules": [
        { "path": "/admin", "scopes_all": ["admin"] },
        { "path": "/strict", "revocation": "strict" },
        { "path": "/public", "access": "public" },
        { "path": "/shadow", "scopes_all": ["admin"], "enforce": "shadow" },
    ] }));
    setup.has_relays = true;
    setup.secret("ADMIN_TOKEN", ADMIN_TOKEN);
    let keys = json!({ "keys": [public.jwk("k1"), Signer::hmac(3).jwk("h1")] });
    setup.secret("JWT_KEYS", &keys.to_string());
    setup
}

fn settings(gate: &Gate<NativeCrypto>) -> Value {
    let request = format!(
        "GET\nhttps://edge.example/_edgeward/settings\nauthorization\nBearer {ADMIN_TOKEN}"
    );
    match gate.decide(&RequestHead::unpack(&request), THEN, &mut Findings::default()) {
        Ok(Decision::Answer(response)) => serde_json::from_str(&response.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Verifies as a browser would: with what is in the question alone.
fn answer(question: &Value) -> Value {
    let key = secret::parse("KEY", &question["key"].to_string()).unwrap().keys.remove(0);
    let algorithm = Algorithm::from_name(question["algorithm"].as_str().unwrap()).unwrap();
    let bytes = |name: &str| decoded(question[name].as_str().unwrap());
    let material: Material = key.material;
    let is_right = engine().verify(algorithm, &material, &bytes("message"), &bytes("signature"));
    json!({ "question": question, "is_right": is_right })
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn rehearse(settings: &Value, question: &Value, brought: &str) -> Value {
    rehearse_with(settings, question, brought, answer)
}

fn rehearse_with(
    settings: &Value,
    question: &Value,
    brought: &str,
    answer: impl Fn(&Value) -> Value,
) -> Value {
    let mut answers = Vec::new();
    for _ in 0..4 {
        let rehearsal = Rehearsal { settings, question, brought, answers: &answers };
        let said = rehearsal.hold(THEN);
        if said["state"] != "questions" {
            return said;
        }
        answers.extend(said["questions"].as_array().unwrap().iter().map(&answer));
    }
    panic!("it goes on asking: {answers:?}")
}

fn question(path: &str, token: &str) -> Value {
    json!({ "method": "GET", "scheme": "https", "host": "edge.example", "path": path, "token": token })
}

#[test]
fn a_verdict_is_that_of_the_gate() {
    for (public, algorithm) in [
        (Signer::rsa(), "RS256"),
        (Signer::rsa(), "PS256"),
        (Signer::p256(), "ES256"),
        (Signer::ed25519(), "EdDSA"),
    ] {
        let setup = setup(&public);
        // Without the objects: a real gate would have to ask them first.
        let mut alone = setup.clone();
        alone.has_relays = false;
        alone.table["rules"][1].as_object_mut().unwrap().remove("revocation");
        let (gate, settings) = (alone.gate(), settings(&setup.gate()));
        let made = |members: Value| {
            public.token(&json!({ "alg": algorithm, "kid": "k1" }), &claims_with(members))
        };
        let good = made(json!({}));
        let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, "A".repeat(86));
        for token in [
            good.clone(),
            made(json!({ "exp": NOW - 1 })),
            made(json!({ "nbf": NOW + 100 })),
            made(json!({ "aud": "other" })),
            made(json!({ "iss": "https://other.example" })),
            made(json!({ "sub": null })),
            public.token(&json!({ "alg": "none" }), &claims_with(json!({}))),
            forged,
            "garbage".to_owned(),
            String::new(),
        ] {
            for path in ["/", "/admin", "/strict", "/public", "/shadow"] {
                let question = question(path, &token);
                let said = rehearse(&settings, &question, "");
                assert_eq!(said["state"], "verdict", "{path}: {said}");
                let (mut said, mut real) = (said["explanation"].clone(), explain(&gate, &question));
                for one in [&mut said, &mut real] {
                    // Traces begin anew, and the settings have one set of keys less.
                    one.as_object_mut()
                        .unwrap()
                        .retain(|name, _| !["headers", "keys", "cache"].contains(&name.as_str()));
                }
                assert_eq!(said, real, "{algorithm} {path} {token}");
            }
        }
    }
}

#[test]
fn what_was_not_asked_is_named_where_it_would_matter() {
    let public = Signer::p256();
    let mut setup = setup(&public);
    setup.table["providers"][0]["introspection"] = json!({
        "url": "https://issuer.example/introspect", "client_id": "edge", "client_secret": "PASSWORD",
        "opaque_tokens": "accept",
    });
    setup.secret("PASSWORD", "the-password-of-the-gate");
    let settings = settings(&setup.gate());
    assert!(!settings.to_string().contains("the-password-of-the-gate"));
    let token =
        |members| public.token(&json!({ "alg": "ES256", "kid": "k1" }), &claims_with(members));
    let said = rehearse(&settings, &question("/", &token(json!({}))), "");
    assert_eq!(
        (&said["state"], &said["not_asked"]),
        (&json!("verdict"), &json!(["the list of revocations", "the auth service of its issuer"]))
    );
    let said = rehearse(&settings, &question("/", &token(json!({ "exp": NOW - 1 }))), "");
    assert_eq!((&said["state"], &said["not_asked"]), (&json!("verdict"), &json!([])));
    let said = rehearse(&settings, &question("/", "opaque-token"), "");
    assert_eq!(said["state"], "unknown");
    assert!(said["why"].as_str().unwrap().contains("only the auth service"), "{said}");
}

#[test]
fn what_nobody_can_verify_here_is_no_verdict() {
    let public = Signer::p256();
    let settings = settings(&setup(&public).gate());
    let secret = Signer::hmac(3);
    let signed = |signer: &Signer, algorithm: &str, kid: &str| {
        signer.token(&json!({ "alg": algorithm, "kid": kid }), &claims_with(json!({})))
    };
    // A secret that the settings do not have.
    let token = signed(&secret, "HS256", "h1");
    let said = rehearse(&settings, &question("/", &token), "");
    assert_eq!(said["state"], "unknown", "{said}");
    assert!(
        said["why"].as_str().unwrap().contains("shared secrets never leave the gate"),
        "{said}"
    );
    // Whoever has it may bring it, and a wrong one is found out.
    let brought = secret.jwk("h1").to_string();
    let said = rehearse(&settings, &question("/", &token), &brought);
    assert_eq!(
        (&said["state"], &said["explanation"]["decision"]),
        (&json!("verdict"), &json!("permit"))
    );
    let said = rehearse(&settings, &question("/", &token), &Signer::hmac(4).jwk("h1").to_string());
    assert_eq!(said["explanation"]["reason"], "bad_signature");
    let said = rehearse(&settings, &question("/", &token), "short");
    assert_eq!(said["state"], "problems");
    assert!(!said.to_string().contains("\"short\""), "{said}");
    // Who may ask the gate itself is not known by the settings.
    for path in ["/_edgeward/health", "/_edgeward/nothing"] {
        let said = rehearse(&settings, &question(path, &token), "");
        assert_eq!(said["why"], "The gate itself answers what is below its admin path.", "{said}");
    }
    // A signature that the browser does not know how to verify.
    let token = signed(&public, "ES256", "k1");
    let stuck = |question: &Value| json!({ "question": question, "is_right": null });
    let said = rehearse_with(&settings, &question("/", &token), "", stuck);
    assert_eq!(said["state"], "unknown");
    assert!(said["why"].as_str().unwrap().contains("This browser cannot verify"), "{said}");
    // Without a verified signature nothing is said about what comes after it.
    let outcome = |check: &str| {
        let checks = said["explanation"]["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|one| one["check"] == check).unwrap()["outcome"].take()
    };
    assert_eq!((outcome("key"), outcome("time")), (json!("passed"), json!("not_reached")));
}

#[test]
fn keys_that_are_published_elsewhere_are_those_that_the_gate_has_fetched() {
    let (public, other) = (Signer::p256(), Signer::p256());
    let mut setup = setup(&public);
    let provider = setup.table["providers"][0].as_object_mut().unwrap();
    provider.remove("keys");
    provider.insert("discovery".to_owned(), true.into());
    provider.insert("algorithms".to_owned(), json!(["ES256"]));
    let gate = setup.gate();
    let token = public.token(&json!({ "alg": "ES256", "kid": "k1" }), &claims_with(json!({})));
    let said = rehearse(&settings(&gate), &question("/", &token), "");
    assert_eq!(said["state"], "unknown", "it has fetched none: {said}");
    gate.begin_keys(0, THEN);
    let set = json!({ "keys": [public.jwk("k1")] }).to_string().into_bytes();
    gate.hear_keys(0, Ok((200, set)), THEN).unwrap();
    let said = rehearse(&settings(&gate), &question("/", &token), "");
    assert_eq!(
        (&said["state"], &said["explanation"]["decision"]),
        (&json!("verdict"), &json!("permit"))
    );
    // The gate would look whether there is a new key; nobody here can tell.
    let token = other.token(&json!({ "alg": "ES256", "kid": "k2" }), &claims_with(json!({})));
    assert_eq!(rehearse(&settings(&gate), &question("/", &token), "")["state"], "unknown");
}

#[test]
fn settings_and_questions_that_make_no_sense_are_answered_in_words() {
    let public = Signer::p256();
    let settings = settings(&setup(&public).gate());
    for broken in [json!(null), json!({}), json!({ "table": { "origin": 7 } })] {
        assert_eq!(rehearse(&broken, &question("/", ""), "")["state"], "problems");
    }
    let said = rehearse(&settings, &json!({ "path": "no slash" }), "");
    assert_eq!(
        (&said["state"], &said["why"]),
        (&json!("unknown"), &json!("path does not begin with /"))
    );
    assert_eq!(ISSUER, settings["table"]["providers"][0]["issuer"]);
}
