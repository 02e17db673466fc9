//! Rules that only record: nobody is refused by them, and nobody gets an identity by them either.

use edgeward::core::denial::Reason;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings, Gate, Upgrade};
use serde_json::{Value, json};

use crate::fixture::{NOW, Outcome, Setup, claims_with, explain, send_at};
use crate::native::{NativeCrypto, Signer};

/// What is set for every request of these tests.
const CLIENT: &str = "x-forwarded-proto\nhttps\nx-forwarded-host\nedge.example\n";

fn setup() -> Setup {
    Setup::new(&["HS256"], &Signer::hmac(1)).with(json!({ "rules": [
        { "path": "/new", "scopes_all": ["write"], "enforce": "shadow" },
        { "path": "/new/admin", "scopes_all": ["admin"], "enforce": "shadow" },
        { "path": "/old", "scopes_all": ["admin"] },
        { "path": "/open", "access": "optional", "enforce": "shadow" },
    ] }))
}

fn token(members: Value) -> String {
    Signer::hmac(1).token(&json!({ "alg": "HS256" }), &claims_with(members))
}

fn send(gate: &Gate<NativeCrypto>, path: &str, token: Option<&str>) -> Outcome {
    let credentials =
        token.map(|token| format!("\nauthorization\nBearer {token}")).unwrap_or_default();
    send_at(gate, &format!("GET\nhttps://edge.example{path}{credentials}"), NOW)
}

fn shadowed(code: &str) -> String {
    format!("\n{CLIENT}x-auth-shadow\n{code}\n")
}

#[test]
fn who_would_be_denied_goes_to_the_origin_with_what_he_sent_and_a_word_about_it() {
    let gate = setup().gate();
    let expired = token(json!({ "exp": NOW - 60 }));
    for (path, token, code) in [
        ("/new", None, "missing_token"),
        ("/new/x", Some("garbage"), "invalid_token"),
        ("/new", Some(expired.as_str()), "expired_token"),
        ("/new/admin", Some(token(json!({})).as_str()), "insufficient_scope"),
        ("/open", Some("garbage"), "invalid_token"),
    ] {
        let Outcome::Permitted(_, edits) = send(&gate, path, token) else { panic!("{path}") };
        assert_eq!(edits, shadowed(code), "{path}");
    }
    let counted: Vec<_> = gate.tally().shadowed().collect();
    assert_eq!(
        counted,
        [
            (Reason::NoCredentials, 1),
            (Reason::MalformedToken, 2),
            (Reason::Expired, 1),
            (Reason::MissingScope, 1),
        ]
    );
    assert_eq!((gate.tally().permitted(), gate.tally().denied().count()), (0, 0));
}

#[test]
fn who_would_pass_has_his_identity_and_keeps_his_token() {
    let gate = setup().gate();
    let identity = "X-Auth-Scope\nread write\nX-Auth-Subject\nalice\n";
    let Outcome::Permitted(_, edits) = send(&gate, "/new", Some(&token(json!({})))) else {
        panic!("denied")
    };
    assert_eq!(edits, format!("\n{CLIENT}{identity}"));
    let Outcome::Permitted(_, edits) = send(&gate, "/open", None) else { panic!("denied") };
    assert_eq!(edits, format!("\n{CLIENT}"));
    assert_eq!(gate.tally().permitted(), 2);
}

#[test]
fn other_rules_and_what_no_rule_covers_deny_as_ever() {
    let gate = setup().gate();
    let token = token(json!({}));
    assert_eq!(send(&gate, "/old", Some(&token)), Outcome::Denied(Reason::MissingScope));
    assert_eq!(send(&gate, "/", None), Outcome::Denied(Reason::NoCredentials));
    // What cannot be evaluated cannot be forwarded as it was evaluated.
    assert_eq!(send(&gate, "/new/%00", Some(&token)), Outcome::Denied(Reason::AmbiguousPath));
}

