//! What a gate that asks an auth service does while there is no answer.

use std::sync::LazyLock;

use edgeward::core::denial::Reason;
use edgeward::core::introspection::Silence;
use edgeward::core::mode::Mode;
use edgeward::core::request::RequestHead;
use edgeward::core::revocation::target::Kind;
use edgeward::gate::{Decision, Findings, Gate, KvChange, Question, Warming};
use serde_json::{Value, json};

use crate::fixture::{NOW, Setup, claims_with, with_token};
use crate::native::{NativeCrypto, Signer};
use crate::revocations::Hub;
use crate::world::{Outcome, State, World};

static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);

fn token(jti: &str) -> String {
    let claims = claims_with(json!({ "exp": NOW + 100_000, "jti": jti }));
    RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims)
}

/// A gate that asks about the tokens of [`token`], with other members of `introspection`.
pub fn asking(signer: &Signer, members: &Value, is_allowed: bool) -> Setup {
    let mut setup = Setup::new(&["RS256"], signer);
    let mut introspection = json!({
        "url": "https://issuer.example/introspect",
        "client_id": "edge",
        "client_secret": "CLIENT_SECRET",
    });
    introspection.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    setup.table["providers"][0]["introspection"] = introspection;
    let headers = json!({ "X-Auth-Subject": "sub", "X-Nickname": "nickname" });
    let assertion = json!({ "key": "ASSERTION_KEY", "audience": "o" });
    setup.table["forward"] = json!({ "claim_to_headers": headers, "assertion": assertion });
    setup.secret("CLIENT_SECRET", "secret");
    let key = json!({ "kty": "oct", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE" });
    setup.secret("ASSERTION_KEY", &key.to_string());
    setup.secret("ALLOW_DEGRADED_AUTH", if is_allowed { "true" } else { "false" });
    setup
}

fn gate(on_outage: &str, is_allowed: bool) -> Gate<NativeCrypto> {
    asking(&RSA, &json!({ "on_outage": on_outage }), is_allowed).gate()
}

fn mode(outcome: &Outcome) -> Mode {
    match outcome {
        Outcome::Permitted { mode, .. } => *mode,
        Outcome::Denied(reason) => panic!("{reason:?}"),
    }
}

#[test]
fn without_an_answer_the_last_one_counts_and_without_that_the_signature() {
    for (on_outage, is_allowed, known, unknown) in [
        ("deny", true, None, None),
        ("stale", true, Some(Mode::Stale), None),
        ("signature", true, Some(Mode::Stale), Some(Mode::Signature)),
        ("signature", false, None, None),
    ] {
        for state in [State::Down, State::Hanging] {
            let mut world = World::new(json!({}));
            let gate = gate(on_outage, is_allowed);
            assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Normal);
            world.service.state = state;
            // The answer still counts.
            world.now += 599_000;
            assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Normal);
            world.now += 1_000;
            for (token, expected) in [(token("a"), known), (token("b"), unknown)] {
                let outcome = world.present(&gate, &token);
                match expected {
                    Some(expected) => assert_eq!(mode(&outcome), expected, "{on_outage}"),
                    None => assert_eq!(
                        outcome,
                        Outcome::Denied(Reason::AuthServiceSilent),
                        "{on_outage} {is_allowed}"
                    ),
                }
            }
        }
    }
}

#[test]
fn what_the_auth_service_has_named_is_revoked_also_by_the_signature_alone() {
    let mut setup = asking(&RSA, &json!({ "on_outage": "signature" }), true);
    setup.has_relays = true;
    let gate = setup.gate();
    let (mut world, mut hub) = (World::new(json!({ "sid": "s" })), Hub::default());
    hub.revoke(&gate, Kind::Session, "another", world.now);
    assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Normal);
    world.service.state = State::Down;
    world.now += 86_400_000;
    hub.revoke(&gate, Kind::Session, "another", world.now);
    assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Signature);
    hub.revoke(&gate, Kind::Session, "s", world.now);
    assert_eq!(world.present(&gate, &token("a")), Outcome::Denied(Reason::Revoked));
}

