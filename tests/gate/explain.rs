//! What an operator is told about a request that he asks about.

use edgeward::core::request::RequestHead;
use edgeward::core::revocation::delta::{Delta, Head};
use edgeward::core::revocation::entry::{Effect, Entry};
use edgeward::core::revocation::target::{Fingerprint, Kind};
use serde_json::{Value, json};

use crate::fixture::{ISSUER, NOW, Setup, claims_with, explain};
use crate::native::Signer;

const THEN: i64 = NOW * 1_000;

fn setup() -> Setup {
    let mut setup = Setup::new(&["HS256", "HS384"], &Signer::hmac(1)).with(json!({ "rules": [
        { "path": "/a", "scopes_all": ["write"] },
        { "path": "/a", "methods": ["POST"], "scopes_all": ["admin"] },
        { "path": "/a", "hosts": ["other.example"] },
        { "path": "/b" },
        { "path": "/" , "access": "public" },
    ] }));
    let other = Signer::hmac(2);
    let keys = json!({ "keys": [Signer::hmac(1).jwk("k1"), other.jwk("k2")] });
    setup.secret("JWT_KEYS", &keys.to_string());
    setup
}

fn token(members: Value) -> String {
    Signer::hmac(1).token(&json!({ "alg": "HS256", "kid": "k1" }), &claims_with(members))
}

fn outcomes(explanation: &Value) -> Vec<&str> {
    let checks = explanation["checks"].as_array().unwrap();
    checks.iter().map(|check| check["outcome"].as_str().unwrap()).collect()
}

#[test]
fn a_permit_is_explained_in_full() {
    let mut explanation =
        explain(&setup().gate(), &json!({ "path": "/a?q", "token": token(json!({})) }));
    // It is never the same.
    let set = explanation["headers"]["set"].as_object_mut().unwrap();
    assert!(set.remove("traceparent").is_some());
    assert_eq!(
        explanation,
        json!({
            "decision": "permit",
            "degraded": null,
            "cache": "none",
            "checks": [
                { "check": "configuration", "outcome": "passed" },
                { "check": "target", "outcome": "passed" },
                { "check": "credentials", "outcome": "passed" },
                { "check": "structure", "outcome": "passed" },
                { "check": "header", "outcome": "passed" },
                { "check": "issuer", "outcome": "passed" },
                { "check": "key", "outcome": "passed" },
                { "check": "signature", "outcome": "passed" },
                { "check": "time", "outcome": "passed" },
                { "check": "audience", "outcome": "passed" },
                { "check": "revocation", "outcome": "not_needed" },
                { "check": "auth_service", "outcome": "not_needed" },
                { "check": "rule", "outcome": "passed" },
                { "check": "assertion", "outcome": "not_needed" },
            ],
            "headers": {
                "removed": ["authorization"],
                "set": {
                    "X-Auth-Scope": "read write",
                    "X-Auth-Subject": "alice",
                    "x-forwarded-host": "edge.example",
                    "x-forwarded-proto": "https",
                },
            },
            "keys": [
                { "kid": "k1", "type": "oct", "alg": null, "standing": "chosen" },
                { "kid": "k2", "type": "oct", "alg": null, "standing": "other_kid" },
            ],
            "provider": "main",
            "revocation": null,
            "rules": [
                { "rule": 0, "path": "/a", "standing": "decides" },
                { "rule": 1, "path": "/a", "standing": "other_method" },
                { "rule": 2, "path": "/a", "standing": "other_host" },
                { "rule": 3, "path": "/b", "standing": "other_path" },
                { "rule": 4, "path": "/", "standing": "less_specific" },
            ],
            "url": "https://origin.internal/a?q",
        })
    );
}

