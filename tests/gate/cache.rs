//! The cache holds facts, never decisions: a hit is checked for time and rule like a miss.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use crate::fixture::{NOW, Outcome, Setup, claims_with, present, send_at, with_token};
use crate::native::{Signer, encode};

fn header() -> Value {
    json!({ "alg": "HS256", "kid": "k1" })
}

fn assertion(outcome: &Outcome) -> Option<String> {
    let Outcome::Permitted(_, edits) = outcome else { panic!("denied: {outcome:?}") };
    let (_, rest) = edits.split_once("x-auth-assertion\n")?;
    rest.lines().next().map(str::to_owned)
}

#[test]
fn a_token_that_was_seen_expires_all_the_same() {
    let signer = Signer::hmac(1);
    let gate = Setup::new(&["HS256"], &signer).gate();
    let token = with_token(&signer.token(&header(), &claims_with(json!({ "exp": NOW + 5 }))));
    assert!(send_at(&gate, &token, NOW).is_permitted());
    assert!(send_at(&gate, &token, NOW + 4).is_permitted());
    for now in [NOW + 5, NOW + 6, NOW + 1_000_000] {
        assert_eq!(send_at(&gate, &token, now).reason(), Some(Reason::Expired));
    }
}

#[test]
fn a_token_that_was_seen_is_not_valid_before_its_time_either() {
    let signer = Signer::hmac(1);
    let gate = Setup::new(&["HS256"], &signer).gate();
    let token = with_token(&signer.token(&header(), &claims_with(json!({}))));
    assert!(send_at(&gate, &token, NOW).is_permitted());
    assert_eq!(send_at(&gate, &token, NOW - 11).reason(), Some(Reason::NotYetValid));
}

#[test]
fn a_token_that_was_seen_still_has_to_satisfy_each_rule() {
    let signer = Signer::hmac(1);
    let rules = json!({ "rules": [
        { "path": "/admin", "scopes_all": ["admin"] },
        { "path": "/acme", "claims": { "org.tenants": ["acme", 7, true] } },
    ]});
    let gate = Setup::new(&["HS256"], &signer).with(rules).gate();
    let tenants = json!({ "org": { "tenants": ["x", "acme"] } });
    let token = signer.token(&header(), &claims_with(tenants));
    let get = |path: &str| {
        let packed = format!("GET\nhttps://e.example{path}\nauthorization\nBearer {token}");
        send_at(&gate, &packed, NOW).reason()
    };
    for _ in 0..3 {
        assert_eq!(get("/"), None);
        assert_eq!(get("/acme/x"), None);
        assert_eq!(get("/admin"), Some(Reason::MissingScope));
    }
}

#[test]
fn a_token_that_differs_in_one_character_from_one_that_was_seen_is_refused() {
    for (algorithm, signer) in [
        ("HS256", Signer::hmac(1)),
        ("RS256", Signer::rsa()),
        ("ES256", Signer::p256()),
        ("EdDSA", Signer::ed25519()),
    ] {
        let gate = Setup::new(&[algorithm], &signer).gate();
        let token =
            signer.token(&json!({ "alg": algorithm, "kid": "k1" }), &claims_with(json!({})));
        assert!(present(&gate, &token).is_permitted());
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(!present(&gate, &changed).is_permitted(), "{algorithm} at {at}: {changed}");
        }
        assert!(present(&gate, &token).is_permitted());
    }
}

#[test]
fn an_assertion_is_used_again_until_half_of_its_life_is_over() {
    let signer = Signer::hmac(1);
    let mut setup = Setup::new(&["HS256"], &signer);
    setup.table["forward"]["assertion"] =
        json!({ "key": "ASSERTION_KEY", "audience": "https://origin.internal", "ttl_seconds": 60 });
    let key = json!({ "kty": "oct", "k": encode(&[9; 32]) });
    setup.secret("ASSERTION_KEY", &key.to_string());
    let gate = setup.gate();
    let token = with_token(&signer.token(&header(), &claims_with(json!({ "exp": NOW + 45 }))));
    let at = |now| assertion(&send_at(&gate, &token, now)).unwrap();
    let first = at(NOW);
    assert_eq!(first, at(NOW + 21));
    let second = at(NOW + 22);
    assert_ne!(first, second);
    let claims = second.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(
        &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap(),
    )
    .unwrap();
    // Never beyond the token's own end.
    assert_eq!(claims["exp"], json!(NOW + 45));
    assert_eq!(claims["iat"], json!(NOW + 22));
}