#[test]
fn what_the_auth_service_names_is_revoked_as_what_the_token_names() {
    for session in [json!({ "sid": "s" }), json!({ "sid": "s", "iat": NOW })] {
        let mut setup = asking(&RSA, &json!({ "on_outage": "deny" }), true);
        setup.has_relays = true;
        let gate = setup.gate();
        let (mut world, mut hub) = (World::new(session), Hub::default());
        hub.revoke(&gate, Kind::Session, "another", world.now);
        assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Normal);
        hub.revoke(&gate, Kind::Session, "s", world.now);
        // One that was asked about before, and one that was not.
        for jti in ["a", "b"] {
            let outcome = world.present(&gate, &token(jti));
            assert_eq!(outcome, Outcome::Denied(Reason::Revoked), "{jti}");
        }
    }
}

#[test]
fn a_rule_can_say_otherwise_and_of_several_readings_the_strictest_counts() {
    let mut setup = asking(&RSA, &json!({ "on_outage": "signature" }), true);
    setup.table["rules"] = json!([
        { "path": "/", "on_outage": "deny" },
        { "path": "/lenient" },
        { "path": "/lenient/too", "on_outage": "signature" },
    ]);
    let gate = setup.gate();
    let mut world = World::new(json!({}));
    world.service.state = State::Down;
    for (path, passes) in [
        ("/", false),
        ("/lenient", true),
        ("/lenient/too", true),
        // Some origins read it as "/".
        ("/lenient/..%2f", false),
    ] {
        let outcome = world.present_at(&gate, path, &token(path));
        let is_permitted = matches!(outcome, Outcome::Permitted { mode: Mode::Signature, .. });
        assert_eq!(is_permitted, passes, "{path} {outcome:?}");
    }
}

#[test]
fn an_open_breaker_asks_nobody_and_a_probe_closes_it() {
    let gate = gate("signature", true);
    let mut world = World::new(json!({}));
    world.service.state = State::Down;
    for number in 0..50 {
        assert_eq!(mode(&world.present(&gate, &token(&number.to_string()))), Mode::Signature);
    }
    assert_eq!(world.service.calls, 5, "the breaker opens after five failures in a row");
    let before = world.now;
    assert_eq!(mode(&world.present(&gate, &token("later"))), Mode::Signature);
    assert_eq!((world.now, world.service.calls), (before, 5));
    world.service.state = State::Up;
    world.now += 4_000;
    assert_eq!(mode(&world.present(&gate, &token("probe"))), Mode::Normal);
    assert_eq!(mode(&world.present(&gate, &token("after"))), Mode::Normal);
    assert_eq!(world.service.calls, 7);
}

#[test]
fn nobody_waits_for_a_probe_who_can_pass_without() {
    for (on_outage, patience_ms) in [("signature", Some(0)), ("deny", None)] {
        let gate = asking(&RSA, &json!({ "on_outage": on_outage }), true).gate_with(false);
        let mut world = World::new(json!({}));
        world.service.state = State::Down;
        for number in 0..5 {
            world.present(&gate, &token(&number.to_string()));
        }
        let packed = with_token(&token("probe"));
        let later = world.now + 4_000;
        let asked = gate.decide(&RequestHead::unpack(&packed), later, &mut Findings::default());
        let Ok(Decision::Ask(Question::Verdict(inquiry))) = asked else { panic!("{asked:?}") };
        assert_eq!(inquiry.patience_ms(), patience_ms, "{on_outage}");
    }
}

#[test]
fn an_open_breaker_lets_nobody_wait_for_a_call_from_before() {
    let gate = asking(&RSA, &json!({ "on_outage": "signature" }), true).gate_with(false);
    let mut world = World::new(json!({}));
    let packed = with_token(&token("hot"));
    let mut findings = Findings::default();
    let hanging = gate.decide(&RequestHead::unpack(&packed), world.now, &mut findings);
    assert!(matches!(hanging, Ok(Decision::Ask(Question::Verdict(_)))), "{hanging:?}");
    world.service.state = State::Down;
    for number in 0..5 {
        world.present(&gate, &token(&number.to_string()));
    }
    let before = world.now;
    assert_eq!(mode(&world.present(&gate, &token("hot"))), Mode::Signature);
    assert_eq!((world.now, world.service.calls), (before, 5));
}

