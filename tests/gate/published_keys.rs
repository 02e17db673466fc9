//! Keys that an issuer publishes, while clocks, issuers and other requests misbehave.

use std::sync::LazyLock;

use edgeward::core::denial::Reason;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings, Gate, KvChange, Question, Stored};
use serde_json::{Value, json};

use crate::fixture::{NOW, Setup, claims_with, with_token};
use crate::native::{NativeCrypto, Signer};
use crate::outages::asking;
use crate::world::{Outcome, State, World};

static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
static OTHER: LazyLock<Signer> = LazyLock::new(Signer::rsa);

const THEN: i64 = NOW * 1_000;

fn token(jti: &str) -> String {
    let claims = claims_with(json!({ "exp": NOW + 100_000, "jti": jti }));
    RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims)
}

/// A gate that has no keys but those that are published.
fn fetching() -> Gate<NativeCrypto> {
    let mut setup = Setup::new(&["RS256"], &RSA);
    let provider = setup.table["providers"][0].as_object_mut().unwrap();
    provider.remove("keys");
    provider.insert("jwks_uri".to_owned(), "https://issuer.example/jwks".into());
    setup.gate()
}

fn hear(gate: &Gate<NativeCrypto>, keys: &[Value], now: i64) {
    gate.begin_keys(0, now);
    let set = json!({ "keys": keys }).to_string().into_bytes();
    gate.hear_keys(0, Ok((200, set)), now).unwrap();
}

/// What a request with this token comes to, or what it asks.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Permit,
    Fetch,
    Moment,
    Deny(Reason),
}

fn step(gate: &Gate<NativeCrypto>, token: &str, now: i64, findings: &mut Findings) -> Step {
    let packed = with_token(token);
    match gate.decide(&RequestHead::unpack(&packed), now, findings) {
        Ok(Decision::Forward(_)) => Step::Permit,
        Ok(Decision::Ask(Question::Keys(0))) => Step::Fetch,
        Ok(Decision::Ask(Question::Moment(_))) => Step::Moment,
        Ok(other) => panic!("{other:?}"),
        Err(denial) => Step::Deny(denial.reason),
    }
}

fn first_step(gate: &Gate<NativeCrypto>, token: &str, now: i64) -> Step {
    step(gate, token, now, &mut Findings::default())
}

#[test]
fn a_clock_that_is_set_back_loses_no_keys() {
    for back in [1, 3_600_000] {
        let gate = fetching();
        hear(&gate, &[RSA.jwk("k1")], THEN);
        let (known, new) = (token("a"), token("b"));
        assert_eq!(first_step(&gate, &known, THEN), Step::Permit);
        let unlimited = claims_with(json!({ "exp": NOW + 100_000, "nbf": null, "iat": null }));
        let early = RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &unlimited);
        assert_eq!(first_step(&gate, &early, THEN - back), Step::Permit);
        for token in [&known, &new] {
            assert_eq!(first_step(&gate, token, THEN + 1), Step::Permit);
        }
    }
}

#[test]
fn a_set_that_is_too_old_does_not_come_back_with_the_clock() {
    let gate = fetching();
    hear(&gate, &[RSA.jwk("k1")], THEN);
    let late = THEN + 86_400_000;
    assert_eq!(first_step(&gate, &token("a"), late), Step::Fetch);
    gate.begin_keys(0, late);
    gate.hear_keys(0, Err("timed_out".to_owned()), late).unwrap_err();
    let unavailable = Step::Deny(Reason::KeysUnavailable);
    assert_eq!(first_step(&gate, &token("a"), THEN + 2_000), unavailable);
}

