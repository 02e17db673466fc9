//! What the health endpoint says while something is not as it should be.

use edgeward::core::request::RequestHead;
use edgeward::core::revocation::delta::{Delta, Head};
use edgeward::gate::{Decision, Findings, Gate, Question};
use serde_json::{Value, json};

use crate::fixture::{NOW, Setup, claims_with, with_token};
use crate::native::{NativeCrypto, Signer};
use crate::outages::asking;
use crate::world::{State, World};

const THEN: i64 = NOW * 1_000;
const ADMIN_TOKEN: &str = "admin-token-of-these-tests-0123456789";

fn setup() -> Setup {
    let mut setup = Setup::new(&["HS256"], &Signer::hmac(1));
    setup.secret("ADMIN_TOKEN", ADMIN_TOKEN);
    setup
}

/// The status for everybody, and what the admin reads.
fn health(gate: &Gate<NativeCrypto>, now: i64) -> (u16, Value, Vec<(String, String)>) {
    let ask = |credentials: &str| {
        let packed = format!("GET\nhttps://edge.example/_edgeward/health{credentials}");
        match gate.decide(&RequestHead::unpack(&packed), now, &mut Findings::default()) {
            Ok(Decision::Answer(response)) => response,
            other => panic!("{other:?}"),
        }
    };
    let anybody = ask("");
    let admin = ask(&format!("\nauthorization\nBearer {ADMIN_TOKEN}"));
    assert_eq!(anybody.status, admin.status);
    let status: Value = serde_json::from_str(&anybody.body).unwrap();
    let report: Value = serde_json::from_str(&admin.body).unwrap();
    assert_eq!(report["status"], status["status"]);
    let problems = report["problems"].as_array().unwrap().iter().map(|problem| {
        assert!(!problem["mend"].as_str().unwrap().is_empty());
        let text = |name: &str| problem[name].as_str().unwrap().to_owned();
        (text("path"), text("found"))
    });
    (anybody.status, status, problems.collect())
}

fn problem(path: &str, found: &str) -> Vec<(String, String)> {
    vec![(path.to_owned(), found.to_owned())]
}

#[test]
fn keys_that_cannot_be_fetched_are_a_problem_and_without_any_nobody_passes() {
    let mut setup = setup();
    let provider = setup.table["providers"][0].as_object_mut().unwrap();
    provider.remove("keys");
    provider.insert("jwks_uri".to_owned(), "https://issuer.example/jwks".into());
    provider.insert("algorithms".to_owned(), json!(["RS256"]));
    let gate = setup.gate();
    // Nobody has asked for them yet.
    assert_eq!(health(&gate, THEN), (200, json!({ "status": "ready" }), vec![]));
    gate.begin_keys(0, THEN);
    gate.hear_keys(0, Err("timeout".to_owned()), THEN).unwrap_err();
    let path = "AUTH.providers[0].jwks_uri";
    let found = "the published keys cannot be fetched, and no set counts: tokens are refused";
    assert_eq!(
        health(&gate, THEN),
        (503, json!({ "status": "unavailable" }), problem(path, found))
    );
    // Nobody else may find out that it is over.
    assert_eq!(gate.take_due(), None, "not at once");
    assert_eq!(health(&gate, THEN + 60_000).0, 503);
    assert_eq!(gate.take_due(), Some(0));
    let set = json!({ "keys": [Signer::rsa().jwk("k1")] }).to_string().into_bytes();
    gate.begin_keys(0, THEN);
    gate.hear_keys(0, Ok((200, set)), THEN).unwrap();
    assert_eq!(health(&gate, THEN), (200, json!({ "status": "ready" }), vec![]));
    gate.begin_keys(0, THEN + 300_000);
    gate.hear_keys(0, Ok((500, Vec::new())), THEN + 300_000).unwrap_err();
    let found = "the published keys cannot be fetched; the last set still counts";
    let (status, _, problems) = health(&gate, THEN + 300_000);
    assert_eq!((status, problems), (200, problem(path, found)));
}