#[test]
fn a_request_waits_no_longer_than_it_has_to() {
    for (settings, waits_ms) in [
        (json!({ "on_outage": "signature" }), 80),
        (json!({ "on_outage": "signature", "degrade_after_ms": 30 }), 30),
        (json!({ "on_outage": "deny" }), 1_000),
        (json!({ "on_outage": "stale" }), 1_000),
    ] {
        let gate = asking(&RSA, &settings, true).gate();
        let mut world = World::new(json!({}));
        world.service.state = State::Hanging;
        world.present(&gate, &token("a"));
        assert_eq!(world.now - NOW * 1_000, waits_ms, "{settings}");
    }
    // The time that KV takes is part of it.
    let gate = gate("signature", true);
    let mut world = World::new(json!({}));
    world.service.state = State::Hanging;
    world.kv_takes_ms = 50;
    world.present(&gate, &token("a"));
    assert_eq!(world.now - NOW * 1_000, 80);
}

#[test]
fn what_was_withdrawn_is_no_last_word_for_other_isolates() {
    let mut world = World::new(json!({}));
    let first = gate("stale", true);
    assert_eq!(mode(&world.present(&first, &token("a"))), Mode::Normal);
    assert_eq!(world.kv.len(), 1);
    world.service.withdrawn.insert(token("a"));
    world.now += 600_000;
    assert_eq!(world.present(&first, &token("a")), Outcome::Denied(Reason::Inactive));
    assert_eq!(world.kv.len(), 0);
    world.service.state = State::Down;
    let silent = Outcome::Denied(Reason::AuthServiceSilent);
    assert_eq!(world.present(&gate("stale", true), &token("a")), silent);
    // The one that heard it goes by it.
    world.now += 11_000;
    assert_eq!(world.present(&first, &token("a")), Outcome::Denied(Reason::Inactive));
}

#[test]
fn what_anybody_can_invent_makes_nobody_write() {
    let settings = json!({ "on_outage": "stale", "opaque_tokens": "accept" });
    let gate = asking(&RSA, &settings, true).gate();
    let mut world = World::new(json!({}));
    world.service.withdrawn.insert("invented".to_owned());
    assert_eq!(world.present(&gate, "invented"), Outcome::Denied(Reason::UnknownToken));
    assert_eq!(world.kv_changes, 0);
}

#[test]
fn what_was_withdrawn_goes_from_kv_also_where_kv_was_late() {
    let mut world = World::new(json!({}));
    world.present(&gate("stale", true), &token("a"));
    world.service.withdrawn.insert(token("a"));
    world.now += 600_000;
    world.kv_takes_ms = 60;
    let inactive = Outcome::Denied(Reason::Inactive);
    assert_eq!(world.present(&gate("stale", true), &token("a")), inactive);
    assert_eq!(world.kv.len(), 0);

    let settings = json!({ "on_outage": "stale", "opaque_tokens": "accept" });
    let opaque = || asking(&RSA, &settings, true).gate();
    let mut world = World::new(json!({ "aud": "api", "sub": "alice", "exp": NOW + 90_000 }));
    assert_eq!(mode(&world.present(&opaque(), "opaque")), Mode::Normal);
    world.service.withdrawn.insert("opaque".to_owned());
    world.now += 600_000;
    world.kv_takes_ms = 60;
    let unknown = Outcome::Denied(Reason::UnknownToken);
    assert_eq!(world.present(&opaque(), "opaque"), unknown);
    assert_eq!(world.kv.len(), 0);
}

#[test]
fn what_only_the_auth_service_can_say_is_not_the_fault_of_the_token() {
    for (rule, claims, token_lacks) in [
        (json!({ "claims": { "tenant": ["acme"] } }), json!({ "tenant": "acme" }), json!({})),
        (json!({ "scopes_all": ["a"] }), json!({ "scope": "a" }), json!({ "scope": null })),
    ] {
        let mut setup = asking(&RSA, &json!({ "on_outage": "signature" }), true);
        let mut rule = rule;
        rule["path"] = "/".into();
        setup.table["rules"] = json!([rule]);
        let gate = setup.gate();
        let token = |jti: &str, members: &Value| {
            let mut all = json!({ "exp": NOW + 100_000, "jti": jti });
            all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims_with(all))
        };
        let mut world = World::new(claims);
        assert_eq!(mode(&world.present(&gate, &token("a", &token_lacks))), Mode::Normal);
        world.service.state = State::Down;
        let silent = Outcome::Denied(Reason::AuthServiceSilent);
        assert_eq!(world.present(&gate, &token("b", &token_lacks)), silent, "{rule}");
        // Where the token speaks, nobody else can help it.
        let spoken = json!({ "tenant": "evil", "scope": "b" });
        let denied = world.present(&gate, &token("c", &spoken));
        let is_final = matches!(denied, Outcome::Denied(Reason::MissingScope | Reason::WrongClaim));
        assert!(is_final, "{denied:?}");
    }
}