#[test]
fn a_path_that_can_also_be_read_as_one_of_a_rule_that_denies_is_denied() {
    let gate = setup().gate();
    for path in ["/new/..%2fold", "/new;/../old", "/new/%2e%2e/old"] {
        let outcome = send(&gate, path, None);
        assert!(outcome.reason().is_some(), "{path}: {outcome:?}");
    }
}

#[test]
fn of_two_rules_that_a_path_leads_to_the_one_that_denies_counts() {
    let gate = setup()
        .with(json!({ "rules": [{ "path": "/", "enforce": "shadow" }, { "path": "/old" }] }))
        .gate();
    for path in ["/OLD", "//old", "/old;x"] {
        let explained = explain(&gate, &json!({ "path": path }));
        let decides = |rule: &&Value| rule["standing"] == "decides";
        let rules = explained["rules"].as_array().unwrap();
        assert_eq!(rules.iter().filter(decides).count(), 2, "{path}: {explained}");
        assert_eq!(send(&gate, path, None), Outcome::Denied(Reason::NoCredentials), "{path}");
    }
    assert!(send(&gate, "/other", None).is_permitted());
}

#[test]
fn what_a_client_says_about_itself_is_removed_all_the_same() {
    let gate = setup().gate();
    let packed = "GET\nhttps://edge.example/new\nx-auth-shadow\nnothing\nx_auth_subject\nroot";
    let Outcome::Permitted(_, edits) = send_at(&gate, packed, NOW) else { panic!("denied") };
    let expected = format!("x-auth-shadow\nx_auth_subject\n{}", shadowed("missing_token"));
    assert_eq!(edits, expected);
}

#[test]
fn no_websocket_of_such_a_rule_is_ended() {
    let gate = setup().gate();
    for token in [None, Some(token(json!({})))] {
        let credentials =
            token.map(|token| format!("\nauthorization\nBearer {token}")).unwrap_or_default();
        let packed = format!("GET\nhttps://edge.example/new\nupgrade\nwebsocket{credentials}");
        let head = RequestHead::unpack(&packed);
        let Ok(Decision::Forward(mut permit)) =
            gate.decide(&head, NOW * 1_000, &mut Findings::default())
        else {
            panic!("denied")
        };
        assert!(matches!(permit.take_upgrade(), Upgrade::Native));
    }
}

#[test]
fn such_rules_are_seen() {
    let gate = setup().gate();
    let warnings = &gate.report().warnings;
    assert_eq!(
        warnings[0],
        "AUTH.rules[0].enforce: \"shadow\": whoever this rule (/new) would deny goes to the origin"
    );
    assert_eq!(warnings.len(), 3);
    let page = gate.metrics_page(None, NOW * 1_000).body;
    assert!(page.contains("\nauth_shadow_rules 3\n"), "{page}");
    let explained = explain(&gate, &json!({ "path": "/new" }));
    assert_eq!(explained["decision"], "shadow");
    assert_eq!(explained["code"], "missing_token");
    assert_eq!(explained["headers"]["set"]["x-auth-shadow"], "missing_token");
}

/// What is personal goes past the platform's cache.
#[test]
fn a_request_is_personal_only_where_the_origin_is_told_who_is_asking() {
    let gate = setup().gate();
    let [reader, writer] = ["read", "write"].map(|scope| token(json!({ "scope": scope })));
    for (path, token, is_personal) in [
        ("/new", Some(&writer), true),
        ("/new", Some(&reader), false),
        ("/new", None, false),
        ("/open", Some(&reader), true),
        ("/open", None, false),
    ] {
        let credentials =
            token.map(|token| format!("\nauthorization\nBearer {token}")).unwrap_or_default();
        let packed = format!("GET\nhttps://edge.example{path}{credentials}");
        let (head, mut findings) = (RequestHead::unpack(&packed), Findings::default());
        let Ok(Decision::Forward(permit)) = gate.decide(&head, NOW * 1_000, &mut findings) else {
            panic!("{path}")
        };
        assert_eq!(permit.is_personal(), is_personal, "{path} {credentials}");
    }
}