#[test]
fn nobody_waits_for_keys_longer_than_one_fetch_can_take() {
    let gate = fetching();
    let tokens: Vec<String> = (0..6).map(|number| token(&number.to_string())).collect();
    let mut waiting: Vec<(usize, Findings)> = (0..6).map(|at| (at, Findings::default())).collect();
    let mut fetches: Vec<(usize, i64, bool)> = Vec::new();
    let mut now = THEN;
    while !waiting.is_empty() {
        assert!(now - THEN <= 3_000, "{} still wait", waiting.len());
        // Each fetch hangs until its time limit.
        for (at, began, is_over) in &mut fetches {
            if !*is_over && now - *began >= 2_000 {
                *is_over = true;
                gate.hear_keys(0, Err("timed_out".to_owned()), now).unwrap_err();
                let at: usize = *at;
                waiting.iter_mut().find(|(other, _)| *other == at).unwrap().1.keys_were_fetched();
            }
        }
        waiting.retain_mut(|(at, findings)| {
            if fetches.iter().any(|(other, _, is_over)| other == at && !is_over) {
                return true;
            }
            match step(&gate, &tokens[*at], now, findings) {
                Step::Moment => true,
                Step::Fetch => {
                    gate.begin_keys(0, now);
                    fetches.push((*at, now, false));
                    true
                }
                Step::Deny(reason) => {
                    assert_eq!(reason, Reason::KeysUnavailable);
                    false
                }
                Step::Permit => panic!("without a key"),
            }
        });
        now += 20;
    }
    assert_eq!(fetches.len(), 1);
}

#[test]
fn who_waited_while_another_fetch_began_does_not_know_of_any_key() {
    let (gate, mut waiter) = (fetching(), Findings::default());
    gate.begin_keys(0, THEN);
    assert_eq!(step(&gate, &token("a"), THEN, &mut waiter), Step::Moment);
    // It is under way, and has not failed.
    gate.begin_keys(0, THEN + 3_000);
    let denied = Step::Deny(Reason::KeysUnavailable);
    assert_eq!(step(&gate, &token("a"), THEN + 5_000, &mut waiter), denied);
}

#[test]
fn a_token_of_a_key_that_is_here_does_not_wait_for_others() {
    let mut setup = Setup::new(&["RS256"], &RSA);
    setup.table["providers"][0]["jwks_uri"] = "https://issuer.example/jwks".into();
    let gate = setup.gate();
    assert_eq!(first_step(&gate, &token("a"), THEN), Step::Permit);
    assert_eq!(gate.take_due(), Some(0), "they are fetched afterwards");
    let claims = claims_with(json!({}));
    let other = OTHER.token(&json!({ "alg": "RS256", "kid": "k2" }), &claims);
    assert_eq!(first_step(&gate, &other, THEN), Step::Fetch);
    hear(&gate, &[OTHER.jwk("k2")], THEN);
    assert_eq!(first_step(&gate, &other, THEN), Step::Permit);
}

#[test]
fn a_forged_token_of_a_key_that_is_here_is_nobodys_fault_but_its_own() {
    let mut setup = Setup::new(&["RS256"], &RSA);
    setup.table["providers"][0]["jwks_uri"] = "https://issuer.example/jwks".into();
    let gate = setup.gate();
    gate.begin_keys(0, THEN);
    gate.hear_keys(0, Err("timed_out".to_owned()), THEN).unwrap_err();
    let forged = OTHER.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims_with(json!({})));
    assert_eq!(first_step(&gate, &forged, THEN + 10), Step::Deny(Reason::BadSignature));
    // One that names no key may be of one that is not here.
    let nameless = OTHER.token(&json!({ "alg": "RS256" }), &claims_with(json!({})));
    assert_eq!(first_step(&gate, &nameless, THEN + 10), Step::Deny(Reason::KeysUnavailable));
}

/// What another isolate leaves in KV.
fn stored(keys: &[Value], at: i64) -> (String, Vec<u8>) {
    let other = sealing().gate();
    other.begin_keys(0, at);
    let set = json!({ "keys": keys }).to_string().into_bytes();
    match other.hear_keys(0, Ok((200, set)), at).unwrap() {
        Some(KvChange::Put { kv_key, value, .. }) => (kv_key, value),
        other => panic!("{other:?}"),
    }
}

fn sealing() -> Setup {
    let mut setup = asking(&RSA, &json!({}), true);
    let provider = setup.table["providers"][0].as_object_mut().unwrap();
    provider.remove("keys");
    provider.remove("introspection");
    provider.insert("jwks_uri".to_owned(), "https://issuer.example/jwks".into());
    setup
}