#[test]
fn a_waiter_learns_what_came_of_the_call_that_it_waited_for() {
    for (silence, reason) in [
        (Silence::RefusesUs, Reason::AuthServiceRefusesUs),
        (Silence::TimedOut, Reason::AuthServiceSilent),
    ] {
        let gate = asking(&RSA, &json!({}), false).gate_with(false);
        let packed = with_token(&token("a"));
        let head = RequestHead::unpack(&packed);
        let ask = |now, findings: &mut Findings| gate.decide(&head, now, findings);
        let then = NOW * 1_000;
        let asked = ask(then, &mut Findings::default());
        let Ok(Decision::Ask(Question::Verdict(inquiry))) = asked else { panic!("{asked:?}") };
        let mut waiter = Findings::default();
        let waits = ask(then, &mut waiter);
        assert!(matches!(waits, Ok(Decision::Ask(Question::Moment(_)))), "{waits:?}");
        let _ = gate.hear_verdict(inquiry, Err(silence), then + 10);
        // A third request comes before the waiter looks again, and asks anew.
        let asked = ask(then + 11, &mut Findings::default());
        assert!(matches!(asked, Ok(Decision::Ask(Question::Verdict(_)))), "{asked:?}");
        let denial = ask(then + 20, &mut waiter).map(|_| ()).map_err(|denial| denial.reason);
        assert_eq!(denial, Err(reason));
    }
}

#[test]
fn kv_is_not_waited_for_longer_than_the_auth_service() {
    for (cache, kv_timeout_ms) in [("auto", 50), ("always", 50), ("auto", 1_000), ("always", 1_000)]
    {
        let mut setup = asking(&RSA, &json!({ "on_outage": "signature" }), true);
        setup.table["validation_cache"] = cache.into();
        setup.table["validation_cache_timeout_ms"] = kv_timeout_ms.into();
        let gate = setup.gate();
        let mut world = World::new(json!({}));
        world.service.state = State::Hanging;
        world.kv_takes_ms = kv_timeout_ms;
        assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Signature);
        assert_eq!(world.now - NOW * 1_000, 80, "{cache} {kv_timeout_ms}");
    }
}

#[test]
fn a_token_that_begins_during_an_outage_passes_from_then_on() {
    let settings = json!({ "on_outage": "stale", "opaque_tokens": "accept" });
    for (claim, reason) in [("nbf", Reason::NotYetValid), ("iat", Reason::NotYetValid)] {
        let gate = asking(&RSA, &settings, true).gate();
        let mut claims = json!({ "aud": "api", "sub": "alice", "exp": NOW + 90_000 });
        claims[claim] = (NOW + 5).into();
        let mut world = World::new(claims);
        assert_eq!(world.present(&gate, "opaque"), Outcome::Denied(reason), "{claim}");
        world.service.state = State::Down;
        world.now += 700_000;
        assert_eq!(mode(&world.present(&gate, "opaque")), Mode::Stale, "{claim}");
    }
}

/// A token that does not say since when it counts.
fn ageless(jti: &str) -> String {
    let claims = json!({ "exp": NOW + 100_000, "jti": jti, "nbf": null, "iat": null });
    RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims_with(claims))
}

#[test]
fn a_clock_that_was_set_back_keeps_no_mistake() {
    let gate = gate("signature", true);
    let mut world = World::new(json!({}));
    world.service.withdrawn.insert(ageless("a"));
    assert_eq!(world.present(&gate, &ageless("a")), Outcome::Denied(Reason::Inactive));
    world.service.withdrawn.clear();
    world.now -= 300_000;
    assert_eq!(mode(&world.present(&gate, &ageless("a"))), Mode::Normal);
}