#[test]
fn a_denial_says_where_it_fails_and_why() {
    let gate = setup().gate();
    let question = json!({ "method": "POST", "path": "/a", "token": token(json!({})) });
    let explanation = explain(&gate, &question);
    assert_eq!(explanation["decision"], "deny");
    assert_eq!(explanation["status"], 403);
    assert_eq!(explanation["code"], "insufficient_scope");
    assert_eq!(explanation["reason"], "missing_scope");
    assert_eq!(explanation["rule"], 1);
    assert_eq!(explanation["scope"], "admin");
    assert_eq!(outcomes(&explanation)[12..], ["failed", "not_reached"]);
    // The gate has met this token by now.
    assert_eq!(explain(&gate, &question)["cache"], "l1");

    let forged = json!({ "path": "/a", "token": Signer::hmac(3).token(
        &json!({ "alg": "HS384" }), &claims_with(json!({}))) });
    let explanation = explain(&gate, &forged);
    assert_eq!(explanation["reason"], "ambiguous_key");
    assert_eq!(explanation["keys"][0]["standing"], "ambiguous");
}

#[test]
fn what_is_not_asked_is_not_needed() {
    let gate = setup().gate();
    let public = explain(&gate, &json!({ "path": "/x", "token": token(json!({})) }));
    assert_eq!(public["decision"], "permit");
    assert_eq!(outcomes(&public)[..3], ["passed"; 3]);
    assert_eq!(outcomes(&public)[3..], ["not_needed"; 11]);
    let own = explain(&gate, &json!({ "path": "/_edgeward/health" }));
    assert_eq!((own["decision"].as_str(), &own["url"]), (Some("gate"), &Value::Null));
}

#[test]
fn only_the_auth_service_of_the_tokens_own_provider_is_one_of_its_checks() {
    let mut setup = setup();
    setup.table["providers"].as_array_mut().unwrap().push(json!({
        "name": "other",
        "issuer": "https://other.example",
        "audiences": ["api"],
        "algorithms": ["HS256"],
        "keys": ["JWT_KEYS"],
        "introspection": {
            "url": "https://other.example/introspect",
            "client_id": "edge",
            "client_secret": "CLIENT_SECRET",
        },
    }));
    setup.secret("CLIENT_SECRET", "secret");
    let explanation = explain(&setup.gate(), &json!({ "path": "/a", "token": token(json!({})) }));
    assert_eq!(explanation["decision"], "permit");
    assert_eq!(
        explanation["checks"][11],
        json!({ "check": "auth_service", "outcome": "not_needed" })
    );
}

#[test]
fn explaining_counts_as_no_request() {
    let gate = setup().gate();
    explain(&gate, &json!({ "path": "/a", "token": token(json!({})) }));
    explain(&gate, &json!({ "path": "/a" }));
    assert_eq!((gate.tally().permitted(), gate.tally().denied().count()), (0, 0));
}

#[test]
fn a_revocation_is_named_by_its_id() {
    let mut setup = setup();
    setup.has_relays = true;
    let gate = setup.gate();
    let target = Fingerprint::of(Kind::Subject, ISSUER, "alice");
    let entry = Entry { number: 1, target, effect: Effect::RevokeAll, expires_at: NOW + 600 };
    let head = Head { log: 7, after: 0, to: 1, latest: 1, age_ms: Some(0) };
    gate.begin_list(THEN);
    gate.hear_delta(&Delta::write(&head, &[entry]), THEN, THEN).unwrap();
    let explanation = explain(&gate, &json!({ "path": "/a", "token": token(json!({})) }));
    assert_eq!(explanation["reason"], "revoked");
    assert_eq!(explanation["revoked_by"], "sub");
    assert_eq!(explanation["revocation"]["state"], "fresh");
    let targets = explanation["revocation"]["targets"].as_array().unwrap();
    let revoked: Vec<_> = targets.iter().filter(|target| target["revoked"] == true).collect();
    let entry = json!({ "id": target.to_string(), "issued_before": null, "expires_at": NOW + 600 });
    let row = json!({
        "by": "sub", "id": target.to_string(), "revoked": true, "entries": [entry],
    });
    assert_eq!(revoked, [&row]);
}