#[test]
fn an_older_failure_refuses_nobody_who_waits_for_another_fetch() {
    let (kv_key, value) = stored(&[OTHER.jwk("k2")], THEN);
    let gate = sealing().gate();
    gate.begin_keys(0, THEN);
    gate.hear_keys(0, Err("timed_out".to_owned()), THEN).unwrap_err();
    let now = THEN + 2_000;
    let (mut first, mut second) = (Findings::default(), Findings::default());
    assert_eq!(step(&gate, &token("a"), now, &mut first), Step::Fetch);
    gate.begin_keys(0, now);
    assert_eq!(step(&gate, &token("a"), now, &mut second), Step::Moment);
    assert!(gate.hear_stored_keys(0, &kv_key, Stored::Found(&value), now + 10));
    assert_eq!(step(&gate, &token("a"), now + 20, &mut second), Step::Fetch);
}

#[test]
fn a_look_into_kv_is_part_of_a_fetch_that_others_wait_for() {
    let mut setup = sealing();
    setup.table["validation_cache_timeout_ms"] = 5_000.into();
    setup.table["providers"][0]["jwks"] = json!({ "timeout_ms": 500 });
    let gate = setup.gate();
    assert_eq!(first_step(&gate, &token("a"), THEN), Step::Fetch);
    gate.begin_keys(0, THEN);
    let mut waiter = Findings::default();
    for waited in [0, 1_600, 5_400, 6_400] {
        assert_eq!(step(&gate, &token("b"), THEN + waited, &mut waiter), Step::Moment, "{waited}");
    }
}

#[test]
fn opaque_tokens_do_not_depend_on_keys() {
    let members = json!({ "on_outage": "stale", "opaque_tokens": "accept" });
    let mut setup = asking(&RSA, &members, true);
    setup.table["providers"][0]["jwks_uri"] = "https://issuer.example/jwks".into();
    let gate = setup.gate();
    let mut world = World::new(json!({ "aud": "api", "sub": "alice", "exp": NOW + 90_000 }));
    hear(&gate, &[OTHER.jwk("k2"), OTHER.jwk("k3")], world.now);
    world.present(&gate, "opaque");
    hear(&gate, &[OTHER.jwk("k2")], world.now);
    for _ in 0..3 {
        let outcome = world.present(&gate, "opaque");
        assert!(matches!(outcome, Outcome::Permitted { .. }), "{outcome:?}");
    }
    assert_eq!(world.service.calls, 1);
    world.service.state = State::Down;
    world.now += 601_000;
    let outcome = world.present(&gate, "opaque");
    assert!(matches!(outcome, Outcome::Permitted { .. }), "{outcome:?}");
}

#[test]
fn a_fetch_that_was_lost_says_nothing_about_a_key() {
    let gate = fetching();
    hear(&gate, &[OTHER.jwk("k2")], THEN);
    let later = THEN + 40_000;
    assert_eq!(first_step(&gate, &token("a"), later), Step::Fetch);
    // Its client leaves, and so does the fetch.
    gate.begin_keys(0, later);
    assert_eq!(first_step(&gate, &token("a"), later + 1), Step::Moment);
    let unavailable = Step::Deny(Reason::KeysUnavailable);
    // As long as a look into KV, a fetch and a second can take.
    assert_eq!(first_step(&gate, &token("a"), later + 3_050), unavailable);
    assert_eq!(first_step(&gate, &token("a"), later + 30_000), Step::Fetch);
}

#[test]
fn a_token_that_a_removed_key_has_verified_is_not_known_any_more() {
    let gate = fetching();
    hear(&gate, &[RSA.jwk("k1"), OTHER.jwk("k2")], THEN);
    assert_eq!(first_step(&gate, &token("a"), THEN), Step::Permit);
    hear(&gate, &[OTHER.jwk("k2")], THEN + 1_000);
    assert_eq!(first_step(&gate, &token("a"), THEN + 2_000), Step::Deny(Reason::UnknownKey));
}