#[test]
fn a_waiter_takes_no_answer_from_before_the_clock_was_set_back() {
    let gate = asking(&RSA, &json!({}), false).gate_with(false);
    let mut world = World::new(json!({}));
    world.present(&gate, &ageless("a"));
    world.now -= 300_000;
    let packed = with_token(&ageless("a"));
    let head = RequestHead::unpack(&packed);
    let asked = gate.decide(&head, world.now, &mut Findings::default());
    assert!(matches!(asked, Ok(Decision::Ask(Question::Verdict(_)))), "{asked:?}");
    let mut waiter = Findings::default();
    for moment in [0, 20] {
        let waits = gate.decide(&head, world.now + moment, &mut waiter);
        assert!(matches!(waits, Ok(Decision::Ask(Question::Moment(_)))), "{waits:?}");
    }
}

#[test]
fn a_token_ends_when_the_answer_or_the_token_says_so() {
    let gate = gate("stale", true);
    let mut world = World::new(json!({ "exp": NOW + 200 }));
    assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Normal);
    world.now += 199_000;
    assert_eq!(mode(&world.present(&gate, &token("a"))), Mode::Normal);
    world.now += 1_000;
    assert_eq!(world.present(&gate, &token("a")), Outcome::Denied(Reason::Expired));
    world.service.state = State::Down;
    assert_eq!(world.present(&gate, &token("a")), Outcome::Denied(Reason::Expired));
}

#[test]
fn a_hundred_tokens_of_a_hundred_requests_are_a_hundred_calls() {
    let mut world = World::new(json!({}));
    let isolates: Vec<_> = (0..5).map(|_| gate("deny", false)).collect();
    for request in 0..100 {
        for number in 0..100 {
            let gate = &isolates[(request + number) % isolates.len()];
            assert_eq!(mode(&world.present(gate, &token(&number.to_string()))), Mode::Normal);
        }
    }
    assert_eq!(world.service.calls, 100);
}

/// Prewarms a token, and answers what that asks like `answer`.
fn warm(gate: &Gate<NativeCrypto>, token: &str, now: i64, answer: &str) -> Warming {
    let mut findings = Findings::insisting();
    let Warming::Ask(Question::Verdict(inquiry)) = gate.warm(token, &mut findings, now) else {
        panic!("nobody is asked")
    };
    let reply = match answer {
        "" => Err(Silence::Unreachable),
        answer => Ok((200, answer.as_bytes().to_vec())),
    };
    findings.learn(gate.hear_verdict(inquiry, reply, now));
    gate.warm(token, &mut findings, now)
}