#[test]
fn a_revocation_of_older_tokens_is_shown_where_it_does_not_revoke_this_one() {
    let mut setup = setup();
    setup.has_relays = true;
    let gate = setup.gate();
    let target = Fingerprint::of(Kind::Subject, ISSUER, "alice").of_older();
    let effect = Effect::RevokeIssuedBefore(NOW - 3_600);
    let entry = Entry { number: 1, target, effect, expires_at: NOW + 600 };
    let head = Head { log: 7, after: 0, to: 1, latest: 1, age_ms: Some(0) };
    gate.begin_list(THEN);
    gate.hear_delta(&Delta::write(&head, &[entry]), THEN, THEN).unwrap();
    let token = token(json!({ "iat": NOW - 60 }));
    let explanation = explain(&gate, &json!({ "path": "/a", "token": token }));
    assert_eq!(explanation["decision"], "permit");
    let targets = explanation["revocation"]["targets"].as_array().unwrap();
    let subject = targets.iter().find(|target| target["by"] == "sub").unwrap();
    let entry = json!({
        "id": target.to_string(), "issued_before": NOW - 3_600, "expires_at": NOW + 600,
    });
    assert_eq!(subject["revoked"], false);
    assert_eq!(subject["entries"], json!([entry]));
}

#[test]
fn the_assertion_is_shown_without_its_signature() {
    let mut setup = setup();
    setup.table["forward"]["assertion"] = json!({ "key": "ASSERTION_KEY", "audience": "o" });
    let key = json!({ "kty": "oct", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE" });
    setup.secret("ASSERTION_KEY", &key.to_string());
    let explanation = explain(&setup.gate(), &json!({ "path": "/a", "token": token(json!({})) }));
    let shown = explanation["headers"]["set"]["x-auth-assertion"].as_str().unwrap();
    assert!(shown.ends_with(".…") && shown.matches('.').count() == 2, "{shown}");
}

#[test]
fn credentials_can_be_anywhere() {
    let mut setup = setup();
    setup.table["token"] = json!({ "sources": ["authorization", "cookie:s", "query:t"] });
    let gate = setup.gate();
    let token = token(json!({}));
    for (question, reason) in [
        (json!({ "path": format!("/a?t={token}") }), None),
        (json!({ "path": "/a", "headers": { "Cookie": format!("s={token}") } }), None),
        (
            json!({ "path": "/a", "headers": { "Cookie": format!("s={token}"), "Origin": "https://evil.example" } }),
            Some("foreign_origin"),
        ),
        (
            json!({ "path": "/a", "token": token, "headers": { "Authorization": "Bearer x.y.z" } }),
            Some("several_credentials"),
        ),
    ] {
        assert_eq!(explain(&gate, &question)["reason"].as_str(), reason, "{question}");
    }
}

#[test]
fn a_question_that_is_none_is_refused_with_the_mistake() {
    let gate = setup().gate();
    let head = RequestHead::unpack("POST\nhttps://edge.example/_edgeward/explain");
    for (question, detail) in [
        ("", "it is not valid JSON"),
        ("[]", "it is not valid JSON"),
        (r#"{"path":"/","path":"/"}"#, "a member occurs twice in one object"),
        (r#"{"url":"/"}"#, "\"url\" is none of method, scheme, host, path, token, headers"),
        (r#"{"path":"a"}"#, "path does not begin with /"),
        (r#"{"path":"/a\nx: y"}"#, "path is not a text of one line"),
        (r#"{"method":1}"#, "method is not a text of one line"),
        (r#"{"headers":[]}"#, "headers is not an object"),
        (r#"{"headers":{"a b":"c"}}"#, "\"a b\" is no header with one line of text"),
        (r#"{"headers":{"a":"c\r"}}"#, "\"a\" is no header with one line of text"),
    ] {
        let Err(refused) = gate.explaining(Some(question.as_bytes()), &head) else {
            panic!("{question}")
        };
        let body: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!((refused.status, body["detail"].as_str()), (400, Some(detail)), "{question}");
    }
    let Err(refused) = gate.explaining(None, &head) else { panic!("too long") };
    assert_eq!(refused.status, 413);
}