#[test]
fn a_list_that_cannot_be_refreshed_is_a_problem_and_one_that_does_not_count_refuses_all() {
    for (on_stale, is_allowed) in [("deny", "true"), ("serve", "true"), ("serve", "false")] {
        let mut setup = setup().with(json!({ "revocation": { "on_stale": on_stale } }));
        setup.has_relays = true;
        setup.secret("ALLOW_DEGRADED_AUTH", is_allowed);
        let Ok(gate) = setup.boot() else { continue };
        assert_eq!(health(&gate, THEN).0, 200);
        let head = Head { log: 7, after: 0, to: 0, latest: 0, age_ms: Some(0) };
        gate.begin_list(THEN);
        gate.hear_delta(&Delta::write(&head, &[]), THEN, THEN).unwrap();
        gate.begin_list(THEN + 1_000);
        gate.list_was_not_refreshed(THEN + 1_000);
        let (status, _, problems) = health(&gate, THEN + 1_000);
        let found = "the list of revocations cannot be refreshed; it still counts";
        assert_eq!((status, problems), (200, problem("AUTH.revocation", found)));
        let serves = on_stale == "serve" && is_allowed == "true";
        let found = if serves {
            "there is no list of revocations that counts: permits are degraded"
        } else {
            "there is no list of revocations that counts: tokens are refused"
        };
        let (status, _, problems) = health(&gate, THEN + 40_000);
        let expected = if serves { 200 } else { 503 };
        assert_eq!(gate.take_list_due(), !serves);
        assert_eq!((status, problems), (expected, problem("AUTH.revocation", found)));
    }
}

#[test]
fn a_silent_auth_service_is_a_problem_and_those_pass_whom_it_has_told_of() {
    let signer = Signer::rsa();
    for is_allowed in [true, false] {
        let mut setup = asking(&signer, &json!({ "on_outage": "signature" }), is_allowed);
        setup.secret("ADMIN_TOKEN", ADMIN_TOKEN);
        let gate = setup.gate();
        let mut world = World::new(json!({}));
        world.service.state = State::Down;
        for number in 0..30 {
            let claims = claims_with(json!({ "jti": number.to_string() }));
            let token = signer.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims);
            world.present(&gate, &token);
        }
        let found = if is_allowed {
            "the auth service gives no answer: permits are degraded"
        } else {
            "the auth service gives no answer: tokens that nobody has asked about are refused"
        };
        let (status, _, problems) = health(&gate, world.now);
        assert_eq!((status, problems), (200, problem("AUTH.providers[0].introspection", found)));
    }
}

#[test]
fn an_auth_service_that_refuses_us_is_a_problem_until_it_answers() {
    let signer = Signer::rsa();
    let mut setup = asking(&signer, &json!({}), false);
    setup.secret("ADMIN_TOKEN", ADMIN_TOKEN);
    let gate = setup.gate_with(false);
    let found = "the auth service refuses us: tokens that nobody has asked about are refused";
    let refused = problem("AUTH.providers[0].introspection", found);
    for (at, (status, expected)) in
        (0_i64..).zip([(401, &refused), (403, &refused), (200, &vec![]), (400, &refused)])
    {
        let now = THEN + at;
        let claims = claims_with(json!({ "jti": at.to_string() }));
        let packed = with_token(&signer.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims));
        let asked = gate.decide(&RequestHead::unpack(&packed), now, &mut Findings::default());
        let Ok(Decision::Ask(Question::Verdict(inquiry))) = asked else { panic!("{asked:?}") };
        let reply = Ok((status, br#"{"active":true}"#.to_vec()));
        let _ = gate.hear_verdict(inquiry, reply, now);
        assert_eq!(&health(&gate, now).2, expected, "{status}");
    }
}

#[test]
fn a_rule_that_only_records_is_a_problem_until_it_denies() {
    let rules = json!({ "rules": [{ "path": "/new", "enforce": "shadow" }] });
    let (status, _, problems) = health(&setup().with(rules).gate(), THEN);
    let found = "whoever this rule would deny goes to the origin";
    assert_eq!((status, problems), (200, problem("AUTH.rules[0].enforce", found)));
}