#[test]
fn no_last_word_is_lost_by_verifying_again() {
    let inactive = Outcome::Denied(Reason::Inactive);
    // Prewarmed without an answer.
    let gate = gate("signature", true);
    let mut world = World::new(json!({}));
    world.service.withdrawn.insert(token("a"));
    assert_eq!(world.present(&gate, &token("a")), inactive);
    world.service.state = State::Down;
    world.now += 11_000;
    assert_eq!(world.present(&gate, &token("a")), inactive);
    let warming = warm(&gate, &token("a"), world.now, "");
    assert!(matches!(warming, Warming::Refused("auth_service_silent")), "{warming:?}");
    assert_eq!(world.present(&gate, &token("a")), inactive);
    // Prewarmed with "not active".
    let mut world = World::new(json!({}));
    world.present(&gate, &token("b"));
    let warming = warm(&gate, &token("b"), world.now, r#"{"active":false}"#);
    assert!(matches!(warming, Warming::Refused("inactive")), "{warming:?}");
    world.kv.clear();
    assert_eq!(world.present(&gate, &token("b")), inactive);
}

#[test]
fn a_word_against_a_token_does_not_age_while_there_is_no_other() {
    let gate = gate("signature", true);
    let mut world = World::new(json!({}));
    world.service.withdrawn.insert(token("a"));
    for seconds in [0, 11, 3_600, 3_601, 50_000] {
        world.now = (NOW + seconds) * 1_000;
        assert_eq!(world.present(&gate, &token("a")), Outcome::Denied(Reason::Inactive));
        world.service.state = State::Down;
    }
}

#[test]
fn what_was_just_heard_counts_whatever_other_clocks_say() {
    let mut setup = asking(&RSA, &json!({}), true);
    setup.table["clock_skew_seconds"] = 30.into();
    let (ahead, here) = (setup.gate(), setup.gate());
    let mut world = World::new(json!({}));
    world.now += 5_000;
    assert_eq!(mode(&world.present(&ahead, &token("a"))), Mode::Normal);
    world.now -= 5_000;
    world.service.withdrawn.insert(token("a"));
    for seconds in [0, 1, 6, 500] {
        world.now = (NOW + seconds) * 1_000;
        assert_eq!(world.present(&here, &token("a")), Outcome::Denied(Reason::Inactive));
    }
}

#[test]
fn with_the_breaker_open_nothing_costs_time_twice() {
    for on_outage in ["stale", "signature"] {
        let gate = gate(on_outage, true);
        let mut world = World::new(json!({}));
        world.present(&gate, &token("known"));
        world.now += 601_000;
        world.service.state = State::Down;
        for number in 0..6 {
            world.present(&gate, &token(&number.to_string()));
        }
        world.kv_takes_ms = 50;
        for _ in 0..3 {
            let before = world.now;
            assert_eq!(mode(&world.present(&gate, &token("known"))), Mode::Stale);
            assert_eq!(world.now, before);
        }
        if on_outage == "signature" {
            // It could be there, so it is looked for once.
            for takes_ms in [50, 0, 0] {
                let before = world.now;
                assert_eq!(mode(&world.present(&gate, &token("new"))), Mode::Signature);
                assert_eq!(world.now - before, takes_ms);
            }
        }
    }
}

#[test]
fn always_uses_what_kv_says_of_the_auth_service_too() {
    for switch in ["auto", "always"] {
        let mut setup = asking(&RSA, &json!({ "on_outage": "stale" }), true);
        setup.table["validation_cache"] = switch.into();
        let mut world = World::new(json!({}));
        world.present(&setup.gate(), &token("a"));
        assert_eq!(mode(&world.present(&setup.gate(), &token("a"))), Mode::Normal);
        assert_eq!(world.service.calls, 1, "{switch}");
        world.service.state = State::Down;
        world.now += 601_000;
        assert_eq!(mode(&world.present(&setup.gate(), &token("a"))), Mode::Stale, "{switch}");
        world.service.state = State::Up;
        world.service.withdrawn.insert(token("a"));
        let outcome = world.present(&setup.gate(), &token("a"));
        assert_eq!((outcome, world.kv.len()), (Outcome::Denied(Reason::Inactive), 0), "{switch}");
    }
}

#[test]
fn who_waits_for_another_request_shares_its_answer() {
    for (cache_seconds, status) in [(0, 200), (600, 200), (600, 401), (600, 503)] {
        let settings = json!({ "cache_seconds": cache_seconds });
        let gate = asking(&RSA, &settings, false).gate_with(false);
        let (packed, mut now) = (with_token(&token("a")), NOW * 1_000);
        let head = RequestHead::unpack(&packed);
        let mut first = Findings::default();
        let asked = gate.decide(&head, now, &mut first);
        let Ok(Decision::Ask(Question::Verdict(inquiry))) = asked else { panic!("{asked:?}") };
        let mut second = Findings::default();
        let waits = gate.decide(&head, now, &mut second);
        assert!(matches!(waits, Ok(Decision::Ask(Question::Moment(_)))), "{waits:?}");
        now += 500;
        let reply = Ok((status, br#"{"active":true}"#.to_vec()));
        first.learn(gate.hear_verdict(inquiry, reply, now));
        for findings in [&mut first, &mut second] {
            let reason = gate.decide(&head, now, findings).err().map(|denial| denial.reason);
            let expected = match status {
                200 => None,
                401 => Some(Reason::AuthServiceRefusesUs),
                _ => Some(Reason::AuthServiceSilent),
            };
            assert_eq!(reason, expected, "{cache_seconds} {status}");
        }
    }
}

#[test]
fn an_answer_that_could_not_be_read_again_is_not_stored() {
    let mut world = World::new(json!({ "exp": "1900000000" }));
    assert_eq!(mode(&world.present(&gate("deny", false), &token("a"))), Mode::Normal);
    assert_eq!(world.kv.len(), 0);
}

#[test]
fn what_others_hear_about_other_tokens_is_nothing_to_wait_for() {
    let gate = asking(&RSA, &json!({}), false).gate_with(false);
    let mut world = World::new(json!({}));
    let packed = with_token(&token("slow"));
    let head = RequestHead::unpack(&packed);
    let (mut first, mut second) = (Findings::default(), Findings::default());
    let asked = gate.decide(&head, world.now, &mut first);
    let Ok(Decision::Ask(Question::Verdict(inquiry))) = asked else { panic!("{asked:?}") };
    for state in [State::Down, State::Up] {
        world.service.state = state;
        world.now += 20;
        world.present(&gate, &token(&format!("{state:?}")));
        let waits = gate.decide(&head, world.now, &mut second);
        assert!(matches!(waits, Ok(Decision::Ask(Question::Moment(_)))), "{waits:?}");
    }
    first.learn(gate.hear_verdict(inquiry, Ok((200, br#"{"active":true}"#.to_vec())), world.now));
    for findings in [&mut first, &mut second] {
        assert!(gate.decide(&head, world.now, findings).is_ok());
    }
}

#[test]
fn nobody_waits_for_a_call_that_was_lost() {
    let gate = asking(&RSA, &json!({}), false).gate_with(false);
    let packed = with_token(&token("a"));
    let head = RequestHead::unpack(&packed);
    let asked = gate.decide(&head, NOW * 1_000, &mut Findings::default());
    assert!(matches!(asked, Ok(Decision::Ask(Question::Verdict(_)))), "{asked:?}");
    let mut findings = Findings::default();
    let mut now = NOW * 1_000;
    while let Ok(Decision::Ask(Question::Moment(_))) = gate.decide(&head, now, &mut findings) {
        now += 20;
        // The time limit, and a second more.
        assert!(now <= (NOW + 2) * 1_000 + 20, "it goes on waiting");
    }
}

#[test]
fn prewarming_that_hears_of_a_withdrawal_takes_it_out_of_kv() {
    let mut world = World::new(json!({}));
    world.present(&gate("stale", true), &token("a"));
    assert_eq!(world.kv.len(), 1);
    let gate = gate("stale", true);
    let mut findings = Findings::insisting();
    let Warming::Ask(Question::Verdict(inquiry)) = gate.warm(&token("a"), &mut findings, world.now)
    else {
        panic!("nobody is asked")
    };
    let told = gate.hear_verdict(inquiry, Ok((200, br#"{"active":false}"#.to_vec())), world.now);
    assert!(matches!(told.change, Some(KvChange::Delete(_))), "{:?}", told.change);
}

#[test]
fn an_answer_that_took_long_does_not_undo_a_withdrawal() {
    let gate = asking(&RSA, &json!({}), false).gate();
    let mut world = World::new(json!({}));
    let mut findings = Findings::insisting();
    let Warming::Ask(Question::Verdict(slow)) = gate.warm(&token("a"), &mut findings, world.now)
    else {
        panic!("nobody is asked")
    };
    world.now += 5_000;
    world.service.withdrawn.insert(token("a"));
    assert_eq!(world.present(&gate, &token("a")), Outcome::Denied(Reason::Inactive));
    let told = gate.hear_verdict(slow, Ok((200, br#"{"active":true}"#.to_vec())), world.now);
    assert_eq!(told.change, None);
    assert_eq!(world.present(&gate, &token("a")), Outcome::Denied(Reason::Inactive));
}

#[test]
fn a_clock_that_is_set_back_undoes_no_withdrawal() {
    let mut world = World::new(json!({}));
    let first = gate("deny", false);
    world.present(&first, &token("a"));
    let stored = world.kv.clone();
    let second = gate("deny", false);
    world.service.withdrawn.insert(token("a"));
    world.now += 601_000;
    assert_eq!(world.present(&second, &token("a")), Outcome::Denied(Reason::Inactive));
    // Somebody puts the entry back, and the clock is set back to when it counted.
    world.kv = stored;
    world.now -= 590_000;
    assert_eq!(world.present(&second, &token("a")), Outcome::Denied(Reason::Inactive));
}
