//! What log lines may say about a token, and what not.

use edgeward::core::denial::{Checked, Reason};
use edgeward::core::request::RequestHead;
use edgeward::core::revocation::target::{Fingerprint, Kind};
use edgeward::gate::{Findings, TokenInLog};
use serde_json::{Value, json};

use crate::fixture::{ISSUER, NOW, Setup, claims_with, present, with_token};
use crate::native::{NativeCrypto, Signer};

type Gate = edgeward::gate::Gate<NativeCrypto>;

/// Of `alice`, as revocations name her.
fn alice() -> Fingerprint {
    Fingerprint::of(Kind::Subject, ISSUER, "alice")
}

fn token(signer: &Signer, kid: &Value, claims: Value) -> String {
    let mut header = json!({ "alg": "HS256" });
    if !kid.is_null() {
        header["kid"] = kid.clone();
    }
    signer.token(&header, &claims_with(claims))
}

fn about(gate: &Gate, packed: &str, checked: Checked) -> TokenInLog {
    gate.token_in_log(&RequestHead::unpack(packed), checked)
}

/// What the line of a refused token says, and why it is refused.
fn refused(gate: &Gate, token: &str) -> (Reason, TokenInLog) {
    let packed = with_token(token);
    let decision =
        gate.decide(&RequestHead::unpack(&packed), NOW * 1_000, &mut Findings::default());
    let reason = decision.unwrap_err().reason;
    (reason, about(gate, &packed, reason.checked()))
}

#[test]
fn a_subject_is_named_once_the_signature_is_known_to_be_right() {
    let (own, other) = (Signer::hmac(1), Signer::hmac(2));
    let rules = json!([{ "path": "/", "scopes_all": ["admin"] }]);
    let gate = Setup::new(&["HS256"], &own).with(json!({ "rules": rules })).gate();
    let k1 = json!("k1");
    for (token, reason, kid, subject) in [
        (token(&own, &k1, json!({ "exp": 1 })), Reason::Expired, Some("k1"), Some(alice())),
        (token(&own, &k1, json!({ "aud": "x" })), Reason::WrongAudience, Some("k1"), Some(alice())),
        (token(&own, &k1, json!({})), Reason::MissingScope, Some("k1"), Some(alice())),
        // From the cache.
        (token(&own, &k1, json!({})), Reason::MissingScope, Some("k1"), Some(alice())),
        (token(&own, &Value::Null, json!({ "exp": 1 })), Reason::Expired, None, Some(alice())),
        (token(&own, &k1, json!({ "sub": 7 })), Reason::MissingClaim, Some("k1"), None),
        (token(&other, &k1, json!({})), Reason::BadSignature, Some("k1"), None),
        (token(&own, &json!("k2"), json!({})), Reason::UnknownKey, Some("k2"), None),
        (token(&own, &json!("k\n2"), json!({})), Reason::UnknownKey, None, None),
        (token(&own, &k1, json!({ "iss": "x" })), Reason::UnknownIssuer, None, None),
        ("a.b.c".to_owned(), Reason::MalformedToken, None, None),
        ("opaque".to_owned(), Reason::MalformedToken, None, None),
    ] {
        let expected = TokenInLog { kid: kid.map(str::to_owned), subject };
        assert_eq!(refused(&gate, &token), (reason, expected));
    }
}

#[test]
fn a_reason_alone_makes_nobody_believe_what_a_token_says() {
    let gate = Setup::new(&["HS256"], &Signer::hmac(1)).gate();
    let forged = token(&Signer::hmac(2), &json!("k1"), json!({}));
    for checked in [Checked::Header, Checked::Signature] {
        let about = about(&gate, &with_token(&forged), checked);
        assert_eq!(about, TokenInLog { kid: Some("k1".to_owned()), subject: None });
    }
    assert_eq!(about(&gate, &with_token(&forged), Checked::Nothing), TokenInLog::default());
    let without = "GET\nhttps://edge.example/";
    assert_eq!(about(&gate, without, Checked::Signature), TokenInLog::default());
}

#[test]
fn a_permitted_token_is_named_by_its_subject_and_its_rule() {
    let signer = Signer::hmac(1);
    let rules = json!([
        { "path": "/public", "access": "public" },
        { "path": "/a", "scopes_all": ["read"] },
    ]);
    let gate = Setup::new(&["HS256"], &signer).with(json!({ "rules": rules })).gate();
    let token = token(&signer, &json!("k1"), json!({}));
    assert!(present(&gate, &token).is_permitted());
    let about = about(&gate, &with_token(&token), Checked::Signature);
    assert_eq!(about, TokenInLog { kid: Some("k1".to_owned()), subject: Some(alice()) });
    for (path, rule) in [("/public/x", Some(0)), ("/a", Some(1)), ("/b", None), ("/%00", None)] {
        let packed = format!("GET\nhttps://edge.example{path}");
        assert_eq!(gate.rule_in_log(&RequestHead::unpack(&packed)), rule, "{path}");
    }
}
